"""What a score is called: the measure, and in brackets everything that made it."""

from __future__ import annotations

CERTAIN = "uncertain=negative"
"""The rule by which observations count as there where a report is sure of them, by its name in scores."""

POSSIBLE = "uncertain=positive"
"""That by which those count, too, that a report calls possible."""


def score_name(measure: str, maker: str, *more: str) -> str:
    """Name a score so that it cannot be mistaken for another one.

    >>> score_name("bleu4", "findings", "r2gen")
    'bleu4[findings, r2gen]'
    """
    return f"{measure}[{', '.join((maker, *more))}]"
