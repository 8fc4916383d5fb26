"""sacreBLEU of corpora of texts (Post 2018), counted so that any weighting of the texts is scored by sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from radloom.errors import RadloomError


@dataclass(frozen=True)
class SacrebleuCounts:
    """What sacreBLEU needs of each of n texts.

    Attributes:
        matched, guessed: clipped matches and n-grams of the hypothesis by order: (n, 4).
        length, reference_length: words after tokenisation: (n,).
        signature: sacreBLEU's own name for its settings.
    """

    matched: np.ndarray
    guessed: np.ndarray
    length: np.ndarray
    reference_length: np.ndarray
    signature: str

    def corpus(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Corpus sacreBLEU in [0, 1] as weights (draws, n) say: (draws,); without, of each text once: (1,)."""
        w = np.ones((1, len(self.length))) if weights is None else weights
        sums = (w @ self.matched, w @ self.guessed, w @ self.length, w @ self.reference_length)
        return np.array([_score(*parts) for parts in zip(*sums, strict=True)])


def sacrebleu_counts(references: Sequence[str], hypotheses: Sequence[str]) -> SacrebleuCounts:
    """The counts of texts as they are: cased, tokenised by sacreBLEU's 13a, exponential smoothing.

    Raises:
        RadloomError: no pairs, or sides of different length.
    """
    if len(references) != len(hypotheses) or not len(references):
        raise RadloomError(f"{len(references)} references for {len(hypotheses)} hypotheses; give one for each.")
    metric = BLEU(effective_order=True)
    each = [metric.sentence_score(h, [r]) for r, h in zip(references, hypotheses, strict=True)]
    return SacrebleuCounts(
        np.array([s.counts for s in each], np.float64),
        np.array([s.totals for s in each], np.float64),
        np.array([s.sys_len for s in each], np.float64),
        np.array([s.ref_len for s in each], np.float64),
        "13a, exp",
    )


def _score(matched: np.ndarray, guessed: np.ndarray, length: float, reference_length: float) -> float:
    counts, totals = ([int(x) for x in side] for side in (matched, guessed))
    score = BLEU.compute_bleu(counts, totals, int(length), int(reference_length), smooth_method="exp")
    return float(score.score) / 100
