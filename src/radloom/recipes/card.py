"""The model card that a finished training writes: what was trained, on what, and how it went."""

from __future__ import annotations

import json
from pathlib import Path

from radloom.corpora import KINDS
from radloom.recipes.recipe import Recipe, names
from radloom.recipes.trained import is_trained


def model_card(recipe: Recipe, folder: Path) -> str:
    """Markdown text from the recipe and the finished stages in `folder`."""
    lines = [
        f"# {recipe.name}",
        "",
        recipe.about,
        "",
        "For research and teaching; not a medical device. Everything that the model draws is synthetic. The licences",
        "of the data decide what the weights may be used for.",
        "",
        "## Data",
        "",
        *(f"- `{name}`: {KINDS[recipe.corpora[name].kind].licence}" for name in _used(recipe)),
        "",
        *_begun_from(recipe),
        "## Training",
        "",
        f"`radloom train {recipe.name if recipe.name in names() else 'FILE'} --data DIR`",
        "",
        "| stage | kind | steps | batch | score on val |",
        "|---|---|---|---|---|",
    ]
    for stage in recipe.stages:
        done = json.loads((folder / stage.name / "done.json").read_text(encoding="utf-8"))
        train = done.get("train")
        steps, batch = (done["step"], train["batch_size"] * train["accumulate"]) if train else ("-", "-")
        scores = ", ".join(f"{k} {v:.3f}" for k, v in done["scores"].items() if "auroc[" not in k or "mean" in k)
        lines.append(f"| {stage.name} | {stage.kind} | {steps} | {batch} | {scores} |")
    return "\n".join(lines) + "\n"


def _used(recipe: Recipe) -> list[str]:
    """Names of the corpora that a stage learned from, which may be fewer than the recipe has."""
    learned_from = {name for stage in recipe.stages for name in getattr(stage, "corpora", ())}
    return [name for name in recipe.corpora if name in learned_from]


def _begun_from(recipe: Recipe) -> list[str]:
    """A section on the trained models that the recipe goes on from; nothing where it begins anew."""
    used = [name for stage in recipe.stages for name in stage.uses().values()]
    names = [name for name in dict.fromkeys([*used, *recipe.model.values()]) if is_trained(name)]
    if not names:
        return []
    return ["## Begun from", "", *(f"- `{name}`, whose licence goes on to apply" for name in names), ""]
