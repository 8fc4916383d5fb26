"""The Indiana University chest X-ray collection (Open-i; Demner-Fushman et al. 2016, doi 10.1093/jamia/ocv080).

What is read, wherever it lies below the folder given:

- the reports, one XML file a study (`ecgen-radiology/1.xml`);
- the images, PNG or JPEG, named as in the XML (`CXR{n}_1_IM-{a}-{b}.png`) or as on Kaggle (`{n}_IM-{a}-{b}.dcm.png`);
- the views: `splits.csv` (`uid, image, view, split, native_aspect_w_over_h, note`) or Kaggle's
  `indiana_projections.csv` (`uid, filename, projection`), or else a predictor;
- the splits: `splits.csv`, or R2Gen's `annotation.json` (Chen et al. 2020, arXiv 2010.16056), or else a hash of the
  study's id: nine tenths for training, one for validation.

Every study is one patient's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radloom.corpora.draft import (
    IMAGE_SUFFIXES,
    Draft,
    clean_report,
    existing_folder,
    find_files,
    labels_of,
    read_csv,
    relative,
)
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.corpora.splits import hash_split, split_name
from radloom.errors import ManifestError, ReportError
from radloom.progress import Progress
from radloom.study import View

if TYPE_CHECKING:
    from radloom.reports.openi import OpenIRecord

SPLITS, PROJECTIONS, ANNOTATION = "splits.csv", "indiana_projections.csv", "annotation.json"


def prepare_indiana(
    source: Path | str,
    out: Path | str,
    *,
    reports: Path | str | None = None,
    images: Path | str | None = None,
    projections: Path | str | None = None,
    progress: Progress | None = None,
    view_of: Callable[[Path], View] | None = None,
    workers: int = 0,
) -> Manifest:
    """Make the manifest of the Indiana collection.

    Unreadable XML, images that are missing, unreadable, turned, doubled or named by no report, and reports with neither
    findings nor impression are left out one by one and listed in `dropped.jsonl`. With a `splits.csv`, studies that it
    does not list are left out too: they may belong to a test set.

    Args:
        source: the folder of the collection.
        out: where the manifest goes.
        reports, images: folders to search instead of `source`.
        projections: `splits.csv` or `indiana_projections.csv`, under whatever name.
        progress: called after each image with the number done and the number of all.
        view_of: predicts the view of an image file that no table lists.
        workers: processes that look at images; see `Draft.finish`.

    Raises:
        ManifestError: no XML, no images or no views, or tables that contradict themselves.
    """
    source = existing_folder(source)
    report_folder = existing_folder(reports) if reports else source
    image_folder = existing_folder(images) if images else source
    draft = Draft("indiana", source if image_folder.is_relative_to(source) else image_folder)
    image_files = find_files(image_folder, IMAGE_SUFFIXES, skip=out)
    if not image_files:
        raise ManifestError(f"No PNG or JPEG images below {image_folder}; name their folder with `--images DIR`.")
    table = Path(projections) if projections else _first(source, SPLITS, out) or _first(source, PROJECTIONS, out)
    if table is None and view_of is None:
        raise ManifestError(
            f"The views of the images below {image_folder} are unknown: there is no {SPLITS} and no {PROJECTIONS}. "
            "Name one with `--projections FILE`, or pass a predictor of views (`view_of`)."
        )
    listed = _read_table(table, draft) if table else {}
    split_of = _splits(listed, _first(source, ANNOTATION, out), draft)
    file_of = {image_key(file.name): file for file in reversed(image_files)}

    named: set[str] = set()
    for record in _read_reports(report_folder, out, draft):
        keys = list(dict.fromkeys(image_key(image) for image in record.images))
        named.update(relative(file_of[key], draft.root) for key in keys if key in file_of)
        split = split_of(record.uid)
        if split is None:
            draft.drop(record.uid, "study", f"not listed in {SPLITS}")
            continue
        report = clean_report(record.report)
        if not report:
            draft.drop(record.uid, "report", "neither findings nor impression")
        refs = [_image(key, record.uid, file_of.get(key), listed.get(key), view_of, draft) for key in keys]
        draft.rows.append(
            Row(
                uid=record.uid,
                patient=record.uid,
                split=split,
                images=tuple(ref for ref in refs if ref is not None),
                report=report,
                labels=labels_of(report),
                corpus=draft.corpus,
            )
        )
    draft.drop_unnamed(image_files, named)
    return draft.finish(out, progress, workers)


def image_key(name: str) -> str:
    """One key for an image however it is named: `CXR{n}_1_IM-{a}-{b}` and `{n}_IM-{a}-{b}.dcm.png` are the same."""
    stem = re.sub(r"(\.(dcm|png|jpe?g|tiff?))+$", "", Path(name).name, flags=re.IGNORECASE)
    return re.sub(r"^(?:CXR)?(\d+)(?:_\1)?_(?=IM-)", r"\1_", stem)


def study_key(uid: str) -> str:
    """The number of a study, from `CXR{n}`, `{n}` or R2Gen's `CXR{n}_1_IM-{a}`."""
    match = re.match(r"(?:CXR)?(\d+)", uid)
    return match[1] if match else uid


def _read_reports(folder: Path, skip: Path | str, draft: Draft) -> Iterator[OpenIRecord]:
    """The readable reports below `folder`, each study once."""
    from radloom.reports.openi import read_openi

    files = find_files(folder, {".xml"}, skip)
    if not files:
        raise ManifestError(f"No report XML below {folder}; name its folder with `--reports DIR`.")
    seen: set[str] = set()
    for file in files:
        try:
            record = read_openi(file)
        except ReportError as error:
            draft.drop(relative(file, folder), "report", "unreadable", str(error))
            continue
        if record.uid in seen:
            draft.drop(relative(file, folder), "report", "second file of a study", f"study {record.uid}")
            continue
        seen.add(record.uid)
        yield record


@dataclass(frozen=True)
class _Listed:
    """What a table says of an image; the empty string where it says nothing."""

    uid: str
    view: View | None
    split: str
    aspect: float | None
    note: str


def _read_table(path: Path, draft: Draft) -> dict[str, _Listed]:
    rows = read_csv(path, draft)
    columns = rows[0].keys() if rows else set()
    name, view = ("image", "view") if "image" in columns else ("filename", "projection")
    for needed in ("uid", name, view):
        if needed not in columns:
            raise ManifestError(
                f"{path} lacks the column {needed!r}; it needs `uid, image, view` as in {SPLITS} "
                f"or `uid, filename, projection` as in {PROJECTIONS}."
            )
    listed = {}
    for row in rows:
        try:
            listed[image_key(row[name])] = _Listed(
                uid=study_key(row["uid"]),
                view=View(row[view].lower()) if row[view] else None,
                split=split_name(row.get("split", "")),
                aspect=float(row["native_aspect_w_over_h"]) if row.get("native_aspect_w_over_h") else None,
                note=row.get("note", ""),
            )
        except ValueError as error:
            raise ManifestError(
                f"{path}: image {row[name]!r} has a wrong value ({error}); correct that line."
            ) from None
    return listed


def _splits(listed: dict[str, _Listed], annotation: Path | None, draft: Draft) -> Callable[[str], str | None]:
    """A function from a study's number to its split; None for one that must be left out."""
    known: dict[str, str] = {}
    for image, entry in listed.items():
        if entry.split and known.setdefault(entry.uid, entry.split) != entry.split:
            raise ManifestError(f"Image {image!r}: study {entry.uid} is listed in two splits; give it one.")
    if known:
        draft.notes.append(f"Splits as in {SPLITS}.")
        return known.get
    if annotation is not None:
        known = _read_annotation(annotation)
        draft.notes.append(f"Splits as in {ANNOTATION} (R2Gen); studies that it leaves out are in train.")
        return lambda uid: known.get(uid, "train")
    draft.notes.append("Splits by a hash of the study's id: nine tenths train, one tenth val. Not R2Gen's split.")
    return hash_split


def _read_annotation(path: Path) -> dict[str, str]:
    """Study number -> split, from `{"train": [{"id": "CXR{n}_IM-{a}", ...}, ...], "val": ..., "test": ...}`."""
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        return {study_key(entry["id"]): split_name(part) for part, entries in parts.items() for entry in entries}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        raise ManifestError(
            f"{path} is not R2Gen's annotation file; remove it or replace it by the original."
        ) from None


def _image(
    key: str,
    uid: str,
    file: Path | None,
    entry: _Listed | None,
    view_of: Callable[[Path], View] | None,
    draft: Draft,
) -> ImageRef | None:
    if file is None:
        draft.drop(key, "image", "not on disk", f"study {uid}")
        return None
    path = relative(file, draft.root)
    for sign, why in (("duplicate", "duplicate"), ("rotated", "stored turned"), ("upside down", "stored turned")):
        if entry and sign in entry.note.lower():
            draft.drop(path, "image", why, entry.note)
            return None
    if entry and entry.view:
        view = entry.view
    elif view_of is not None:
        predicted = draft.predict_view(path, view_of)
        if predicted is None:
            return None
        view = predicted
    else:
        draft.drop(path, "image", "view unknown", f"study {uid}")
        return None
    return ImageRef(path, view, entry.aspect if entry else None)


def _first(folder: Path, name: str, skip: Path | str) -> Path | None:
    found = [path for path in find_files(folder, {Path(name).suffix}, skip) if path.name == name]
    return min(found, key=lambda path: len(path.parts), default=None)
