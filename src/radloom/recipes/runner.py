"""Runs the stages of a recipe in order; started again after a kill, it goes on where it was."""

from __future__ import annotations

import json
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from radloom.config import to_dict
from radloom.corpora.manifest import Manifest
from radloom.errors import RecipeError, did_you_mean
from radloom.recipes.card import model_card
from radloom.recipes.recipe import CorpusConfig, Recipe
from radloom.recipes.stages import Workshop

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
        RecipeError: a stage in `folder` was begun with other settings, or no stage is called `until`.
    """
    stages = [stage.name for stage in recipe.stages]
    if until is not None and until not in stages:
        raise RecipeError(f"No stage is called {until!r}{did_you_mean(until, stages)}. Stages: {', '.join(stages)}.")
    folder.mkdir(parents=True, exist_ok=True)
    _claim(to_dict(recipe.transform), folder / "transform.yaml")

    @cache
    def manifest(name: str) -> Manifest:
        if name not in recipe.corpora:
            raise RecipeError(f"Corpus {name!r} is not among the recipe's: {', '.join(recipe.corpora)}.")
        return _prepared(recipe.corpora[name], data, folder / "corpora" / name)

    def output(name: str) -> Path:
        return folder / name / "model"

    for stage in recipe.stages:
        place = folder / stage.name
        place.mkdir(exist_ok=True)
        _claim({"kind": stage.kind, **to_dict(stage)}, place / "stage.yaml")
        if not (place / "done.json").is_file():
            print(f"{recipe.name}: {stage.name}", file=sys.stderr)
            stage.run(Workshop(manifest, recipe.transform, output, place))
        if stage.name == until:
            return place / "model"
    return assemble(recipe, folder)


def assemble(recipe: Recipe, folder: Path) -> Path:
    """Put the finished parts together in `folder/model`."""
    new, model = folder / "model.new", folder / "model"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for part, stage in recipe.model.items():
        shutil.copytree(folder / stage / "model", new / part)
    head = {"format": FORMAT, "recipe": recipe.name, "about": recipe.about, "parts": sorted(recipe.model)}
    (new / MODEL).write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
    (new / "README.md").write_text(model_card(recipe, folder), encoding="utf-8")
    shutil.rmtree(model, ignore_errors=True)
    new.replace(model)
    return model


def _claim(settings: dict[str, Any], note: Path) -> None:
    """Note settings in a file, or check that they are those noted there."""
    if not note.is_file():
        new = note.with_name(f".{note.name}.new")
        new.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        new.replace(note)
        return
    noted = yaml.safe_load(note.read_text(encoding="utf-8")) or {}
    if noted != settings:
        differing = sorted(k for k in settings.keys() | noted.keys() if settings.get(k) != noted.get(k))
        raise RecipeError(
            f"{note.parent} was begun with other settings ({', '.join(differing)}); remove that folder to train "
            "anew, or name another folder with -o."
        )


def _prepared(corpus: CorpusConfig, data: Path, folder: Path) -> Manifest:
    if (folder / "manifest.parquet").is_file():
        return Manifest.read(folder)
    from radloom.corpora import prepare

    source = data / corpus.path
    if not source.is_dir():
        raise RecipeError(f"{source} is missing; name the folder that holds it with --data.")
    return prepare(corpus.kind, source, folder)
