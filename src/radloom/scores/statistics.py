"""Bootstrap intervals and paired differences over studies (Efron and Tibshirani 1993, chapters 13 and 16).

A statistic is a function of an index array: it scores the studies at those positions, of which some come more than
once. Study is the unit that is drawn, so rows of one study belong to one position. The same `n`, `samples` and `seed`
draw the same studies, whatever is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from radloom.errors import RadloomError

Statistic = Callable[[np.ndarray], float]
"""Index array (n,) -> score; NaN where the score is undefined for that draw."""

LEVEL = 95
"""Per cent of the draws that an interval covers."""


@dataclass(frozen=True)
class Interval:
    """A score with its percentile interval.

    Attributes:
        value: the score of all studies, each once.
        low, high: the 2.5 % and 97.5 % points over the draws.
        draws: number of draws the interval rests on; draws for which the score is undefined are not among them.
    """

    value: float
    low: float
    high: float
    draws: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Difference(Interval):
    """The difference of two scores of the same studies.

    Attributes:
        p: two-sided p-value of no difference: twice the smaller share of draws on either side of zero.
    """

    p: float


def over_studies(statistic: Statistic, studies: Sequence[Hashable]) -> tuple[Statistic, int]:
    """A statistic of rows as one of studies, of which each may have several rows, and the number of studies.

    Args:
        statistic: scores the rows of an index array.
        studies: the study of each row.
    """
    rows: dict[Hashable, list[int]] = {}
    for row, study in enumerate(studies):
        rows.setdefault(study, []).append(row)
    members = [np.array(places) for places in rows.values()]
    return (lambda index: statistic(np.concatenate([members[i] for i in index]))), len(members)


def bootstrap(statistic: Statistic, n: int, samples: int = 1000, seed: int = 0) -> Interval:
    """The 95 % percentile interval of `statistic` over `n` studies drawn with replacement.

    Args:
        statistic: scores the studies of an index array.
        n: number of studies.
        samples: number of draws.
        seed: of the draws.

    Raises:
        RadloomError: no study, or a score that is undefined for all studies together or for every draw.
    """
    value, draws = _scores(statistic, n, samples, seed)
    low, high = _limits(draws)
    return Interval(value, low, high, len(draws))


def paired_difference(
    statistic: Statistic, baseline: Statistic, n: int, samples: int = 1000, seed: int = 0
) -> Difference:
    """`statistic - baseline` with both computed on the same draws (Koehn 2004, "Statistical significance tests").

    Raises:
        RadloomError: as `bootstrap`.
    """
    value, draws = _scores(lambda index: statistic(index) - baseline(index), n, samples, seed)
    low, high = _limits(draws)
    tail = min(int(np.sum(draws <= 0)), int(np.sum(draws >= 0)))
    return Difference(value, low, high, len(draws), p=min(1.0, 2 * (tail + 1) / (len(draws) + 1)))


def _scores(statistic: Statistic, n: int, samples: int, seed: int) -> tuple[float, np.ndarray]:
    if n < 1 or samples < 1:
        raise RadloomError(f"A bootstrap needs a study and a draw, got {n} studies and {samples} draws; give it both.")
    value = float(statistic(np.arange(n)))
    draws = np.array([statistic(index) for index in _draws(n, samples, seed)], dtype=np.float64)
    draws = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(draws):
        raise RadloomError(f"The score is undefined for these {n} studies; score more of them or leave it out.")
    return value, draws


def _draws(n: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    for _ in range(samples):
        yield generator.integers(0, n, n)


def _limits(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(draws, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)
