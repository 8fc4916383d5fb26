"""The nearest of other rows by cosine, how near it is, and how distances to it compare with other distances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.statistics import Statistic, divide

_BLOCK = 1024  # queries compared at a time


class Nearest(NamedTuple):
    """For each query the nearest training row.

    Attributes:
        places: of that row, (m,); the first of equals.
        distances: 1 - cosine, (m,) in [0, 2]; 1 where a row is all zeros.
    """

    places: np.ndarray
    distances: np.ndarray


def nearest(train: np.ndarray, queries: np.ndarray) -> Nearest:
    """The training row with the highest cosine with each query.

    Args:
        train: (n, d).
        queries: (m, d).

    Raises:
        RadloomError: sizes that do not fit, no training row, or values that are not finite.
    """
    train, queries = _unit(train, "Training"), _unit(queries, "Query")
    if not len(train):
        raise RadloomError("There is no training row to be near to; give some.")
    if train.shape[1] != queries.shape[1]:
        raise RadloomError(
            f"Training features have {train.shape[1]} dimensions, queries {queries.shape[1]}; use one network for both."
        )
    places, cosines = [np.zeros(0, np.int64)], [np.zeros(0, train.dtype)]
    for start in range(0, len(queries), _BLOCK):
        likeness = queries[start : start + _BLOCK] @ train.T
        places.append(likeness.argmax(1))
        cosines.append(likeness.max(1))
    return Nearest(np.concatenate(places), (1 - np.concatenate(cosines)).clip(0, 2))


def share_within(distances: np.ndarray, reference: np.ndarray, percentile: float) -> Statistic:
    """Share of distances that are at most a percentile of other ones: a statistic of both, `distances` first.

    The percentile is the smallest reference value that at least so many per cent do not exceed (`inverted_cdf` of
    `np.percentile`), taken anew for every draw, so that an interval also holds how uncertain the percentile is.

    Args:
        distances: (m,).
        reference: (n,).
        percentile: between 0 and 100.
    """
    order = np.argsort(reference, kind="stable")
    ranked = reference[order]

    def share(weights: np.ndarray) -> np.ndarray:
        ours, theirs = weights[:, : len(distances)], weights[:, len(distances) :][:, order]
        reached = np.cumsum(theirs, axis=1)
        enough = reached >= reached[:, -1:] * percentile / 100
        limits = ranked[(enough & (reached > 0)).argmax(1)]
        shares = divide(np.sum(ours * (distances <= limits[:, None]), axis=1), ours.sum(1))
        return np.where(reached[:, -1] > 0, shares, np.nan)

    return share


def _unit(rows: np.ndarray, which: str) -> np.ndarray:
    """Rows of length one; rows of zeros stay."""
    if rows.ndim != 2:
        raise RadloomError(f"{which} features have shape {rows.shape}; give (rows, dimensions).")
    if not np.isfinite(rows).all():
        raise RadloomError(f"{which} features hold NaN or infinity; mend the network or the images that gave them.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
