"""A report to a file whose suffix names the format: text, FHIR or DICOM SR."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from radloom.errors import RadloomError
from radloom.files import write_whole
from radloom.imaging.files import File
from radloom.interop.common import as_file, check_one_patient, read_source, says_synthetic, sections
from radloom.interop.fhir import diagnostic_report
from radloom.interop.sr import sr_bytes
from radloom.provenance import Maker
from radloom.reports.labeller import label
from radloom.study import Image, Report

REPORT_SUFFIXES = (".txt", ".json", ".dcm")
"""Plain text, FHIR DiagnosticReport, DICOM Basic Text SR."""


def write_report(report: Report, path: Path | str, *, maker: Maker, images: Sequence[Image] = ()) -> Path:
    """Write a report as its suffix says, whole or not at all; its folder is made if need be.

    All say that software wrote it, and that the X-ray is synthetic where its file says so. FHIR and DICOM also say what
    the rule-based labeller reads of the 14 observations, and refer to those of the images that are DICOM files.

    Args:
        report: findings and impression, or one of them.
        path: the file to write; ends in `.txt`, `.json` or `.dcm`.
        maker: what wrote it.
        images: the X-rays it is of.

    Returns:
        The path written.

    Raises:
        ReportError: an empty report.
        ImageError: an image that cannot be read, or DICOM images that one report cannot refer to.
        RadloomError: another suffix, or a place that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in REPORT_SUFFIXES:
        raise RadloomError(f"{path} does not end in .txt, .json or .dcm; give the output one of these endings.")
    files = [as_file(image) for image in images if isinstance(image, Path | str | bytes)]
    return write_whole(path, report_bytes(report, suffix, maker=maker, files=files))


def report_bytes(report: Report, suffix: str, *, maker: Maker, files: Sequence[File] = ()) -> bytes:
    """What `write_report` writes.

    Args:
        report: findings and impression, or one of them.
        suffix: one of `REPORT_SUFFIXES`.
        maker: what wrote it.
        files: the X-rays it is of; those that are DICOM are referred to.

    Raises:
        ReportError: an empty report.
        ImageError: an image that cannot be read, or DICOM images that one report cannot refer to.
    """
    sources = [source for file in files if (source := read_source(file)) is not None]
    check_one_patient(sources)
    synthetic = any(says_synthetic(file) for file in files)
    if suffix == ".txt":
        of = " Of a synthetic X-ray." if synthetic else ""
        texts = {**sections(report), "note": f"Written by {maker}, and checked by nobody. For research only.{of}"}
        return "".join(f"{name.upper()}: {body}\n" for name, body in texts.items()).encode()
    labels = label(report)
    if suffix == ".dcm":
        return sr_bytes(report, maker=maker, labels=labels, sources=sources, synthetic=synthetic)
    resource = diagnostic_report(report, maker=maker, labels=labels, sources=sources, synthetic=synthetic)
    return (json.dumps(resource, indent=2, ensure_ascii=False) + "\n").encode()
