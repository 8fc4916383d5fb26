"""CIDEr-D of reports (Vedantam et al. 2015, arXiv 1411.5726): n-grams weighted by how few studies hold them.

The numbers are those of pycocoevalcap's `Cider`: n-grams of one to four words, clipped counts, a Gaussian penalty of
the difference in length with sigma = 6, ten times the mean over the orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.text import References, check_pairs, ngrams, several

_ORDER, _SIGMA, _SCALE = 4, 6.0, 10.0


def cider(references: References, hypotheses: Sequence[str]) -> np.ndarray:
    """CIDEr-D of each hypothesis, (n,), equal to pycocoevalcap's `Cider`; its corpus score is the mean.

    Document frequencies are counted over the references given, so a score depends on all of them, and with one pair
    alone it is 0. Words are what white space separates. Of several references, the mean counts.

    Raises:
        RadloomError: no pairs, sides of different length, or a hypothesis without a reference.
    """
    check_pairs(references, hypotheses)
    wanted = [[_counts(r) for r in several(reference)] for reference in references]
    for i, given in enumerate(wanted):
        if not given:
            raise RadloomError(f"Hypothesis {i} has no reference; give it one or more.")
    studies = Counter(gram for given in wanted for gram in {gram for counts in given for gram in counts})
    scores = np.zeros(len(hypotheses))
    for i, (given, hypothesis) in enumerate(zip(wanted, hypotheses, strict=True)):
        guessed = _Weighted(_counts(hypothesis), studies, len(wanted))
        similar = [guessed.similarity(_Weighted(counts, studies, len(wanted))) for counts in given]
        scores[i] = _SCALE * np.mean(similar)
    return scores


class _Weighted:
    """The n-grams of one text, weighted by count and inverse document frequency.

    Args:
        counts: of every n-gram of the text.
        studies: how many of the studies hold an n-gram in a reference.
        n: number of studies.
    """

    def __init__(self, counts: Counter[tuple[str, ...]], studies: Mapping[tuple[str, ...], int], n: int) -> None:
        self.weights = {gram: count * np.log(n / max(1, studies.get(gram, 0))) for gram, count in counts.items()}
        squares = np.zeros(_ORDER)
        for gram, weight in self.weights.items():
            squares[len(gram) - 1] += weight**2
        self.norms = np.sqrt(squares)
        self.length = sum(count for gram, count in counts.items() if len(gram) == 2)  # pairs of words, as there

    def similarity(self, reference: _Weighted) -> float:
        """Mean over the orders of the clipped cosine, with the penalty of the length."""
        products = np.zeros(_ORDER)
        for gram, weight in self.weights.items():
            other = reference.weights.get(gram, 0.0)
            products[len(gram) - 1] += min(weight, other) * other
        norms = self.norms * reference.norms
        cosines = np.divide(products, norms, out=products, where=norms != 0)
        return float(cosines.mean() * np.exp(-((self.length - reference.length) ** 2) / (2 * _SIGMA**2)))


def _counts(text: str) -> Counter[tuple[str, ...]]:
    words = text.split()
    return sum((ngrams(words, k + 1) for k in range(_ORDER)), Counter())
