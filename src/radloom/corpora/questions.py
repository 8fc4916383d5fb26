"""Questions for studies that came without any, written from their reports by rule or by a language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from radloom.corpora.manifest import Manifest, Row
from radloom.reports.questions import QuestionWriter, from_llm, synthesise

LIMIT = 5
"""Most questions a study."""

BY_RULE = "written by rule"


def with_questions(row: Row, *, limit: int = LIMIT, seed: int = 0) -> Row:
    """The study, with at most `limit` questions written from its report if it has a report and none of its own."""
    if row.questions or not row.report or not limit:
        return row
    return replace(row, questions=tuple(synthesise(row.report, row.labels, seed=seed, uid=row.uid, limit=limit)))


def question_manifest(manifest: Manifest, *, limit: int = LIMIT, seed: int = 0) -> Manifest:
    """The manifest as it is if it has questions, else with questions written by rule and a name that says so."""
    if any(row.questions for row in manifest):
        return manifest
    rows = [with_questions(row, limit=limit, seed=seed) for row in manifest]
    return Manifest(rows, manifest.root, f"{manifest.corpus}, {BY_RULE}")


def ask_llm(
    manifest: Manifest,
    write: QuestionWriter,
    name: str,
    *,
    limit: int = LIMIT,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Manifest, Counter[str]]:
    """The manifest with questions that a language model writes about each report.

    Args:
        manifest: studies with questions of their own keep them.
        write: the language model.
        name: of it, for the name of the new corpus.
        limit: most questions a study.
        progress: told of studies done and in all.

    Returns:
        The new manifest, and how many pairs were left out, by reason (see `from_llm`).
    """
    rejected: Counter[str] = Counter()
    rows = []
    for number, row in enumerate(manifest, start=1):
        if row.report and not row.questions:
            written = from_llm(row.report, write, uid=row.uid, rejected=rejected, limit=limit)
            row = replace(row, questions=tuple(written))
        rows.append(row)
        if progress:
            progress(number, len(manifest))
    return Manifest(rows, manifest.root, f"{manifest.corpus}, written by {name}"), rejected
