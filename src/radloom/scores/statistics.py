"""Bootstrap intervals and paired differences over patients (Efron and Tibshirani 1993, chapters 13 and 16).

A statistic is a function of weights: how often each row counts. The plain score weighs every row 1; a draw of patients
with replacement weighs the rows of a patient by how often that patient was drawn: studies of one patient are alike, so
that they come and go together. The same rows, `samples` and `seed` give the same draws, whatever is scored: two
intervals over the same rows can be subtracted draw by draw.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from radloom.errors import RadloomError

Statistic = Callable[[np.ndarray], np.ndarray]
"""Weights (draws, rows) -> scores (draws,); NaN where the score is undefined for that draw."""

LEVEL = 95
"""Per cent of the draws that an interval covers."""

SAMPLES = 1000
"""Draws of a bootstrap, where nothing else is said."""

_BLOCK = 4_000_000  # weights held at a time


@dataclass(frozen=True)
class Interval:
    """A score with its percentile interval.

    Attributes:
        value: the score of all studies, each once.
        low, high: the 2.5 % and 97.5 % points over the draws.
        draws: the score of every draw; NaN where it is undefined for that draw.
    """

    value: float
    low: float
    high: float
    draws: np.ndarray = field(repr=False, compare=False)

    @classmethod
    def of(cls, value: float, draws: np.ndarray) -> Interval:
        """The percentile interval of draws.

        Raises:
            RadloomError: a score that is undefined for all studies together or for every draw.
        """
        defined = draws[~np.isnan(draws)]
        if np.isnan(value) or not len(defined):
            raise RadloomError("The score is undefined for these studies; score more of them or leave it out.")
        low, high = np.percentile(defined, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
        return cls(float(value), float(low), float(high), draws)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Difference(Interval):
    """The difference of two scores of the same studies.

    Attributes:
        p: two-sided p-value of no difference: twice the smaller share of draws on either side of zero.
    """

    p: float = 1.0


def difference(score: Interval, baseline: Interval) -> Difference:
    """`score - baseline`, paired: each draw of one less the same draw of the other (Koehn 2004).

    Args:
        score, baseline: over the same studies, with the same number of draws and seed.

    Raises:
        RadloomError: another number of draws, or no draw that has both scores.
    """
    if score.draws.shape != baseline.draws.shape:
        raise RadloomError(
            f"{len(score.draws)} draws and {len(baseline.draws)} draws are not paired; score both with the same number."
        )
    draws = score.draws - baseline.draws
    interval = Interval.of(score.value - baseline.value, draws)
    defined = draws[~np.isnan(draws)]
    tail = min(int(np.sum(defined <= 0)), int(np.sum(defined >= 0)))
    p = min(1.0, 2 * (tail + 1) / (len(defined) + 1))
    return Difference(interval.value, interval.low, interval.high, draws, p)


class Bootstrap:
    """Draws of patients with replacement.

    Args:
        patients: the patient of each row; or how many, a row each.
        samples: number of draws.
        seed: of the draws.

    Raises:
        RadloomError: no patient or no draw.
    """

    def __init__(self, patients: Sequence[Hashable] | int, samples: int = SAMPLES, seed: int = 0) -> None:
        names = range(patients) if isinstance(patients, int) else patients
        numbers = {patient: number for number, patient in enumerate(dict.fromkeys(names))}
        self.patient_of = np.array([numbers[patient] for patient in names], dtype=np.int64)
        self.patients, self.samples, self.seed = len(numbers), samples, seed
        if self.patients < 1 or samples < 1:
            raise RadloomError(
                f"A bootstrap needs a patient and a draw, got {self.patients} patients and {samples} draws; give both."
            )

    @property
    def rows(self) -> int:
        return len(self.patient_of)

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each patient is drawn: (samples, patients)."""
        generator = np.random.default_rng(self.seed)
        drawn = (generator.integers(0, self.patients, self.patients) for _ in range(self.samples))
        return np.stack([np.bincount(index, minlength=self.patients) for index in drawn])

    def weights(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """How often each row counts in the draws `start` to `stop`: (draws, rows)."""
        return self.counts[start:stop, self.patient_of].astype(np.float64)

    def __call__(self, statistic: Statistic, width: int | None = None) -> Interval:
        """The 95 % percentile interval of a statistic.

        Args:
            statistic: of weights (draws, rows).
            width: how many numbers it makes of a draw where that is more than a row each, so that memory stays small.

        Raises:
            RadloomError: a score that is undefined for all studies together or for every draw.
        """
        value = float(statistic(np.ones((1, self.rows)))[0])
        block = max(1, _BLOCK // (width or self.rows))
        parts = [statistic(self.weights(start, start + block)) for start in range(0, self.samples, block)]
        return Interval.of(value, np.concatenate(parts).astype(np.float64))


def mean(values: np.ndarray | Sequence[float]) -> Statistic:
    """The mean of the rows' values; a NaN among them is not counted."""
    values = np.asarray(values, np.float64)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    return lambda weights: divide(weights @ filled, weights @ known.astype(np.float64))


def divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)
