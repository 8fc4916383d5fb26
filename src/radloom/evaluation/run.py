"""Runs a model over a split of a manifest and scores whatever it can do there, in one call."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from radloom import __version__
from radloom.corpora.manifest import Manifest
from radloom.corpora.questions import question_manifest
from radloom.errors import RadloomError, did_you_mean
from radloom.evaluation.board import (
    Features,
    Score,
    as_json,
    as_markdown,
    classifier_scores,
    question_scores,
    report_scores,
)
from radloom.models import Model
from radloom.predict import predict
from radloom.study import Report

TASKS = ("classifier", "report", "question")
"""What is scored; the codec has a command of its own, `radloom reconstruct`."""


def evaluate(
    model: Model,
    manifest: Manifest,
    out: Path,
    *,
    name: str = "model",
    split: str = "val",
    tasks: Sequence[str] = TASKS,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
) -> list[Score]:
    """Score a model; writes `scores.json` and `scores.md` to `out`, and what the model predicted beside them.

    Args:
        model: what is scored.
        manifest: with `split` and, for the baselines, `train`; one without questions gets some written by rule.
        out: folder of the results; predictions that are there already are gone on with.
        name: of the model in the table.
        split: what is scored.
        tasks: of `TASKS`; one that the split has nothing for is left out.
        progress: name of a task -> what is told of items done and in all.

    Raises:
        RadloomError: an unknown task, or a split that does not exist.
    """
    for task in tasks:
        if task not in TASKS:
            raise RadloomError(f"Unknown task {task!r}{did_you_mean(task, TASKS)}; tasks: {', '.join(TASKS)}.")
    rows, train = manifest.split(split), manifest.split("train")
    out.mkdir(parents=True, exist_ok=True)
    scores: list[Score] = []
    features = Features(model)
    if "classifier" in tasks and any(row.labels and row.images for row in rows):
        scores += classifier_scores(model, rows, name)
    if "report" in tasks and any(row.report and row.images for row in rows):
        file = out / "predictions" / f"report-{split}.jsonl"
        predict(model, rows, "report", file, batch_size=16, progress=progress("report") if progress else None)
        reports = {line["uid"]: Report(line["findings"], line["impression"]) for line in _lines(file)}
        scores += report_scores(features, reports, rows, train, name)
    asked = question_manifest(rows)
    if "question" in tasks and any(row.questions and row.images for row in asked):
        file = out / "predictions" / f"ask-{split}.jsonl"
        predict(model, asked, "ask", file, batch_size=16, progress=progress("ask") if progress else None)
        answers = {line["qid"]: line["answer"] for line in _lines(file)}
        scores += question_scores(features, answers, asked, question_manifest(train), name)
    signature = {
        "radloom": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "model": model.fingerprint,
        "recipe": model.config.recipe,
        "transform": model.transform.to_dict(),
        "corpus": manifest.corpus,
        "split": split,
    }
    (out / "scores.json").write_text(json.dumps(as_json(scores, signature), indent=2) + "\n", encoding="utf-8")
    (out / "scores.md").write_text(as_markdown(scores), encoding="utf-8")
    return scores


def _lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
