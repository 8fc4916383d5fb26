"""Which of several texts says most nearly what all of them say: minimum Bayes risk decoding by n-grams.

Kumar and Byrne 2004, "Minimum Bayes-risk decoding for statistical machine translation"; for texts drawn by sampling,
Eikema and Aziz 2020, arXiv 2005.10283. A single draw has odd words that its fellows do not share; the likeliest text is
the same for nearly every patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

LONGEST = 4
"""Words of the longest n-grams."""


def likeness(texts: Sequence[Sequence[Hashable]]) -> list[float]:
    """How much each text is like the others: the mean over them, and over n, of F1 of the n-grams that two share.

    Args:
        texts: words or tokens of each.

    Returns:
        One number a text, from 0 to 1; 1 for a single one.
    """
    counts = [[_grams(text, n) for n in range(1, LONGEST + 1)] for text in texts]
    if len(texts) < 2:
        return [1.0] * len(texts)
    return [
        sum(_alike(ours, theirs) for j, theirs in enumerate(counts) if j != i) / (len(counts) - 1)
        for i, ours in enumerate(counts)
    ]


def _grams(text: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))


def _alike(ours: Sequence[Counter[tuple[Hashable, ...]]], theirs: Sequence[Counter[tuple[Hashable, ...]]]) -> float:
    """Mean F1 of the n-grams of two texts; those too long for both count as shared."""
    shares = []
    for a, b in zip(ours, theirs, strict=True):
        total = a.total() + b.total()
        shares.append(2 * (a & b).total() / total if total else 1.0)
    return sum(shares) / len(shares)
