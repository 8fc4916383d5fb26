"""Distances between the features of drawn images and those of real ones, as sets.

Features are (n, d) of one network, a row an image. Every number depends on the network, on how many rows there are and
on how the images were prepared: only distances of one network and the same number of rows can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.statistics import Interval, divide, mean


@dataclass(frozen=True)
class PRDC:
    """How far drawn images lie among real ones, and the reverse.

    Attributes:
        precision: share of drawn images inside a ball of a real one.
        recall: share of real images inside a ball of a drawn one.
        density: in how many balls of real images a drawn one lies, on average, over k; may exceed 1.
        coverage: share of real images with a drawn one inside their ball.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Frechet distance of two Gaussians with the sets' means and covariances: 0 or more.

    Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium":
    ||m1 - m2||^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), S unbiased. Few rows push it up (Chong and Forsyth 2020).

    Args:
        x, y: (n, d) and (m, d).

    Raises:
        RadloomError: another shape, fewer than two rows, or features that are not finite.
    """
    return _plain(SetScores(x, y).frechet, len(x), len(y))


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Squared maximum mean discrepancy under the kernel (x.y / d + 1)^3: below 0 at times for sets of one source.

    Binkowski et al. 2018, "Demystifying MMD GANs": the unbiased estimate from all pairs of rows, not the mean over
    random subsets that many tools print.

    Args:
        x, y: (n, d) and (m, d).

    Raises:
        RadloomError: another shape, fewer than two rows, or features that are not finite.
    """
    return _plain(SetScores(x, y).kernel, len(x), len(y))


def prdc(real: np.ndarray, fake: np.ndarray, k: int = 5) -> PRDC:
    """Precision, recall, density and coverage. A row's ball reaches to its k-th nearest other row of its own set.

    Kynkaanniemi et al. 2019, "Improved precision and recall metric for assessing generative models"; Naeem et al. 2020,
    "Reliable fidelity and diversity metrics for generative models".

    Args:
        real, fake: (n, d) and (m, d), n and m more than k.

    Raises:
        RadloomError: another shape, too few rows, features that are not finite, or k below 1.
    """
    scores = SetScores(real, fake, k)
    shares = (scores.precision, scores.recall, scores.density, scores.coverage)
    return PRDC(*(_plain(share, len(real), len(fake)) for share in shares))


def recentred(value: float, draws: np.ndarray) -> Interval:
    """The percentile interval of a distance between sets, its draws moved by `value` less their mean.

    A draw with replacement holds some rows twice and misses a third of them, so it looks narrower than its set, and
    draws of two sets lie further apart than the sets do. The mean of the draws less the value estimates that bias
    (Efron and Tibshirani 1993, chapter 10); unmoved draws may not even cover the value. The value itself stays. With
    few rows for many dimensions the draws also spread more than new sets would: the interval is then too wide.

    Args:
        value: the distance of all rows.
        draws: (draws,), NaN where the distance is undefined.

    Returns:
        Interval: `low` not below 0, or not below `value` where that is negative; `draws` are the moved ones, uncut, so
        that `difference` can subtract them.

    Raises:
        RadloomError: a distance that is undefined for all rows or for every draw.
    """
    if np.isnan(draws).all():
        raise RadloomError("The distance is undefined for every draw; give it more studies.")
    interval = Interval.of(value, draws + (value - np.nanmean(draws)))
    return Interval(interval.value, max(interval.low, min(0.0, value)), interval.high, interval.draws)


class SetScores:
    """Scores of a set of drawn images against a set of real ones under many weights of their rows.

    Each score is a statistic (see `scores.statistics`): it takes how often each row counts, (draws, rows), and gives
    (draws,), NaN for a draw that counts too few rows. `weights` weigh the real rows, and the drawn ones too where row i
    was drawn from the report of real row i. Where the rows are not such pairs, give `fake_weights` as well; a single
    draw of one set goes with every draw of the other. What the draws share is computed once.

    >>> Bootstrap(len(real))(SetScores(real, fake).recall)

    Args:
        real, fake: features, (n, d) and (m, d).
        k: the neighbour that balls reach to.

    Raises:
        RadloomError: another shape, fewer than two rows, or features that are not finite; of a score, weights that do
            not fit the rows; of `precision`, `recall`, `density` and `coverage`, what `prdc` raises.
    """

    def __init__(self, real: np.ndarray, fake: np.ndarray, k: int = 5) -> None:
        self.real, self.fake, self.k = _checked(real), _checked(fake), k
        if self.real.shape[1] != self.fake.shape[1]:
            raise RadloomError(
                f"Features of {self.real.shape[1]} and {self.fake.shape[1]} dimensions cannot be compared; "
                "use one network for both sets."
            )

    def frechet(self, weights: np.ndarray, fake_weights: np.ndarray | None = None) -> np.ndarray:
        """`frechet_distance` of the rows, each as often as it counts. The slow one: a decomposition a draw."""
        pairs = zip(*self._weights(weights, fake_weights), strict=True)
        return np.array([_frechet(_gaussian(self.real, w), _gaussian(self.fake, v)) for w, v in pairs])

    def kernel(self, weights: np.ndarray, fake_weights: np.ndarray | None = None) -> np.ndarray:
        """`kernel_distance` of the rows, each as often as it counts."""
        weights, fake_weights = self._weights(weights, fake_weights)
        real, cross, fake = self._kernels
        between = divide(_form(weights, cross, fake_weights), weights.sum(1) * fake_weights.sum(1))
        return _within(real, weights) + _within(fake, fake_weights) - 2 * between

    def precision(self, weights: np.ndarray, fake_weights: np.ndarray | None = None) -> np.ndarray:
        """`PRDC.precision` over the drawn rows as often as they count.

        Here and in `recall`, `density` and `coverage` the balls are those of all rows, each once: a row drawn k + 1
        times would have a ball of radius 0. Their intervals leave out how the balls would change, so they are narrow.
        """
        return mean(self._shares.precision)(self._weights(weights, fake_weights)[1])

    def recall(self, weights: np.ndarray, fake_weights: np.ndarray | None = None) -> np.ndarray:
        """`PRDC.recall` over the real rows as often as they count."""
        return mean(self._shares.recall)(self._weights(weights, fake_weights)[0])

    def density(self, weights: np.ndarray, fake_weights: np.ndarray | None = None) -> np.ndarray:
        """`PRDC.density` over the drawn rows as often as they count."""
        return mean(self._shares.density)(self._weights(weights, fake_weights)[1])

    def coverage(self, weights: np.ndarray, fake_weights: np.ndarray | None = None) -> np.ndarray:
        """`PRDC.coverage` over the real rows as often as they count."""
        return mean(self._shares.coverage)(self._weights(weights, fake_weights)[0])

    @cached_property
    def _kernels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, n), (n, m), (m, m)."""
        pairs = ((self.real, self.real), (self.real, self.fake), (self.fake, self.fake))
        real, cross, fake = ((x @ y.T / x.shape[1] + 1) ** 3 for x, y in pairs)
        return real, cross, fake

    @cached_property
    def _shares(self) -> _Shares:
        if self.k < 1:
            raise RadloomError(f"Balls cannot reach to neighbour {self.k}; take 1 or more.")
        if min(len(self.real), len(self.fake)) <= self.k:
            raise RadloomError(
                f"Balls to the {self.k}th neighbour need {self.k + 1} rows in each set, got {len(self.real)} real and "
                f"{len(self.fake)} drawn; score more images or lower k."
            )
        centre = self.real.mean(0)
        real, fake = self.real - centre, self.fake - centre  # what is left is rounded less
        distances = _distances(real, fake)
        in_real = distances < _radii(real, self.k)[:, None]
        in_fake = distances < _radii(fake, self.k)
        return _Shares(
            precision=np.any(in_real, axis=0),
            recall=np.any(in_fake, axis=1),
            density=np.sum(in_real, axis=0) / self.k,
            coverage=np.any(in_real, axis=1),
        )

    def _weights(self, weights: np.ndarray, fake_weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Checked, with as many draws of the drawn rows as of the real ones."""
        if fake_weights is None:
            if len(self.real) != len(self.fake):
                raise RadloomError(
                    f"{len(self.real)} real and {len(self.fake)} drawn rows are not pairs; give weights for both."
                )
            fake_weights = weights
        for these, rows, which in ((weights, self.real, "real"), (fake_weights, self.fake, "drawn")):
            if these.ndim != 2 or these.shape[1] != len(rows):
                raise RadloomError(
                    f"Weights have shape {these.shape} for {len(rows)} {which} rows; give (draws, {len(rows)})."
                )
            if not (these >= 0).all():
                raise RadloomError(f"Some weights of {which} rows are negative or NaN; give how often each row counts.")
        if len(weights) != len(fake_weights) and 1 not in (len(weights), len(fake_weights)):
            raise RadloomError(
                f"{len(weights)} draws of real and {len(fake_weights)} of drawn rows do not go together; "
                "give one of each or as many."
            )
        draws = max(len(weights), len(fake_weights))
        return np.broadcast_to(weights, (draws, len(self.real))), np.broadcast_to(fake_weights, (draws, len(self.fake)))


@dataclass(frozen=True)
class _Shares:
    """What each row adds to `PRDC`: precision and density (m,), recall and coverage (n,)."""

    precision: np.ndarray
    recall: np.ndarray
    density: np.ndarray
    coverage: np.ndarray


def _gaussian(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and a factor F (at most d, d) of the unbiased covariance F^T F; NaN for fewer than two rows."""
    total = weights.sum()
    if total <= 1:
        return np.full(rows.shape[1], np.nan), np.zeros((1, rows.shape[1]))
    rows, weights = rows[weights > 0], weights[weights > 0]
    centre = weights @ rows / total
    factor = np.sqrt(weights / (total - 1))[:, None] * (rows - centre)
    return centre, np.asarray(np.linalg.qr(factor, mode="r")) if len(factor) > len(centre) else factor


def _frechet(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> float:
    """For covariances A^T A and B^T B the eigenvalues of their product are the squared singular values of A B^T.

    So tr((S1 S2)^(1/2)) is the sum of those singular values: exact with fewer rows than dimensions too, where the root
    of a singular matrix is not.
    """
    (mean_x, a), (mean_y, b) = x, y
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    distance = np.sum((mean_x - mean_y) ** 2) + np.sum(a * a) + np.sum(b * b) - 2 * root
    return float(np.maximum(distance, 0.0))  # rounding; keeps NaN


def _form(weights: np.ndarray, matrix: np.ndarray, other: np.ndarray) -> np.ndarray:
    """w^T K v of each draw."""
    return np.sum(weights @ matrix * other, axis=1)


def _within(kernel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean kernel between two different rows; a row that counts twice is no pair with itself, which would add bias."""
    squares = weights * weights
    return divide(_form(weights, kernel, weights) - squares @ np.diagonal(kernel), weights.sum(1) ** 2 - squares.sum(1))


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1) - 2 * x @ y.T
    return np.sqrt(np.maximum(squares, 0))


def _radii(rows: np.ndarray, k: int) -> np.ndarray:
    """Distance of each row to its k-th nearest other row: (n,)."""
    distances = _distances(rows, rows)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def _plain(score: Callable[[np.ndarray, np.ndarray], np.ndarray], n: int, m: int) -> float:
    """Each row once."""
    return float(score(np.ones((1, n)), np.ones((1, m)))[0])


def _checked(features: np.ndarray) -> np.ndarray:
    """As float64."""
    if features.ndim != 2 or not features.shape[1]:
        raise RadloomError(f"Features have shape {features.shape}; give (rows, dimensions).")
    if len(features) < 2:
        raise RadloomError(f"A set of {len(features)} rows has no spread; give the features of two images or more.")
    if not np.isfinite(features).all():
        raise RadloomError("Features hold NaN or infinity; mend the network or the images that gave them.")
    return features.astype(np.float64)
