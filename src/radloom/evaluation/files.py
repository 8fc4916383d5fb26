"""Scores what other systems wrote or drew, from files, the same way as radloom's own models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from radloom.corpora.draft import IMAGE_SUFFIXES
from radloom.corpora.manifest import Manifest
from radloom.corpora.questions import question_manifest
from radloom.errors import RadloomError
from radloom.evaluation.bench import Bench, Vision
from radloom.evaluation.drawings import score_drawings
from radloom.evaluation.questions import score_answers
from radloom.evaluation.reports import score_written
from radloom.evaluation.run import chosen_adapters, new_bench, publish, refuse_other_board
from radloom.evaluation.table import Board
from radloom.files import read_lines
from radloom.prediction import file_name
from radloom.reports.sections import parse_report
from radloom.study import SECTIONS, Report, View


def score_report_file(
    file: Path,
    manifest: Manifest,
    out: Path,
    vision: Vision,
    *,
    name: str,
    split: str = "val",
    adapters: Sequence[str] | None = None,
) -> Board:
    """Score the reports of a JSONL file and write the board.

    Args:
        file: a line a study: `uid` and `findings`, `impression` or both; or `uid` and `report`, a text with headings.
        manifest: with the studies; baselines come from its split `train`.
        out: folder of the results.
        vision: the network that finds the nearest neighbours.
        name: of the system in the table.
        split: what was predicted.
        adapters: measures of other packages, by name; by default all that are there.

    Raises:
        RadloomError: a file that is not like that, a study twice, one of the split that is missing, or scores of
            something else in `out`.
    """
    bench, made_by = _begun(file, "report", manifest, out, vision, name, split)
    lines = _by(file, "uid")
    reports = {uid: _report(line, file, uid) for uid, line in lines.items()}
    if unread := sorted({key for line in lines.values() for key in line} - {"uid", *SECTIONS, "report"}):
        bench.warnings.append(f"Of {file.name} the keys {', '.join(map(repr, unread))} were not read.")
    score_written(bench, reports, chosen_adapters(adapters)[0])
    return publish(bench, out, made_by, split)


def score_answer_file(
    file: Path, manifest: Manifest, out: Path, vision: Vision, *, name: str, split: str = "val"
) -> Board:
    """Score the answers of a JSONL file, `qid` and `answer` a line; the rest is as for reports."""
    bench, made_by = _begun(file, "question", manifest, out, vision, name, split)
    answers = {qid: _text(line, "answer", file, qid) for qid, line in _by(file, "qid").items()}
    score_answers(bench, question_manifest(bench.split), question_manifest(bench.train), answers, None)
    return publish(bench, out, made_by, split)


def score_image_folder(
    folder: Path,
    manifest: Manifest,
    out: Path,
    vision: Vision,
    *,
    name: str,
    split: str = "val",
    view: View = View.FRONTAL,
    adapters: Sequence[str] | None = None,
) -> Board:
    """Score drawings and write the board.

    Args:
        folder: of pictures named after their studies, `UID.png`; or a JSONL file with `uid` and `image` a line, paths
            relative to it.
        view: what was drawn.
        manifest, out, vision, name, split, adapters: as for reports.

    Raises:
        RadloomError: no such folder, a study twice, one of the split that is missing, a picture that shows nothing, or
            scores of something else in `out`.
    """
    bench, made_by = _begun(folder, f"image, {view}", manifest, out, vision, name, split)
    if folder.is_dir():
        drawn: dict[str, Path] = {}
        for file in sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES):
            if file.stem in drawn:
                raise RadloomError(f"{folder} has two pictures of {file.stem!r}; keep one.")
            drawn[file.stem] = file
        drawn = {row.uid: drawn.pop(file_name(row.uid)) for row in bench.split if file_name(row.uid) in drawn} | drawn
    else:
        drawn = {uid: folder.parent / _text(line, "image", folder, uid) for uid, line in _by(folder, "uid").items()}
    score_drawings(bench, drawn, view, adapters=chosen_adapters(adapters)[1])
    return publish(bench, out, made_by, split)


def _begun(
    predictions: Path, task: str, manifest: Manifest, out: Path, vision: Vision, name: str, split: str
) -> tuple[Bench, dict[str, Any]]:
    """The bench of a split, and what the signature says made the predictions; `out` holds no other scores."""
    rows, made_by = manifest.split(split), {"predictions": str(predictions.resolve()), "task": task}
    refuse_other_board(out, made_by | {"split": split, "manifest": rows.fingerprint()})
    return new_bench(name, rows, manifest, split, vision), made_by


def _by(file: Path, key: str) -> dict[str, dict[str, Any]]:
    """The lines of a file by their id."""
    if not file.is_file():
        raise RadloomError(f"{file} does not exist; name a JSONL file of predictions.")
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(read_lines(file), start=1):
        if not isinstance(line.get(key), str | int):
            raise RadloomError(f"{file}, object {number} has no {key!r}; every line needs one.")
        if str(line[key]) in found:
            raise RadloomError(f"{file} has {key} {line[key]!r} twice; keep one prediction a study.")
        found[str(line[key])] = line
    return found


def _report(line: Mapping[str, Any], file: Path, uid: str) -> Report:
    if "report" in line:
        return parse_report(_text(line, "report", file, uid))
    if not any(section in line for section in SECTIONS):
        raise RadloomError(f"{file}: {uid!r} has neither findings nor impression nor report; give one of them.")
    return Report(*(_text(line, key, file, uid) if key in line else "" for key in SECTIONS))


def _text(line: Mapping[str, Any], key: str, file: Path, uid: str) -> str:
    value = line.get(key)
    if not isinstance(value, str):
        raise RadloomError(f"{file}: {uid!r} has no text {key!r}; give it as a string, empty if nothing was written.")
    return value
