"""A report as one text, as models learn and write it: `FINDINGS: ... IMPRESSION: ...`."""

from __future__ import annotations

import re
from enum import StrEnum

from radloom.errors import ReportError
from radloom.reports.sections import has_headings, one_line, parse_report, split_sections
from radloom.study import Report

_NAMES = ("FINDINGS", "IMPRESSION")
_HEADING = re.compile(rf"\b({'|'.join(_NAMES)}):")
_BEGUN = re.compile(rf"\b(?:{'|'.join(name[:n] for name in _NAMES for n in range(len(name), 0, -1))})$")
"""A heading of which the end is not written yet."""


class Sections(StrEnum):
    """Which sections of a report are wanted or given."""

    FINDINGS = "findings"
    IMPRESSION = "impression"
    BOTH = "both"


def has_sections(report: Report, sections: Sections) -> bool:
    """Whether the report has text in all of those sections."""
    return (sections is Sections.IMPRESSION or bool(report.findings)) and (
        sections is Sections.FINDINGS or bool(report.impression)
    )


def report_to_text(report: Report, sections: Sections = Sections.BOTH) -> str:
    """`FINDINGS: ... IMPRESSION: ...`, or the one section asked for; empty sections are left out."""
    parts = []
    if report.findings and sections is not Sections.IMPRESSION:
        parts.append(f"FINDINGS: {report.findings}")
    if report.impression and sections is not Sections.FINDINGS:
        parts.append(f"IMPRESSION: {report.impression}")
    return " ".join(parts)


def report_from_text(text: str, *, growing: bool = False) -> Report:
    """The inverse of `report_to_text`; text before any heading counts as findings, a repeated heading goes on.

    Args:
        text: what was written.
        growing: more is to come; what may be the begin of a heading is left out.
    """
    if growing:
        text = _BEGUN.sub("", text)
    start, *rest = _HEADING.split(text)
    found = {"FINDINGS": [start.strip()], "IMPRESSION": [""]}
    for heading, body in zip(rest[::2], rest[1::2], strict=True):
        found[heading].append(body.strip())
    joined = {heading: " ".join(part for part in parts if part) for heading, parts in found.items()}
    return Report(findings=joined["FINDINGS"], impression=joined["IMPRESSION"])


def as_report(text: str | Report) -> Report:
    """A report, from text: split at its headings if it has any, otherwise all of it as findings.

    Raises:
        ReportError: there is no text, or none of findings or impression below its headings.
    """
    if isinstance(text, Report):
        return text
    if not isinstance(text, str):
        raise ReportError(f"A {type(text).__name__} is no text to draw from; give a string or a Report.")
    text = text.removeprefix("\ufeff")  # a byte-order mark, as some editors begin their files
    headed = has_headings(text)
    report = parse_report(text) if headed else Report(findings=one_line(text))
    if headed and not report:
        report = Report(findings=split_sections(text).get("preamble", ""))
    if not report:
        raise ReportError("The text to draw from is empty; give findings or an impression.")
    return report
