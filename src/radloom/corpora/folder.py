"""Any folder of images with one table, CSV or JSON lines, that says which image and which report belong together.

Columns (upper and lower case are the same; all but the first are optional, but a study needs an image or a report):

| column | meaning |
|---|---|
| `uid` or `study_id` | the study; rows with the same one are merged |
| `patient`, `patient_id` or `subject_id` | the patient; without it every study counts as one patient's |
| `split` | `train`, `val`, `test`; without it a tenth of the patients is `val`, by a hash of their id |
| `frontal`, `lateral` | image files, relative to the folder |
| `image`, `view` | an image file and its view: `frontal`, `PA`, `AP`, `lateral`, `LL` |
| `report` | a whole report as free text, from which the sections are parsed |
| `findings`, `impression`, `indication` | its sections; they go before those of `report` |
| `question`, `answer`, `answer_type`, `question_type`, `qid` | a question about the row's `image`, or else the study |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from radloom.corpora.draft import (
    IMAGE_SUFFIXES,
    Draft,
    clean_report,
    existing_folder,
    find_files,
    labels_of,
    read_csv,
    read_jsonl,
    relative,
)
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.corpora.splits import hash_split, split_name
from radloom.errors import ManifestError, did_you_mean
from radloom.progress import Progress
from radloom.study import Question, Report, View

COLUMNS: dict[str, tuple[str, ...]] = {
    "uid": ("uid", "study_id"),
    "patient": ("patient", "patient_id", "subject_id"),
    **{
        name: (name,)
        for name in (
            *("split", "frontal", "lateral", "image", "view", "report", "findings", "impression", "indication"),
            *("question", "answer", "answer_type", "question_type", "qid"),
        )
    },
}
"""What is read from the table -> the names its column may have."""

CONTENT = ("frontal", "lateral", "image", "report", "findings", "impression")
"""Columns of which a table needs at least one."""

VIEWS = {
    **dict.fromkeys(("frontal", "pa", "ap", "ap axial", "front"), View.FRONTAL),
    **dict.fromkeys(("lateral", "ll", "rl", "lat", "left lateral", "right lateral"), View.LATERAL),
}


def prepare_folder(
    source: Path | str,
    out: Path | str,
    *,
    table: Path | str | None = None,
    images: Path | str | None = None,
    corpus: str | None = None,
    progress: Progress | None = None,
    view_of: Callable[[Path], View] | None = None,
    workers: int = 0,
) -> Manifest:
    """Make the manifest of a folder with a table; see this module's text for the columns.

    Rows without a uid, images that are missing, unreadable or outside the folder, and questions without an answer are
    left out one by one and listed in `dropped.jsonl`.

    Args:
        source: the folder.
        out: where the manifest goes.
        table: the table; by default the one CSV or JSONL file directly in `source`.
        images: the folder that image files are relative to; by default `source`.
        corpus: name of the corpus; by default that of the folder.
        progress: called after each image with the number done and the number of all.
        view_of: predicts the view of an image for which the table gives none.
        workers: processes that look at images; see `Draft.finish`.

    Raises:
        ManifestError: no table or several, a needed column missing (the text names the nearest), a study in two splits
            or of two patients, a patient in two splits, or nothing usable.
    """
    source = existing_folder(source)
    root = existing_folder(images) if images else source
    table = Path(table) if table else _find_table(source)
    draft = Draft(corpus or source.name, root)
    records = _read_table(table, draft, can_predict=view_of is not None)
    merged: dict[str, Row] = {}
    named: set[str] = set()
    for number, record in records.items():
        uid = record.get("uid", "")
        if not uid:
            draft.drop(f"{table.name}: record {number}", "row", "no uid")
            continue
        row = merged.get(uid, Row(uid=uid, patient="", split="", corpus=draft.corpus))
        merged[uid] = _merge(row, record, view_of, draft, named)
    has = {key for record in records.values() for key in record}
    if "patient" not in has:
        draft.notes.append("No patient column: every study counts as one patient's.")
    if "split" not in has:
        draft.notes.append("No split column: a tenth of the patients is val, by a hash of their id, the others train.")
    elif without := sum(not row.split for row in merged.values()):
        draft.notes.append(
            f"{without} studies without a split: each gets that of the patient's others; of patients "
            "without any a tenth is val, by a hash, the others train."
        )
    stated = {row.patient: row.split for row in merged.values() if row.patient and row.split}
    draft.rows = [_complete(row, stated) for row in merged.values()]
    draft.drop_unnamed(find_files(root, IMAGE_SUFFIXES, skip=out), named)
    return draft.finish(out, progress, workers)


def _find_table(source: Path) -> Path:
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in (".csv", ".jsonl"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ManifestError(
            f"{source} must hold one CSV or JSONL table, it holds: {names}. Name the table with `--table FILE`."
        )
    return found[0]


def _read_table(path: Path, draft: Draft, can_predict: bool) -> dict[int, dict[str, str]]:
    """Number -> the row of the table, with the names of `COLUMNS`, empty cells left out."""
    if path.suffix.lower() == ".jsonl":
        raw: list[dict[str, Any]] = read_jsonl(path, draft)
    else:
        raw = list(read_csv(path, draft))
    there = list(dict.fromkeys(name for row in raw for name in row))
    source_of: dict[str, str] = {}
    for target, names in COLUMNS.items():
        for name in there:
            if name.strip().lower().replace(" ", "_") in names:
                source_of.setdefault(target, name)
    ignored = [name for name in there if name not in source_of.values()]
    if ignored:
        draft.notes.append(f"Columns not used: {', '.join(ignored)}.")
    _need_columns(path, source_of, ignored, can_predict)
    rows = {}
    for number, row in enumerate(raw, start=1):
        cells = {target: row.get(name) for target, name in source_of.items()}
        if odd := [name for name, cell in cells.items() if isinstance(cell, bool | list | dict)]:
            what = f"its {odd[0]} is {cells[odd[0]]!r}"
            draft.drop(f"{path.name}: record {number}", "row", "a value that is neither text nor a number", what)
            continue
        texts = {name: _text(cell) for name, cell in cells.items()}
        rows[number] = {name: text for name, text in texts.items() if text}
    return rows


def _need_columns(path: Path, there: Mapping[str, str], ignored: list[str], can_predict: bool) -> None:
    def lacks(needed: str, names: tuple[str, ...]) -> ManifestError:
        near = next((hint for name in names if (hint := did_you_mean(name, ignored))), "")
        return ManifestError(f"{path} lacks {needed}{near}. Rename or add the column.")

    if "uid" not in there:
        raise lacks("a column `uid` (or `study_id`) that names the study", COLUMNS["uid"])
    if not any(name in there for name in CONTENT):
        raise lacks(f"all of {', '.join(f'`{name}`' for name in CONTENT)}; one is needed", CONTENT)
    if "image" in there and "view" not in there and not can_predict:
        raise lacks("a column `view` that says which view each `image` is", ("view",))
    if "question" in there and "answer" not in there:
        raise lacks("a column `answer` to go with `question`", ("answer",))


def _text(cell: str | float | None) -> str:
    """A cell as text; empty for those that hold nothing, NaN among them."""
    return "" if cell is None or cell != cell else str(cell).strip()


def _merge(
    row: Row,
    record: Mapping[str, str],
    view_of: Callable[[Path], View] | None,
    draft: Draft,
    named: set[str],
) -> Row:
    images = {ref.path: ref for ref in row.images}
    paths = {}
    for column in ("frontal", "lateral", "image"):
        if column in record:
            path = _inside(record[column], draft, row.uid)
            if path is None:
                continue
            named.add(path)
            paths[column] = path
            if path not in images:
                view = _view(column, path, record.get("view"), view_of, draft)
                images |= {path: ImageRef(path, view)} if view else {}
    report = _report(record)
    if report and row.report and report != row.report:
        draft.drop(row.uid, "report", "another report of the same study")
    questions = row.questions
    if "question" in record:
        questions += _question(record, paths.get("image", record.get("image", "")), row, draft)
    return replace(
        row,
        patient=_same(row, "patient", record.get("patient", "")),
        split=_same(row, "split", split_name(record.get("split", ""))),
        images=tuple(images.values()),
        report=row.report or report,
        questions=questions,
    )


def _same(row: Row, name: str, value: str) -> str:
    before: str = getattr(row, name)
    if before and value and before != value:
        raise ManifestError(f"Study {row.uid!r} has two values of {name}, {before!r} and {value!r}; give it one.")
    return before or value


def _inside(cell: str, draft: Draft, uid: str) -> str | None:
    path = Path(os.path.normpath(draft.root / cell))
    if not path.is_relative_to(draft.root):
        draft.drop(cell, "image", "outside the image folder", f"study {uid}")
        return None
    return relative(path, draft.root)


def _view(
    column: str, path: str, text: str | None, view_of: Callable[[Path], View] | None, draft: Draft
) -> View | None:
    if column != "image":
        return View(column)
    if text and text.lower() in VIEWS:
        return VIEWS[text.lower()]
    if text or view_of is None:
        draft.drop(path, "image", "view unknown", text or "")
        return None
    return draft.predict_view(path, view_of)


def _report(record: Mapping[str, str]) -> Report:
    from radloom.reports.sections import parse_report

    parsed = parse_report(record["report"]) if "report" in record else Report()
    own = {f.name: record[f.name] for f in fields(Report) if f.name in record}
    return clean_report(replace(parsed, **own))


def _question(record: Mapping[str, str], image: str, row: Row, draft: Draft) -> tuple[Question, ...]:
    qid = record.get("qid") or f"{row.uid}-{len(row.questions) + 1}"
    answer = record.get("answer", "")
    if not answer:
        draft.drop(qid, "question", "no answer", f"study {row.uid}")
        return ()
    closed = answer.lower().rstrip(".") in ("yes", "no")
    kind = record.get("answer_type", "closed" if closed else "open").lower()
    return (Question(qid, record["question"], answer, kind, record.get("question_type", "").lower(), image),)


def _complete(row: Row, stated: Mapping[str, str]) -> Row:
    """The row with a patient, a split (where it has none, that stated of the patient's other studies) and labels."""
    patient = row.patient or row.uid
    split = row.split or stated.get(row.patient) or hash_split(patient)
    return replace(row, patient=patient, split=split, labels=labels_of(row.report))
