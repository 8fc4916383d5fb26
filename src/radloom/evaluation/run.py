"""Runs a model over a split of a manifest and scores whatever it can do there, in one call."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from radloom import __version__
from radloom.corpora.manifest import Manifest, Row
from radloom.corpora.questions import question_manifest
from radloom.errors import RadloomError, did_you_mean
from radloom.evaluation.bench import SEED, Bench, Vision, spread
from radloom.evaluation.classifier import score_classifier
from radloom.evaluation.codec import score_reconstructions
from radloom.evaluation.drawings import drawable, score_drawings
from radloom.evaluation.glossary import readme
from radloom.evaluation.page import render
from radloom.evaluation.questions import score_answers, with_other_images
from radloom.evaluation.reports import score_written
from radloom.evaluation.table import Board, Score
from radloom.imaging import write_png
from radloom.models import Model
from radloom.prediction import predict
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.statistics import LEVEL
from radloom.study import Report, View

PROMPTS, SAMPLES = 8, 4
"""Reports that are drawn several times to see how much the drawings differ, and how often each."""

LIBRARIES = ("torch", "transformers", "numpy", "pillow", "sacrebleu", "pycocoevalcap")

Progress = Callable[[str], Callable[[int, int], None]]


def evaluate(
    model: Model,
    manifest: Manifest,
    out: Path,
    *,
    name: str = "model",
    split: str = "val",
    tasks: Sequence[str] | None = None,
    limit: int | None = None,
    adapters: bool = True,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> Board:
    """Score a model and write the board to `out`: `index.html`, `scores.md`, `scores.json`, `README.md` and more.

    Args:
        model: what is scored.
        manifest: with `split` and, for the baselines, `train`; one without questions gets some written by rule.
        out: folder of the results; predictions that are there already are gone on with.
        name: of the model in the table.
        split: what is scored.
        tasks: of `TASKS`; all by default. One that the split has nothing for is left out.
        limit: only so many studies, spread evenly.
        adapters: whether measures of other packages are used where they are there.
        batch_size: studies at a time.
        progress: name of a task -> what is told of items done and in all.

    Raises:
        RadloomError: an unknown task, or a split that does not exist.
    """
    for task in tasks or ():
        if task not in TASKS:
            raise RadloomError(f"Unknown task {task!r}{did_you_mean(task, TASKS)}; tasks: {', '.join(TASKS)}.")
    rows, train = manifest.split(split), training_part(manifest, split)
    if limit is not None:
        rows = replace(rows, rows=spread(rows.rows, limit))
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(name, rows, train, Vision(model.classifier, model.transform))
    run = _Run(model, bench, out / "predictions", split, adapters, batch_size, progress)
    for task in tasks or TASKS:
        try:
            TASKS[task](run)
        except RadloomError as error:  # the other tasks still count
            bench.scores.append(Score(task, task, name, len(rows), None, why=f"error: {error}"))
    own = {"model": model.fingerprint, "recipe": model.config.recipe, "sampling": _sampling(model)}
    return publish(bench, out, own | {"transform": model.transform.to_dict()}, split)


def training_part(manifest: Manifest, split: str) -> Manifest:
    """The studies that baselines come from: the split `train`, or none where it is missing or is what is scored."""
    return replace(manifest, rows=[row for row in manifest if row.split == "train" and split != "train"])


def publish(bench: Bench, out: Path, made_by: dict[str, Any], split: str) -> Board:
    """Write what a bench gathered: tables, page, data and README."""
    signature = {
        "radloom": __version__,
        **made_by,
        "corpus": bench.split.corpus,
        "split": split,
        "manifest": bench.split.fingerprint(),
        "studies": len(bench.split),
        "labeller": LABELLER,
        "bootstrap": f"{bench.samples} draws of studies, {LEVEL} % percentile intervals, seed {SEED}",
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
    }
    board = Board(bench.name, tuple(bench.scores), signature, tuple(dict.fromkeys(bench.warnings)))
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(readme(board), encoding="utf-8")
    (out / "index.html").write_text(render(board, bench.exhibits), encoding="utf-8")
    board.write(out)
    return board


# -- the tasks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """What a task works with."""

    model: Model
    bench: Bench
    folder: Path
    split: str
    adapters: bool
    batch_size: int
    progress: Progress | None

    def predict(self, manifest: Manifest, task: str, name: str, **options: Any) -> list[dict[str, str]]:
        """The lines that `radloom predict` would write, made or gone on with."""
        file = self.folder / f"{name}-{self.split}.jsonl"
        told = self.progress(name) if self.progress else None
        predict(self.model, manifest, task, file, batch_size=self.batch_size, progress=told, **options)
        return read_lines(file)


def _classifier(run: _Run) -> None:
    if any(row.images and row.labels for row in run.bench.split):
        score_classifier(run.bench)


def _codec(run: _Run) -> None:
    if any(row.images for row in run.bench.split):
        score_reconstructions(run.bench, run.model.codec, run.progress("codec") if run.progress else None)


def _report(run: _Run) -> None:
    rows = [row for row in run.bench.split if row.report and row.images]
    if rows:
        lines = run.predict(replace(run.bench.split, rows=rows), "report", "report")
        score_written(run.bench, {x["uid"]: Report(x["findings"], x["impression"]) for x in lines}, run.adapters)


def _question(run: _Run) -> None:
    asked, train = question_manifest(run.bench.split), question_manifest(run.bench.train)
    rows = [row for row in asked if row.questions and row.images]
    if not rows:
        return
    answers = {line["qid"]: line["answer"] for line in run.predict(asked, "ask", "ask")}
    shuffled = None
    if len(rows) > 1:
        lines = run.predict(with_other_images(asked), "ask", "ask-shuffled")
        shuffled = {line["qid"]: line["answer"] for line in lines}
    score_answers(run.bench, asked, train, answers, shuffled)


def _image(run: _Run, view: View = View.FRONTAL) -> None:
    rows = drawable(run.bench, view)
    if not rows:
        return
    lines = run.predict(replace(run.bench.split, rows=rows), "image", f"image-{view}", view=view)
    drawn = {line["uid"]: run.folder / line["image"] for line in lines}
    several = _samples(run, rows, view)
    score_drawings(run.bench, drawn, view, several, run.adapters)


def _samples(run: _Run, rows: Sequence[Row], view: View) -> list[list[Path]]:
    """Several drawings of a few reports, as files; those that are there already are kept."""
    picked = spread(rows, PROMPTS)
    folder = run.folder / f"samples-{view}-{run.split}-{run.model.fingerprint}"
    files = [
        [folder / f"{i}-{row.uid.replace('/', '_')}-{s}.png" for s in range(SAMPLES)] for i, row in enumerate(picked)
    ]
    told = run.progress("samples") if run.progress else None
    for i, (row, group) in enumerate(zip(picked, files, strict=True)):
        if not all(file.is_file() for file in group):
            for file, image in zip(group, run.model.image(row.report, view=view, n=SAMPLES), strict=True):
                write_png(image, file)
        if told:
            told(i + 1, len(files))
    return files


TASKS: dict[str, Callable[[_Run], None]] = {
    "classifier": _classifier,
    "codec": _codec,
    "report": _report,
    "question": _question,
    "image": _image,
}
"""What is scored, in the order of the table."""


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file.

    Raises:
        RadloomError: a line that is not an object, with its number.
    """
    lines = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append(None)
            if not isinstance(lines[-1], dict):
                raise RadloomError(f"{file}, line {number} is not a JSON object; write one a line.")
    return lines


def _sampling(model: Model) -> dict[str, Any]:
    return {
        "image": asdict(model.config.image),
        "text": asdict(model.config.text),
        "answer": asdict(model.config.answer),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
