"""Scores of the classifier: AUROC of each observation, calibration, and the view."""

from __future__ import annotations

import numpy as np

from radloom.evaluation.bench import Bench, known_labels
from radloom.evaluation.exhibits import dots, reliability
from radloom.evaluation.table import Tally
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.classification import score_auroc
from radloom.scores.names import score_name
from radloom.scores.statistics import Interval, Statistic, mean
from radloom.study import OBSERVATIONS, View

TASK = "classifier"


def score_classifier(bench: Bench) -> None:
    """AUROC over all images of the split and over its frontal ones; uncertain mentions are left out.

    A constant or random score has an AUROC of .5 by definition, so that no baseline stands beside.
    """
    pairs = [(row, ref) for row in bench.split for ref in row.images]
    chances = bench.vision.chances(bench.vision.features(bench.split, [ref for _, ref in pairs]))
    truth = np.stack([known_labels(row, ref.view) for row, ref in pairs])
    frontal = np.array([ref.view is View.FRONTAL for _, ref in pairs])
    found = chances[:, : len(OBSERVATIONS)]
    for which, mask in (("all views", np.ones(len(pairs), bool)), ("frontal", frontal)):
        if not mask.any():
            continue
        studies = [row.uid for (row, _), taken in zip(pairs, mask, strict=True) if taken]
        draw, tally = bench.bootstrap(studies), Tally(TASK, bench.name, studies)
        table = score_auroc(truth[mask], found[mask], OBSERVATIONS, which, "classifier", LABELLER, bootstrap=draw)
        tally.add(bench.name, dict(table))
        if which == "all views":
            right = (chances[:, -1] > 0.5) == ~frontal
            tally.add(bench.name, {score_name("accuracy", "view", "classifier"): draw(mean(right))})
            error = calibration_error(found, truth)
            tally.add(bench.name, {score_name("calibration_error", "14 observations", "classifier"): draw(error)})
            _show(
                bench, {name: table[score_name("auroc", name, which, "classifier", LABELLER)] for name in OBSERVATIONS}
            )
        bench.scores += tally.scores
    known = ~np.isnan(truth)
    bench.exhibits.append(
        reliability(
            TASK,
            "Reliability of the classifier",
            "All observations together, in ten steps of predicted probability; the number of cases beside each.",
            found[known],
            truth[known],
        )
    )


def calibration_error(chances: np.ndarray, truth: np.ndarray, steps: int = 10) -> Statistic:
    """Expected calibration error (Naeini et al. 2015) over all observations, in equal steps, as a statistic of rows.

    Args:
        chances: probabilities (n, k).
        truth: 0, 1 or NaN for not known, (n, k).
        steps: how many.
    """
    known = ~np.isnan(truth)
    place = np.clip((chances * steps).astype(int), 0, steps - 1)
    inside = [known & (place == step) for step in range(steps)]
    off = [np.where(mask, chances - np.nan_to_num(truth), 0.0).sum(1) for mask in inside]
    counts = known.sum(1).astype(np.float64)

    def error(weights: np.ndarray) -> np.ndarray:
        gaps = sum(np.abs(weights @ part) for part in off)
        return np.asarray(gaps / (weights @ counts))

    return error


def _show(bench: Bench, areas: dict[str, Interval | None]) -> None:
    rows = {name: {bench.name: area} for name, area in areas.items() if area}
    bench.exhibits.append(
        dots(
            TASK, "AUROC of each observation", "All views; the line is chance. Uncertain mentions left out.", rows, 0.5
        )
    )
