"""The commands for whole corpora as functions: `radloom.prepare`, `predict`, `fill`, `evaluate` and `train`.

Each takes what the command takes, names and paths, and gives back an object instead of printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radloom.corpora.manifest import Manifest
    from radloom.evaluation.bench import Vision
    from radloom.evaluation.table import Board
    from radloom.models import Model
    from radloom.prediction import Predicted


def prepare(kind: str, source: Path | str, out: Path | str, **options: Any) -> Manifest:
    """Make the manifest of a corpus of raw files.

    Args:
        kind: `indiana`, `mimic`, `nih`, `vqa-rad` or `folder`.
        source: its folder.
        out: where the manifest goes.
        options: of that corpus, as `radloom prepare KIND --help` names them (`name` of a folder's corpus, too).

    Raises:
        ManifestError: an unknown kind, or a corpus that cannot be read.
    """
    from radloom.corpora import prepare
    from radloom.model_folder import view_predictor

    if "name" in options:
        options["corpus"] = options.pop("name")
    return prepare(kind, source, out, view_of=view_predictor(), **options)


def predict(
    model: Model | Path | str,
    manifest: Manifest | Path | str,
    task: str,
    out: Path | str,
    *,
    split: str | None = None,
    **options: Any,
) -> Predicted:
    """Reports, drawings, answers or completed studies for a whole manifest, into a JSONL file that is gone on with.

    Args:
        model: a loaded one, a name inside the package, or a folder.
        manifest: an object, or the folder of a prepared corpus.
        task: `report`, `image`, `ask`, or `complete` with a `radloom.prediction.Request`.
        out: a `.jsonl` file.
        split: only this one.
        options: of `radloom.prediction.predict`.

    Raises:
        RadloomError: as `radloom.prediction.predict`.
    """
    from radloom.prediction import predict

    rows = _manifest(manifest)
    return predict(_model(model), rows if split is None else rows.split(split), task, out, **options)


def fill(
    model: Model | Path | str,
    manifest: Manifest | Path | str,
    want: Sequence[str],
    out: Path | str,
    *,
    split: str | None = None,
    **options: Any,
) -> Manifest:
    """Make the wanted parts of every study that lacks them; the new manifest, in which they are marked as made.

    Args:
        model: a loaded one, a name inside the package, or a folder.
        manifest: an object, or the folder of a prepared corpus.
        want: of `frontal`, `lateral`, `report`.
        out: folder of the new manifest; one that an earlier call left is gone on with.
        split: only this one.
        options: of `radloom.filling.fill`.

    Raises:
        RadloomError: as `radloom.filling.fill`.
    """
    from radloom.filling import fill

    rows = _manifest(manifest)
    return fill(_model(model), rows if split is None else rows.split(split), want, out, **options)[0]


def evaluate(
    model: Model | Path | str,
    manifest: Manifest | Path | str,
    out: Path | str,
    *,
    split: str = "val",
    judge: Vision | Path | str | None = None,
    **options: Any,
) -> Board:
    """Score a model beside baselines; writes tables, page and data to `out`.

    Args:
        model: a loaded one, a name inside the package, or a folder.
        manifest: an object, or the folder of a prepared corpus.
        out: folder of the results.
        split: what is scored.
        judge: the classifier that finds neighbours and looks at drawings, or the model that it is of, by name or
            folder; by default the model's own.
        options: of `radloom.evaluation.run.evaluate`.

    Raises:
        RadloomError: as `radloom.evaluation.run.evaluate`.
    """
    from radloom.evaluation.bench import Vision
    from radloom.evaluation.run import evaluate
    from radloom.model_folder import model_name

    options.setdefault("name", model_name(model) if isinstance(model, Path | str) else model.config.recipe)
    if isinstance(judge, Path | str):
        judge = Vision.load(judge)
    return evaluate(_model(model), _manifest(manifest), Path(out), split=split, judge=judge, **options)


def train(
    recipe: Path | str, data: Path | str, out: Path | str | None = None, *, changes: Sequence[str] = (), **options: Any
) -> Path:
    """Train a recipe from raw data; started again after a kill, it goes on where it was.

    Args:
        recipe: a name inside the package, or a YAML file.
        data: folder of the raw corpora.
        out: folder of the run; by default `runs/` and the recipe's name.
        changes: settings to change, each `STAGE.train.steps=20`.
        options: of `radloom.recipes.runner.run`.

    Returns:
        The folder of the finished model.

    Raises:
        RecipeError: as `radloom.recipes.runner.run`.
    """
    from radloom.recipes.recipe import load_recipe
    from radloom.recipes.runner import run

    plan = load_recipe(str(recipe), changes)
    return run(plan, Path(data), Path(out) if out else Path("runs") / plan.name, **options)


def _model(model: Model | Path | str) -> Model:
    from radloom.models import load

    return load(model) if isinstance(model, Path | str) else model


def _manifest(manifest: Manifest | Path | str) -> Manifest:
    from radloom.corpora.manifest import Manifest

    return Manifest.read(manifest) if isinstance(manifest, Path | str) else manifest
