"""Scores of the classifier: AUROC of each observation, calibration, and the view."""

from __future__ import annotations

import numpy as np

from radloom.evaluation.bench import SEED, Bench, another, known_labels
from radloom.evaluation.exhibits import dots, reliability
from radloom.evaluation.table import CONSTANT, NEIGHBOUR, RANDOM, SHUFFLED, Tally
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.baselines import nearest_neighbour
from radloom.scores.classification import score_auroc
from radloom.scores.names import score_name
from radloom.scores.statistics import Interval, Statistic, mean
from radloom.study import OBSERVATIONS, View

TASK = "classifier"


def score_classifier(bench: Bench) -> None:
    """AUROC over all images of the split and over its frontal ones; uncertain mentions are left out.

    Baselines predict as their probability the share of each observation in train (constant), or the labels of a random
    or of the nearest training image.
    """
    pairs = [(row, ref) for row in bench.split for ref in row.images]
    features = bench.vision.features(bench.split, [ref for _, ref in pairs])
    ours = bench.vision.chances(features)
    truth = np.stack([known_labels(row, ref.view) for row, ref in pairs])
    systems = {bench.name: ours[:, : len(OBSERVATIONS)]}
    order = another([row.patient for row, _ in pairs], [ref.view for _, ref in pairs])
    if order is not None:
        systems[SHUFFLED] = systems[bench.name][order]
    systems |= _baselines(bench, features)
    frontal = np.array([ref.view is View.FRONTAL for _, ref in pairs])
    shown: dict[str, dict[str, Interval]] = {name: {} for name in OBSERVATIONS}
    for which, mask in (("all views", np.ones(len(pairs), bool)), ("frontal", frontal)):
        if not mask.any():
            continue
        studies = [row.uid for (row, _), taken in zip(pairs, mask, strict=True) if taken]
        draw, tally = bench.bootstrap(studies), Tally(TASK, bench.name, studies)
        for system, found in systems.items():
            made_by = (which, "classifier", LABELLER)
            table = score_auroc(truth[mask], found[mask], OBSERVATIONS, *made_by, bootstrap=draw)
            tally.add(system, dict(table))
            if which == "all views":
                error = draw(calibration_error(found, truth))
                tally.add(system, {score_name("calibration_error", "14 observations", "classifier"): error})
                for name in OBSERVATIONS if system in (bench.name, NEIGHBOUR) else ():
                    if area := table[score_name("auroc", name, *made_by)]:
                        shown[name][system] = area
        tally.gaps()
        if which == "all views":
            right = (ours[:, -1] > 0.5) == ~frontal
            tally.add(bench.name, {score_name("accuracy", "view", "classifier"): draw(mean(right))})
        bench.scores += tally.scores
    known = ~np.isnan(truth)
    areas = "All views; the line is chance. Uncertain mentions left out."
    steps = "All observations together, in ten steps of predicted probability; the number of cases beside each."
    bench.exhibits += [
        dots(TASK, "AUROC of each observation", areas, shown, 0.5),
        reliability(TASK, "Reliability of the classifier", steps, systems[bench.name][known], truth[known]),
    ]


def _baselines(bench: Bench, features: np.ndarray) -> dict[str, np.ndarray]:
    stored = [(row, ref) for row in bench.train for ref in row.images]
    if not stored:
        return {}
    labels = np.stack([known_labels(row, ref.view) for row, ref in stored])
    known = ~np.isnan(labels)
    shares = np.nan_to_num(labels).sum(0) / np.maximum(known.sum(0), 1)
    labels = np.nan_to_num(labels)
    theirs = bench.vision.features(bench.train, [ref for _, ref in stored])
    picked = np.random.default_rng(SEED).integers(0, len(stored), len(features))
    near = nearest_neighbour(theirs, range(len(stored)), features)
    return {
        CONSTANT: np.repeat(shares[None], len(features), axis=0),
        RANDOM: labels[picked],
        NEIGHBOUR: labels[near],
    }


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
