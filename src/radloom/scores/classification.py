"""AUROC, precision, recall and F1 of the observations, with bootstrap intervals over patients.

Arrays are (n, k): n rows, k observations; a row is a study, or an image where the study of each is given. For AUROC a
label that is not known is NaN and left out of that observation's score; F1 takes no unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.names import score_name
from radloom.scores.statistics import Bootstrap, Interval, Statistic, divide


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
    area = float(weighted_area(labels, scores)(np.ones((1, len(labels))))[0])
    return None if np.isnan(area) else area


def score_auroc(
    labels: np.ndarray,
    scores: np.ndarray,
    observations: Sequence[str],
    *made_by: str,
    bootstrap: Bootstrap | None = None,
) -> dict[str, Interval | None]:
    """AUROC of each observation and their mean, with bootstrap intervals over patients.

    Args:
        labels: 0, 1 or NaN for not known, (n, k).
        scores: (n, k).
        observations: names, k of them.
        made_by: what gave scores and labels, for the names, e.g. `"radloom-classifier", "rule-labeller"`.
        bootstrap: over the patients of the rows; by default every row is one.

    Returns:
        `{"auroc[Edema, ...]": Interval, ..., "auroc_macro[13 observations, ...]": Interval, "auroc_micro[...]": ...}`.
        None stands where a score is undefined because the known labels are all of one class; the macro mean is over
        the others (and over the draws in which all of them are defined), the micro score over all pairs of a row and an
        observation whose label is known.

    Raises:
        RadloomError: shapes that do not fit, labels other than 0, 1 and NaN, or scores that are not finite.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    _check_same_shape(labels, scores)
    _check_columns(labels, observations)
    _check_binary(labels[~np.isnan(labels)])
    if not np.isfinite(scores).all():
        raise RadloomError("Scores hold NaN or infinity; mend the model that gave them.")
    bootstrap = bootstrap or Bootstrap(len(labels))
    n, k = labels.shape
    areas = {name: weighted_area(labels[:, i], scores[:, i]) for i, name in enumerate(observations)}
    defined = {name: area for name, area in areas.items() if not np.isnan(area(np.ones((1, n)))[0])}
    result = {
        score_name("auroc", name, *made_by): bootstrap(area) if name in defined else None
        for name, area in areas.items()
    }
    macro = score_name("auroc_macro", f"{len(defined)} observations", *made_by)
    result[macro] = _or_none(bootstrap, lambda w: np.mean([area(w) for area in defined.values()], axis=0), defined)
    pooled = weighted_area(labels.ravel(), scores.ravel(), repeated=k)
    micro = score_name("auroc_micro", f"{k} observations", *made_by)
    result[micro] = bootstrap(pooled, width=n * k) if defined else None
    return result


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
    bootstrap: Bootstrap | None = None,
    kind: str = "observations",
) -> dict[str, Interval]:
    """Precision, recall and F1 of each observation, micro and macro, with bootstrap intervals over patients.

    Args:
        truth, predicted: boolean, (n, k).
        observations: names, k of them.
        made_by: labeller and uncertainty rule, for the names, e.g. `"rule-labeller", "uncertain=negative"`.
        bootstrap: over the patients of the rows; by default every row is one.
        kind: what they are called together, for the names.

    Returns:
        `{"f1[Edema, rule-labeller, uncertain=negative]": Interval, ..., "f1_micro[14 observations, ...]": Interval,
        "f1_macro[14 observations, ...]": Interval}` and the same of `precision` and `recall`.

    Raises:
        RadloomError: shapes that do not fit, or values other than 0 and 1.
    """
    truth, predicted = _positives(truth), _positives(predicted)
    _check_same_shape(truth, predicted)
    _check_columns(truth, observations)
    bootstrap = bootstrap or Bootstrap(len(truth))
    hits, guessed, wanted = (a.astype(np.float64) for a in (truth & predicted, predicted, truth))
    every = f"{len(observations)} {kind}"
    parts: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
        "precision": lambda h, g, w: _ratios(h, g),
        "recall": lambda h, g, w: _ratios(h, w),
        "f1": lambda h, g, w: _ratios(2 * h, g + w),
    }

    def of(
        part: str, pool: Callable[[np.ndarray], np.ndarray], reduce: Callable[[np.ndarray], np.ndarray]
    ) -> Statistic:
        return lambda weights: reduce(parts[part](*(pool(weights @ sums) for sums in (hits, guessed, wanted))))

    def column(k: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda values: values[:, k]

    def same(values: np.ndarray) -> np.ndarray:
        return values

    def total(values: np.ndarray) -> np.ndarray:
        return np.asarray(values.sum(1))

    def average(values: np.ndarray) -> np.ndarray:
        return np.asarray(values.mean(1))

    statistics = {
        score_name(part, name, *made_by): of(part, column(k), same)
        for part in parts
        for k, name in enumerate(observations)
    }
    for part in parts:
        statistics[score_name(f"{part}_micro", every, *made_by)] = of(part, total, same)
        statistics[score_name(f"{part}_macro", every, *made_by)] = of(part, same, average)
    return {name: bootstrap(statistic) for name, statistic in statistics.items()}


def _or_none(bootstrap: Bootstrap, statistic: Statistic, defined: Mapping[str, Statistic]) -> Interval | None:
    """None too where no draw has cases of both classes of every observation."""
    try:
        return bootstrap(statistic) if defined else None
    except RadloomError:
        return None


def best_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """For each observation the threshold at which F1 is highest: predicted positive is `score >= threshold`.

    Args:
        labels: 0, 1 or NaN for not known, (n, k).
        scores: (n, k).

    Returns:
        (k,); infinity where no label is positive.
    """
    thresholds = np.full(labels.shape[1], np.inf)
    for k in range(labels.shape[1]):
        known = ~np.isnan(labels[:, k])
        order = np.argsort(-scores[known, k], kind="stable")
        truth, ranked = labels[known, k][order], scores[known, k][order]
        if truth.sum():
            harmonic = 2 * np.cumsum(truth) / (np.arange(1, len(truth) + 1) + truth.sum())
            last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores fall on the same side
            thresholds[k] = ranked[np.argmax(np.where(last, harmonic, -1))]
    return thresholds


def weighted_area(labels: np.ndarray, scores: np.ndarray, repeated: int = 1) -> Statistic:
    """AUROC of rows as weights (draws, n) count them; NaN labels are left out. A weight goes for `repeated` rows."""
    known = np.flatnonzero(~np.isnan(labels))
    order = known[np.argsort(scores[known], kind="stable")]
    positive = labels[order] == 1
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(order) else np.array([], np.int64)

    def area(weights: np.ndarray) -> np.ndarray:
        if not len(order):
            return np.full(len(weights), np.nan)
        w = weights[:, order // repeated]
        above = np.add.reduceat(w * positive, starts, axis=1)
        below = np.add.reduceat(w * ~positive, starts, axis=1)
        lower = np.cumsum(below, axis=1) - below / 2
        return divide((above * lower).sum(1), above.sum(1) * below.sum(1))

    return area


def _positives(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype != bool:
        _check_binary(labels)
    return labels.astype(bool, copy=False)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _ratios(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


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
