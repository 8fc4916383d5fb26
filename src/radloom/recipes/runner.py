"""Runs the stages of a recipe in order; started again after a kill, it goes on where it was."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from radloom.checkpoint import fingerprint
from radloom.config import from_dict, to_dict
from radloom.corpora.checks import leak_check
from radloom.corpora.manifest import FILE, Manifest, summary_lines
from radloom.errors import RecipeError, did_you_mean
from radloom.files import alone, whole_folder, write_whole
from radloom.imaging import Transform
from radloom.recipes.card import model_card
from radloom.recipes.recipe import CorpusConfig, Recipe
from radloom.recipes.stages import StageConfig, Workshop
from radloom.recipes.trained import is_trained, trained_part
from radloom.training import first_process_first
from radloom.training.stage import CHANGEABLE

MODEL = "model.json"
FORMAT = 1


def run(recipe: Recipe, data: Path, folder: Path, *, until: str | None = None) -> Path:
    """Train a recipe.

    Args:
        recipe: what to do.
        data: folder of the raw corpora.
        folder: of the run: `corpora/`, one folder a stage, and the finished `model/`.
        until: stop after this stage.

    Returns:
        The folder of the finished model, or of the last stage if stopped before.

    Raises:
        RecipeError: no stage is called `until`, or a corpus or a trained model is not there: nothing is written then;
            or a stage in `folder` was begun with other settings.
        RadloomError: another process is at work on a stage in `folder`.
    """
    stages = [stage.name for stage in recipe.stages]
    if until is not None and until not in stages:
        raise RecipeError(f"No stage is called {until!r}{did_you_mean(until, stages)}. Stages: {', '.join(stages)}.")
    ahead = recipe.stages if until is None else recipe.stages[: stages.index(until) + 1]
    used = [name for stage in ahead for name in stage.uses().values()]
    for name in dict.fromkeys([*used, *recipe.model.values()]):
        checkpoint(recipe, folder, name)
    for name in dict.fromkeys(name for stage in ahead for name in getattr(stage, "corpora", ())):
        _place(recipe.corpora[name], data, folder / "corpora" / name)
    with first_process_first():
        folder.mkdir(parents=True, exist_ok=True)
        _claim(recipe.transform, folder / "transform.yaml")

    @cache
    def manifest(name: str) -> Manifest:
        if name not in recipe.corpora:
            raise RecipeError(f"Corpus {name!r} is not among the recipe's: {', '.join(recipe.corpora)}.")
        return _prepared(recipe.corpora[name], data, folder / "corpora" / name)

    output = partial(checkpoint, recipe, folder)
    checked: set[tuple[str, ...]] = set()
    for stage in ahead:
        place, corpora = folder / stage.name, tuple(getattr(stage, "corpora", ()))
        with first_process_first() as first:
            if corpora not in checked:
                leak_check([manifest(name) for name in corpora])
                checked.add(corpora)
            place.mkdir(exist_ok=True)
            made_from = {
                "begun_from": {key: fingerprint(output(name)) for key, name in stage.uses().items()},
                "manifests": {name: manifest(name).fingerprint() for name in corpora},
            }
            _claim(stage, place / "stage.yaml", {key: prints for key, prints in made_from.items() if prints})
        if not (place / "done.json").is_file():
            print(f"{recipe.name}: {stage.name}", file=sys.stderr)
            with alone(place) if first else nullcontext():
                stage.run(Workshop(manifest, recipe.transform, output, place))
    if until is not None:
        return output(until)
    with first_process_first() as first:
        return assemble(recipe, folder) if first else folder / "model"


def checkpoint(recipe: Recipe, folder: Path, name: str) -> Path:
    """Where a stage of a run leaves what it makes, or where a part of a trained model is.

    Raises:
        RecipeError: a part of a trained model that is not there, or that sees other pixels.
    """
    return trained_part(name, recipe.transform) if is_trained(name) else folder / name / "model"


def assemble(recipe: Recipe, folder: Path) -> Path:
    """Put the finished parts together in `folder/model`."""
    head = {"format": FORMAT, "recipe": recipe.name, "about": recipe.about, "parts": sorted(recipe.model)}
    with whole_folder(folder / "model") as new:
        for part, name in recipe.model.items():
            shutil.copytree(checkpoint(recipe, folder, name), new / part)
        (new / MODEL).write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
        (new / "README.md").write_text(model_card(recipe, folder), encoding="utf-8")
    return folder / "model"


def _claim(
    settings: StageConfig | CorpusConfig | Transform,
    note: Path,
    made_from: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Note settings in a file, or check that they are those noted there; what the note lacks has its default.

    Args:
        settings: of what is made.
        note: the file.
        made_from: fingerprints of the earlier stages (`begun_from`) and of the corpora (`manifests`) that it is made
            from, which notes of earlier versions may lack.
    """
    own: dict[str, Any] = {"kind": settings.kind} if isinstance(settings, StageConfig) else {}
    own |= made_from or {}
    current = {**own, **to_dict(settings)}
    noted = yaml.safe_load(note.read_text(encoding="utf-8")) or {} if note.is_file() else None
    if noted is not None and (differing := _differing(current, _with_defaults(noted, settings, own))):
        raise RecipeError(
            f"{note.parent} was begun with other settings ({', '.join(differing)}); remove that folder to train "
            "anew, or name another folder with -o."
        )
    if noted is None or not own.keys() <= noted.keys():
        write_whole(note, yaml.safe_dump(current, sort_keys=False).encode(), RecipeError)


def _with_defaults(
    noted: dict[str, Any], settings: StageConfig | CorpusConfig | Transform, own: Mapping[str, Any]
) -> dict[str, Any]:
    """A note with what it lacks: of settings their defaults, of all else what it is now."""
    try:
        begun: Any = from_dict(type(settings), {k: v for k, v in noted.items() if k not in own})
    except RecipeError:  # settings that are not known any more differ as they are
        return noted
    return {**{k: noted.get(k, own[k]) for k in own}, **to_dict(begun)}


def _differing(current: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, but for those that may change when a stage is gone on with."""
    a, b = _decisive(current), _decisive(before)
    return sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))


def _decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as `train.steps` and so on, without those that may change when a stage is gone on with."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    idle = (*CHANGEABLE, *(() if flat.get("train.best") else ("highest_is_best",)))
    return {key: value for key, value in flat.items() if key not in {f"train.{name}" for name in idle}}


def _prepared(corpus: CorpusConfig, data: Path, folder: Path) -> Manifest:
    """The manifest of a corpus, made on first use; what was left out is told on stderr."""
    place = _place(corpus, data, folder)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(replace(corpus, workers=0, images=None), folder / "corpus.yaml")  # which may be others on another machine
    if (place / FILE).is_file():
        return Manifest.read(place, data / corpus.images if corpus.images else None)
    from radloom.corpora import prepare
    from radloom.model_folder import view_predictor

    manifest = prepare(corpus.kind, place, folder, view_of=view_predictor(), workers=corpus.workers)
    print(*summary_lines(folder), sep="\n", file=sys.stderr)
    return manifest


def _place(corpus: CorpusConfig, data: Path, folder: Path) -> Path:
    """Where a corpus is: prepared in `folder`, else below `data`, prepared or raw.

    Raises:
        RecipeError: neither.
    """
    if (folder / FILE).is_file():
        return folder
    source = data / corpus.path
    if not source.is_dir():
        raise RecipeError(f"{source} is missing; name the folder that holds it with --data.")
    return source
