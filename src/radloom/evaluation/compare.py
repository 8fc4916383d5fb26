"""Paired differences between two boards over the same studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radloom.errors import RadloomError, did_you_mean
from radloom.evaluation.table import FEW, GAP, JUDGE, NEIGHBOUR, SHUFFLED, Board, Score
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.names import CERTAIN, score_name
from radloom.scores.statistics import Difference, difference
from radloom.scores.text import R2GEN
from radloom.study import SECTIONS


@dataclass(frozen=True)
class Compared:
    """A score of both boards.

    Attributes:
        name: the measure and what made it.
        n: studies, images or questions.
        a, b: the two scores.
        difference: `b - a` with interval and p-value; None where they cannot be paired.
        why: why not.
    """

    name: str
    n: int
    a: Score
    b: Score
    difference: Difference | None
    why: str = ""


def compare(a: Board, b: Board, system_a: str | None = None, system_b: str | None = None) -> list[Compared]:
    """Every score that both boards have, `b - a`.

    Args:
        a, b: boards.
        system_a, system_b: whose scores: the models' own, or for instance `nearest neighbour`.

    Raises:
        RadloomError: a system that a board does not have, no score in common, or none that can be paired.
    """
    first, second = system_a or a.model, system_b or b.model
    for board, system in ((a, first), (b, second)):
        known = {score.system for score in board.scores}
        if system not in known:
            raise RadloomError(f"No system {system!r}{did_you_mean(system, known)}; there are: {', '.join(known)}.")
    result = _shared(a, b, first, second)
    if not result:
        raise RadloomError("The two boards have no score in common; score the same tasks of the same corpus.")
    if not any(row.difference for row in result):
        raise RadloomError(f"None of the {len(result)} scores that both have can be compared: {result[0].why}.")
    return result


def _shared(a: Board, b: Board, first: str, second: str) -> list[Compared]:
    """Every score of one system that the other system has in the other board, paired where that can be."""
    result = []
    theirs = {score.name: score for score in b.scores if score.system == second}
    for score in a.scores:
        if score.system != first or score.name not in theirs:
            continue
        other = theirs[score.name]
        gone = _unpaired(score, other) or _made_otherwise(score, a.signature, b.signature)
        paired = None
        if not gone and score.interval is not None and other.interval is not None:
            paired = difference(other.interval, score.interval)
        result.append(Compared(score.name, score.n, score, other, paired, gone))
    return result


def as_markdown(rows: list[Compared], a: str, b: str) -> str:
    """A table without the detail: both scores, their difference and its p-value."""
    most = max(row.n for row in rows)
    lines = ["> So few studies that p-values mean little; many scores are compared, none corrected for it.\n"]
    lines = (lines if most < FEW else []) + [
        f"| score | n | A: {a} | B: {b} | B - A | p |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.a.detail or (row.a.interval is None and row.b.interval is None):
            continue
        if row.difference is None:
            last = f"{row.why} | "
        else:
            gap = row.difference
            last = f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] | {gap.p:.3f}"
        lines.append(f"| {row.name} | {row.n} | {row.a} | {row.b} | {last} |")
    return "\n".join(lines) + "\n"


_FOUND = ("14 observations", "findings", LABELLER, CERTAIN)

HEADLINES = (
    ("BLEU-4", "bleu4[findings, *]", None),
    ("micro F1", score_name("f1_micro", *_FOUND), None),
    ("its shuffle gap", score_name("f1_micro", *_FOUND), GAP),
    ("that of impressions", score_name("f1_micro", "14 observations", "impression", LABELLER, CERTAIN), GAP),
    ("macro F1", score_name("f1_macro", *_FOUND), None),
    ("closed questions", "accuracy[closed, *]", None),
    ("PSNR", "psnr", None),
    ("Frechet, frontal", "frechet[frontal, radloom-classifier]", None),
    (
        "prompted AUROC, frontal",
        "auroc_micro[14 observations, prompted, frontal, radloom-classifier, rule-labeller]",
        None,
    ),
)
"""Columns of `overview`: heading, score, and the system whose score it is if not the model.

A `*` in a score stands for what names the corpus or its protocol; of several scores, the first one is shown."""


def overview(base: Board, others: Sequence[Board]) -> str:
    """Many boards beside one, as a Markdown table: the scores of `base`, and what each other one has more, paired.

    Raises:
        RadloomError: a board that has none of the scores in `HEADLINES`, or none that can be paired with `base`.
    """
    lines = [
        f"| recipe | {' | '.join(heading for heading, _, _ in HEADLINES)} |",
        "|---" * (len(HEADLINES) + 1) + "|",
    ]
    names = [headline_of(base, pattern) for _, pattern, _ in HEADLINES]
    systems = [system for _, _, system in HEADLINES]
    own = [base.find(name, system) for name, system in zip(names, systems, strict=True)]
    lines.append(f"| {_recipe(base)} | {' | '.join(str(score) if score else '' for score in own)} |")
    for board in others:
        found: dict[str | None, dict[str, Compared]] = {None: {row.name: row for row in compare(base, board)}}
        found[GAP] = {row.name: row for row in _shared(base, board, GAP, GAP)}
        cells = (found.get(system, {}).get(name) for name, system in zip(names, systems, strict=True))
        lines.append(f"| {_recipe(board)} | {' | '.join(_more(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def headline_of(board: Board, pattern: str) -> str:
    """A name as it is, or of one with a `*` the first score of a board that it fits."""
    begin, star, end = pattern.partition("*")
    fitting = (score.name for score in board.scores if score.name.startswith(begin) and score.name.endswith(end))
    return next(fitting, pattern) if star else pattern


def _recipe(board: Board) -> str:
    return str(board.signature.get("recipe") or board.model)


def _more(row: Compared | None) -> str:
    """By how much B is above A, starred where the interval does not hold 0."""
    if row is None:
        return ""
    if row.difference is None:
        return row.why
    gap = row.difference
    return f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]" + (" *" if gap.low > 0 or gap.high < 0 else "")


def _made_otherwise(score: Score, a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Why a score and that of the other board of the same name do not measure the same; `""` if they do."""
    parts = {"manifest": "other studies or texts", "bootstrap": "other draws"}
    if score.system in (SHUFFLED, GAP) and any(section in score.name for section in SECTIONS):  # of written reports
        parts["shuffled"] = "shuffled among another number of patients; evaluate both with this version"
    if JUDGE in score.name or score.system == NEIGHBOUR:  # whose features say what is near
        parts["judge"] = "another classifier judged; evaluate both with the same --judge"
    if R2GEN.name in score.name:
        parts["protocol"] = "references cut otherwise; evaluate both with this version"
    if LABELLER in score.name:
        parts["labeller"] = "another version of the labeller"
    return next((f"not paired: {why}" for key, why in parts.items() if a.get(key) != b.get(key)), "")


def _unpaired(a: Score, b: Score) -> str:
    if a.interval is None or b.interval is None:
        return "no value on one side"
    if len(a.interval.draws) < 2 or len(b.interval.draws) < 2:
        return "a count, without draws"
    if a.studies != b.studies:
        return "not paired: other studies"
    if len(a.interval.draws) != len(b.interval.draws):
        return "not paired: another number of draws"
    return ""
