"""AUROC, accuracy, precision, recall and F1 of the observations, with bootstrap intervals over studies.

Arrays are (n, k): n rows, k observations; a row is a study, or an image where the study of each is given. For AUROC a
label that is not known is NaN and left out of that observation's score; F1 takes no unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.names import score_name
from radloom.scores.statistics import Interval, Statistic, bootstrap, over_studies


def auroc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    Equal to scikit-learn's `roc_auc_score` (Hanley and McNeil 1982).

    Args:
        labels: 0 or 1, (n,).
        scores: higher is more positive, (n,).

    Returns:
        The area, or None where it is undefined: one class only, or a NaN among labels or scores.

    Raises:
        RadloomError: arrays of different shape, or labels other than 0 and 1.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    _check_same_shape(labels, scores)
    if np.isnan(labels).any() or np.isnan(scores).any():
        return None
    _check_binary(labels)
    area = _area(labels, np.unique(scores, return_inverse=True)[1])
    return None if np.isnan(area) else area


def score_auroc(
    labels: np.ndarray,
    scores: np.ndarray,
    observations: Sequence[str],
    *made_by: str,
    studies: Sequence[Hashable] | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """AUROC of each observation and their mean, with bootstrap intervals over studies.

    Args:
        labels: 0, 1 or NaN for not known, (n, k).
        scores: (n, k).
        observations: names, k of them.
        made_by: what gave scores and labels, for the names, e.g. `"radloom-classifier", "rule-labeller"`.
        studies: the study of each row, where a study has several; without, every row is one.
        samples, seed: of the bootstrap.

    Returns:
        `{"auroc[Edema, ...]": Interval, ..., "auroc_macro[13 observations, ...]": Interval}`. None stands where a
        score is undefined because the known labels are all of one class; the mean is over the others.

    Raises:
        RadloomError: shapes that do not fit, labels other than 0, 1 and NaN, or scores that are not finite.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    _check_same_shape(labels, scores)
    _check_columns(labels, observations)
    _check_binary(labels[~np.isnan(labels)])
    if not np.isfinite(scores).all():
        raise RadloomError("Scores hold NaN or infinity; mend the model that gave them.")
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in scores.T], axis=1)
    n = len(labels)

    def area(k: int) -> Statistic:
        known = ~np.isnan(labels[:, k])

        def of(index: np.ndarray) -> float:
            index = index[known[index]]
            return _area(labels[index, k], ranks[index, k])

        return of

    def interval(of: Statistic) -> Interval:
        return bootstrap(*over_studies(of, range(n) if studies is None else studies), samples, seed)

    areas = {name: area(k) for k, name in enumerate(observations)}
    defined = {name: of for name, of in areas.items() if not np.isnan(of(np.arange(n)))}
    result = {
        score_name("auroc", name, *made_by): interval(of) if name in defined else None for name, of in areas.items()
    }
    result[score_name("auroc_macro", f"{len(defined)} observations", *made_by)] = (
        interval(lambda index: float(np.mean([of(index) for of in defined.values()]))) if defined else None
    )
    return result


def accuracy(truth: np.ndarray | Sequence[object], predicted: np.ndarray | Sequence[object]) -> float:
    """Share of predictions that equal the truth.

    Raises:
        RadloomError: none, or sides of different length.
    """
    if len(truth) != len(predicted) or not len(truth):
        raise RadloomError(f"{len(predicted)} predictions for {len(truth)} truths; give one for each.")
    return sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth)


@dataclass(frozen=True)
class F1:
    """Precision, recall and their harmonic mean; 0 where the denominator is 0, as scikit-learn and CheXbert have it."""

    precision: float
    recall: float
    f1: float


def f1(truth: np.ndarray, predicted: np.ndarray) -> F1:
    """Precision, recall and F1 of the positives in two boolean arrays of one shape.

    Of (n, k) arrays this is the micro average: every study and observation counts alike.

    Raises:
        RadloomError: arrays of different shape, or values other than 0 and 1.
    """
    truth, predicted = _positives(truth), _positives(predicted)
    _check_same_shape(truth, predicted)
    hits = int(np.sum(truth & predicted))
    precision, recall = _ratio(hits, int(predicted.sum())), _ratio(hits, int(truth.sum()))
    return F1(precision, recall, _ratio(2 * hits, int(truth.sum() + predicted.sum())))


def f1_macro(truth: np.ndarray, predicted: np.ndarray) -> F1:
    """The plain mean over observations of precision, recall and F1; boolean (n, k)."""
    columns = [f1(t, p) for t, p in zip(np.asarray(truth).T, np.asarray(predicted).T, strict=True)]
    return F1(*(float(np.mean([getattr(c, part) for c in columns])) for part in ("precision", "recall", "f1")))


def score_f1(
    truth: np.ndarray,
    predicted: np.ndarray,
    observations: Sequence[str],
    *made_by: str,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Precision, recall and F1 of each observation, micro and macro, with bootstrap intervals over studies.

    Args:
        truth, predicted: boolean, (n, k).
        observations: names, k of them.
        made_by: labeller and uncertainty rule, for the names, e.g. `"rule-labeller", "uncertain=negative"`.
        samples, seed: of the bootstrap.

    Returns:
        `{"f1[Edema, rule-labeller, uncertain=negative]": Interval, ..., "f1_micro[14 observations, ...]": Interval,
        "f1_macro[14 observations, ...]": Interval}` and the same of `precision` and `recall`.

    Raises:
        RadloomError: shapes that do not fit, or values other than 0 and 1.
    """
    truth, predicted = _positives(truth), _positives(predicted)
    _check_same_shape(truth, predicted)
    _check_columns(truth, observations)
    parts = ("precision", "recall", "f1")
    every = f"{len(observations)} observations"

    def part_of(part: str, score: Callable[[np.ndarray, np.ndarray], F1], columns: int | slice) -> Statistic:
        return lambda index: float(getattr(score(truth[index, columns], predicted[index, columns]), part))

    statistics = {
        score_name(p, name, *made_by): part_of(p, f1, k) for p in parts for k, name in enumerate(observations)
    }
    for p in parts:
        statistics[score_name(f"{p}_micro", every, *made_by)] = part_of(p, f1, slice(None))
        statistics[score_name(f"{p}_macro", every, *made_by)] = part_of(p, f1_macro, slice(None))
    return {name: bootstrap(statistic, len(truth), samples, seed) for name, statistic in statistics.items()}


def _area(labels: np.ndarray, ranks: np.ndarray) -> float:
    """AUROC from labels (n,) and integer ranks (n,), equal where scores tie; NaN for one class."""
    positives, negatives = np.bincount(ranks, labels == 1), np.bincount(ranks, labels == 0)
    pairs = positives.sum() * negatives.sum()
    below = np.cumsum(negatives) - negatives / 2
    return float(positives @ below / pairs) if pairs else float("nan")


def _positives(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype != bool:
        _check_binary(labels)
    return labels.astype(bool, copy=False)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _check_same_shape(truth: np.ndarray, other: np.ndarray) -> None:
    if truth.shape != other.shape:
        raise RadloomError(f"Labels have shape {truth.shape}, predictions {other.shape}; give one for each.")


def _check_columns(labels: np.ndarray, observations: Sequence[str]) -> None:
    if labels.ndim != 2 or labels.shape[1] != len(observations):
        raise RadloomError(
            f"Labels have shape {labels.shape} for {len(observations)} observations; give (studies, observations)."
        )


def _check_binary(labels: np.ndarray) -> None:
    if not np.isin(labels, (0, 1)).all():
        raise RadloomError("Labels must be 0 or 1; decide first what uncertain and unknown ones count as.")
