"""Questions for studies that came without any, written by rule from their reports."""

from __future__ import annotations

from dataclasses import replace

from radloom.corpora.manifest import Manifest, Row
from radloom.reports.questions import synthesise

LIMIT = 5
"""Most questions a study."""

BY_RULE = "written by rule"


def with_questions(row: Row, *, limit: int = LIMIT, seed: int = 0) -> Row:
    """The study, with at most `limit` questions written from its report if it has a report and none of its own."""
    if row.questions or not row.report or not limit:
        return row
    return replace(row, questions=tuple(synthesise(row.report, row.labels, seed=seed, uid=row.uid, limit=limit)))


def question_manifest(manifest: Manifest) -> Manifest:
    """The manifest as it is if it has questions, else with questions written by rule and a name that says so."""
    if any(row.questions for row in manifest):
        return manifest
    return Manifest([with_questions(row) for row in manifest], manifest.root, f"{manifest.corpus}, {BY_RULE}")
