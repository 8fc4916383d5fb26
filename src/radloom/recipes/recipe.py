"""Recipes: which corpora, which stages in which order, with which sizes. Plain YAML, read strictly.

`radloom train NAME` takes a name of `recipes/` (`llm-cxr/nano`) or a YAML file of one's own. `--set a.b=value` replaces
a value; stages are addressed by their names.

A recipe with `extends: OTHER` has that recipe's transform and corpora unless it gives its own. Of its stages, a plain
name is the other's stage as it is there, and one that has a name of the other's and no `kind` is that stage with the
given keys changed; `like: NAME` takes the keys of another stage, of this recipe or the other, under a name of its own.
Keys within groups (`mix`, `loss`, `train`) change one by one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from radloom.codec.network import Codec
from radloom.config import from_dict
from radloom.corpora import KINDS as CORPORA
from radloom.errors import RecipeError, did_you_mean
from radloom.imaging import Transform
from radloom.recipes.any_to_any import ANY_TO_ANY, TrainDenoisers, TrainEnvironments
from radloom.recipes.stages import STAGES, StageConfig, TrainClassifier, TrainCodec, TrainSigns, TuneLanguage
from radloom.recipes.trained import is_trained

KINDS: dict[str, type[StageConfig]] = {**STAGES, **ANY_TO_ANY}
"""Kinds of stage by name."""


PARTS: dict[str, tuple[str, ...]] = {
    "classifier": (TrainClassifier.kind,),
    "signs": (TrainSigns.kind,),
    "codec": (TrainCodec.kind,),
    "language": (TuneLanguage.kind,),
    "any-to-any": (TrainDenoisers.kind, TrainEnvironments.kind),
}
"""Part of a finished model -> the kinds of stage that make it."""


@dataclass(frozen=True)
class CorpusConfig:
    """A corpus below the data folder.

    Attributes:
        kind: which `prepare` reads it; see `corpora.KINDS`.
        path: its folder, relative to `--data`; raw, or what `prepare` made of it.
        workers: processes that look at its images when it is prepared; 0 is the one that trains.
        images: where the images of a prepared corpus lie now, if they were moved; relative to `--data`.
    """

    kind: str
    path: str
    workers: int = 0
    images: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in CORPORA:
            known = ", ".join(CORPORA)
            near = did_you_mean(str(self.kind), CORPORA)
            raise RecipeError(f"Unknown kind of corpus {self.kind!r}{near}; known: {known}.")


@dataclass(frozen=True)
class Recipe:
    """A whole training, from raw data to a model.

    Attributes:
        name: of the recipe.
        about: what it makes, in a sentence or two.
        transform: image array -> model pixels, for every stage.
        corpora: by name.
        stages: in order; each may use what earlier ones made, by name, and parts of trained models, as `nano/codec`.
        model: which stage's output, or part of a trained model, is which part of the finished model.
    """

    name: str
    about: str
    transform: Transform
    corpora: dict[str, CorpusConfig]
    stages: tuple[StageConfig, ...]
    model: dict[str, str]


def names() -> list[str]:
    """Names of the recipes in the package."""
    root = Path(str(files("radloom.recipes")))
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml"))


def source(name: str, beside: Path | None = None) -> Path:
    """The YAML file of a recipe: one of the package's, or a path.

    Args:
        name: of it.
        beside: the recipe that names it, beside which a relative path is looked for first.

    Raises:
        RecipeError: there is none of that name.
    """
    if name in names():
        return Path(str(files("radloom.recipes"))) / f"{name}.yaml"
    path = Path(name)
    if beside is not None and (beside.parent / name).is_file():
        return beside.parent / name
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise RecipeError(f"{path} does not exist; name a recipe file or one of: {', '.join(names())}.")
        return path
    raise RecipeError(f"Unknown recipe {name!r}{did_you_mean(name, names())}. Recipes: {', '.join(names())}.")


def load_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply changes such as `codec.train.steps=20` (stage name, then keys).

    Raises:
        RecipeError: unknown recipe or key, wrong value, or a stage that uses one that does not come before it.
    """
    return _build(_changed_data(name, changes))


def as_yaml(name: str, changes: Sequence[str] = ()) -> str:
    """The YAML of a recipe: as it is written, or where it is changed, with what it extends, as it is trained.

    Raises:
        RecipeError: as `load_recipe`.
    """
    if not changes:
        return source(name).read_text(encoding="utf-8")
    load_recipe(name, changes)  # which refuses what is no recipe
    return yaml.safe_dump(_changed_data(name, changes), sort_keys=False, allow_unicode=True, width=120)


def _changed_data(name: str, changes: Sequence[str]) -> dict[str, Any]:
    data = _read(source(name))
    for change in changes:
        _apply(data, change)
    return data


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid YAML: {error}. Mend it at that line.") from None
    if not isinstance(data, dict):
        raise RecipeError(f"{path} does not hold a recipe: a mapping with 'stages' is expected.")
    known = [f.name for f in fields(Recipe)] + ["extends"]
    for key in data:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise RecipeError(f"{path.name}: unknown key {key!r}{near}. Keys: {', '.join(known)}.")
    base = _extended(data, path, seen)
    stages = data.get("stages")
    if not isinstance(stages, list):
        raise RecipeError(f"{path.name}: 'stages' is not a list of stages; see the package's recipes.")
    whole = {**base, **data, "stages": _resolved(stages, base.get("stages", []), path)}
    if base and isinstance(data.get("corpora"), dict):
        whole["corpora"] = {**base["corpora"], **data["corpora"]}
    return whole


def _extended(data: dict[str, Any], path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The recipe that this one extends; nothing if it extends none."""
    if "extends" not in data:
        return {}
    other = source(str(data.pop("extends")), path)
    if other.resolve() in [each.resolve() for each in (path, *seen)]:
        raise RecipeError(f"{path.name} extends {other.name}, which extends it in turn; leave one of them out.")
    return _read(other, (*seen, path))


def _resolved(stages: list[Any], inherited: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Stages with all their keys, those that they take from others too."""
    known = {stage["name"]: stage for stage in inherited}
    resolved = []
    for item in stages:
        changes = {"name": item} if isinstance(item, str) else dict(item) if isinstance(item, dict) else {}
        name, like = changes.get("name"), changes.pop("like", None)
        if not isinstance(name, str):
            raise RecipeError(
                f"{path.name}: 'stages' is not a list of stages, each with a name; see the package's recipes."
            )
        if like is None and (isinstance(item, str) or (name in known and "kind" not in item)):
            like = name
        if like is not None and like not in known:
            raise RecipeError(
                f"{path.name}: no stage is called {like!r}{did_you_mean(str(like), known)}. Name one before it, or one "
                "of the recipe that it extends."
            )
        known[name] = copy.deepcopy(_changed(known[like], changes) if like else changes)  # stages share no group
        resolved.append(known[name])
    return resolved


def _changed(group: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A group of settings with some changed; groups within it change key by key."""
    both = {
        k: _changed(group[k], v) for k, v in changes.items() if isinstance(group.get(k), dict) and isinstance(v, dict)
    }
    return {**group, **changes, **both}


def _apply(data: dict[str, Any], change: str) -> None:
    address, separator, text = change.partition("=")
    if not separator:
        raise RecipeError(f"--set {change!r}: write KEY=VALUE, for example codec.train.steps=20.")
    first, *keys = address.split(".")
    by_name = {s["name"]: s for s in data["stages"]}
    if first in by_name:
        target: Any = by_name[first]
    elif first in data and first != "stages":
        target, keys = data, [first, *keys]
    else:
        raise RecipeError(f"--set {address}: no stage or key {first!r}{did_you_mean(first, [*by_name, *data])}.")
    if not keys:
        raise RecipeError(f"--set {address}: name a key of stage {first!r}, for example {first}.train.steps=20.")
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {address}: {key!r} is not a group of settings.")
    try:
        target[keys[-1]] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f"--set {change}: {text!r} is not a YAML value; quote it, or close its brackets.") from None


def _build(data: Mapping[str, Any]) -> Recipe:
    stages: list[StageConfig] = []
    for item in data["stages"]:
        kind = str(item.get("kind"))
        if kind not in KINDS:
            near = did_you_mean(kind, KINDS)
            raise RecipeError(f"{item['name']}: kind {kind!r} is not one of {', '.join(KINDS)}{near}.")
        stage = from_dict(KINDS[kind], {k: v for k, v in item.items() if k != "kind"}, item["name"])
        _check_stage(stage, [s.name for s in stages])
        stages.append(stage)
    rest = {k: v for k, v in data.items() if k != "stages"}
    recipe: Recipe = from_dict(Recipe, {**rest, "stages": stages}, "")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", recipe.name):
        raise RecipeError(
            f"name: {recipe.name!r} cannot be a recipe's name, which is that of its folder below `runs`; use letters, "
            "digits, '-', '_' and '/'."
        )
    kinds = {stage.name: stage.kind for stage in stages}
    for part, name in recipe.model.items():
        if part not in PARTS:
            raise RecipeError(f"model: unknown part {part!r}{did_you_mean(part, PARTS)}; parts: {', '.join(PARTS)}.")
        if not is_trained(name) and name not in kinds:
            raise RecipeError(f"model.{part}: no stage is called {name!r}{did_you_mean(name, kinds)}.")
        if not is_trained(name) and kinds[name] not in PARTS[part]:
            raise RecipeError(
                f"model.{part}: {name!r} is a stage of kind {kinds[name]!r}; name one of kind "
                f"{' or '.join(map(repr, PARTS[part]))}."
            )
    if recipe.transform.size % Codec.stride and any(isinstance(stage, TrainCodec) for stage in stages):
        raise RecipeError(f"transform.size is {recipe.transform.size}; the codec needs a multiple of {Codec.stride}.")
    for stage in stages:
        for name in getattr(stage, "corpora", ()):
            if name not in recipe.corpora:
                near = did_you_mean(name, recipe.corpora)
                raise RecipeError(f"{stage.name}.corpora: the recipe has no corpus {name!r}{near}.")
    return recipe


def _check_stage(stage: StageConfig, before: list[str]) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", stage.name) or stage.name in ("corpora", "model", "trained"):
        raise RecipeError(
            f"{stage.name}: cannot be a stage's name, which is that of its folder beside 'corpora', 'model' and "
            "'trained'; use letters, digits, '-' and '_'."
        )
    if stage.name in before:
        raise RecipeError(f"{stage.name}: two stages have this name; give each its own.")
    for key, name in stage.uses().items():
        if not is_trained(name) and name not in before:
            raise RecipeError(f"{stage.name}.{key}: no earlier stage is called {name!r}{did_you_mean(name, before)}.")
