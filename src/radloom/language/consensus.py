"""Which of several texts says most nearly what all of them say: minimum Bayes risk decoding by n-grams.

Kumar and Byrne 2004, "Minimum Bayes-risk decoding for statistical machine translation"; for texts drawn by sampling,
Eikema and Aziz 2020, arXiv 2005.10283. A single draw has odd words that its fellows do not share; the likeliest text is
the same for nearly every patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from radloom.scores.text import ngrams

LONGEST = 4
"""Words of the longest n-grams."""


def likeness(texts: Sequence[Sequence[str]]) -> list[float]:
    """How much each text is like the others: the mean over them, and over n, of F1 of the n-grams that two share.

    Args:
        texts: words of each.

    Returns:
        One number a text, from 0 to 1; 1 for a single one.
    """
    if len(texts) < 2:
        return [1.0] * len(texts)
    counts = [[ngrams(text, n) for n in range(1, LONGEST + 1)] for text in texts]
    sums = [0.0] * len(texts)
    for i, j in combinations(range(len(texts)), 2):
        alike = _alike(counts[i], counts[j])
        sums[i] += alike
        sums[j] += alike
    return [total / (len(texts) - 1) for total in sums]


def _alike(ours: Sequence[Counter[tuple[str, ...]]], theirs: Sequence[Counter[tuple[str, ...]]]) -> float:
    """Mean F1 of the n-grams of two texts, over the lengths that one of them has; two empty texts are alike."""
    shares = []
    for a, b in zip(ours, theirs, strict=True):
        if total := a.total() + b.total():
            shares.append(2 * (a & b).total() / total)
    return sum(shares) / len(shares) if shares else 1.0
