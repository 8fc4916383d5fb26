"""MIMIC-CXR-JPG with the reports of MIMIC-CXR (Johnson et al. 2019, doi 10.1038/s41597-019-0322-0).

What is read, below the folder given, is what PhysioNet has there:

- `mimic-cxr-2.0.0-metadata.csv.gz` (`dicom_id, subject_id, study_id, ViewPosition`) and
  `mimic-cxr-2.0.0-split.csv.gz` (`dicom_id, split`), of whichever version, packed or not;
- the images, `files/p10/p10000032/s50414267/{dicom_id}.jpg`, or the `.dcm` of MIMIC-CXR in their place;
- the reports, `files/p10/p10000032/s50414267.txt`, as `mimic-cxr-reports.zip` holds them, here or in a folder of their
  own.

Not all has to be there: groups (`p10`, ...) without any image are counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from radloom.corpora.draft import Draft, clean_report, existing_folder, labels_of, read_csv
from radloom.corpora.folder import VIEWS
from radloom.corpora.manifest import ImageRef, Manifest, Row, natural_key
from radloom.corpora.splits import split_name
from radloom.errors import ManifestError, did_you_mean
from radloom.progress import Progress
from radloom.study import Report, View

METADATA = ("dicom_id", "subject_id", "study_id", "ViewPosition")
SPLIT = ("dicom_id", "split")
"""The columns that are read of the two tables."""


def prepare_mimic(
    source: Path | str,
    out: Path | str,
    *,
    reports: Path | str | None = None,
    progress: Progress | None = None,
    view_of: Callable[[Path], View] | None = None,
    workers: int = 0,
) -> Manifest:
    """Make the manifest of MIMIC-CXR.

    Images of oblique or unknown views, images that are missing or unreadable, and reports with neither findings nor
    impression are left out one by one and listed in `dropped.jsonl`.

    Args:
        source: the folder of MIMIC-CXR-JPG.
        out: where the manifest goes.
        reports: the folder of the reports; by default `source`.
        progress: called after each image with the number done and the number of all.
        view_of: predicts the view of an image for which the metadata give none.
        workers: processes that look at images; see `Draft.finish`.

    Raises:
        ManifestError: a table or a column missing, no reports, a patient in two splits, or nothing usable.
    """
    source = existing_folder(source)
    texts = existing_folder(reports) if reports else source
    texts = texts / "files" if (texts / "files").is_dir() else texts
    draft = Draft("mimic-cxr", source)
    records = _read_table(source, "metadata", METADATA, draft)
    split_of = {row["dicom_id"]: split_name(row["split"]) for row in _read_table(source, "split", SPLIT, draft)}
    there = {group.name for group in (source / "files").glob("p[0-9]*") if _has_images(group)}
    absent: dict[str, int] = {}
    merged: dict[str, Row] = {}
    for record in records:
        patient, study = f"p{record['subject_id'].removeprefix('p')}", f"s{record['study_id'].removeprefix('s')}"
        group = patient[:3]
        if group not in there:
            absent[group] = absent.get(group, 0) + 1
            continue
        image = record["dicom_id"]
        if image not in split_of:
            draft.drop(image, "image", "in no split", f"study {study}")
            continue
        if study not in merged:
            report = _report(texts / group / patient / f"{study}.txt", study, draft)
            merged[study] = Row(study, patient, split_of[image], report=report, corpus=draft.corpus)
        if merged[study].split != split_of[image]:
            raise ManifestError(
                f"Study {study} has images in two splits, {merged[study].split} and {split_of[image]}; mend the table "
                "of splits."
            )
        path = _path(source, f"files/{group}/{patient}/{study}/{image}")
        if not (source / path).is_file():
            draft.drop(path, "image", "not on disk", f"study {study}")
        elif view := _view(record["ViewPosition"], path, view_of, draft):
            merged[study] = replace(merged[study], images=(*merged[study].images, ImageRef(path, view)))
    if absent:
        names = ", ".join(sorted(absent))
        draft.notes.append(f"{sum(absent.values())} images of groups without images on disk left out: {names}.")
    if merged and not any(row.report for row in merged.values()):
        raise ManifestError(
            f"No report lies below {texts}; unpack mimic-cxr-reports.zip of MIMIC-CXR there, or name its folder with "
            "--reports."
        )
    draft.rows = [replace(row, labels=labels_of(row.report)) for row in merged.values()]
    return draft.finish(out, progress, workers)


def _read_table(source: Path, name: str, columns: tuple[str, ...], draft: Draft) -> list[dict[str, str]]:
    """The table of that name, of the newest version that is there."""
    there = (path for path in source.glob(f"mimic-cxr-*-{name}.csv*") if path.suffix in (".csv", ".gz"))
    found = sorted(there, key=lambda path: natural_key(path.name))
    if not found:
        raise ManifestError(
            f"{source} holds no mimic-cxr-2.0.0-{name}.csv.gz; name the folder of MIMIC-CXR-JPG, with its tables."
        )
    rows = read_csv(found[-1], draft)
    known = rows[0].keys() if rows else ()
    for column in columns:
        if column not in known:
            near = did_you_mean(column, known)
            raise ManifestError(f"{found[-1]} lacks the column `{column}`{near}; take it as published.")
    return rows


def _has_images(group: Path) -> bool:
    """Whether a study of the group has a folder of images; reports are files beside them."""
    return any(study.is_dir() for patient in group.iterdir() if patient.is_dir() for study in patient.iterdir())


def _path(source: Path, stem: str) -> str:
    return f"{stem}.dcm" if (source / f"{stem}.dcm").is_file() else f"{stem}.jpg"


def _view(position: str, path: str, view_of: Callable[[Path], View] | None, draft: Draft) -> View | None:
    if position.lower() in VIEWS:
        return VIEWS[position.lower()]
    if position or view_of is None:
        draft.drop(path, "image", "view unknown", position)
        return None
    return draft.predict_view(path, view_of)


def _report(path: Path, study: str, draft: Draft) -> Report:
    from radloom.reports.sections import parse_report

    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        draft.drop(study, "report", "not on disk")
        return Report()
    report = clean_report(parse_report(text))
    if not report:
        draft.drop(study, "report", "neither findings nor impression")
    return report
