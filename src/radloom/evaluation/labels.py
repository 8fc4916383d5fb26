"""Baselines in labels: what stating the same observations of everybody would score."""

from __future__ import annotations

import numpy as np

from radloom.scores.classification import f1


def constant_labels(labels: np.ndarray) -> np.ndarray:
    """The set of observations that has the highest micro F1 when it is stated for everybody: boolean (k,).

    Adding observations in the order of their frequency passes through it, for of two sets of one size the more
    frequent observations score higher.

    Args:
        labels: of training studies, boolean (n, k).
    """
    order = np.argsort(-labels.sum(0), kind="stable")
    best, chosen = -1.0, np.zeros(labels.shape[1], bool)
    for size in range(1, labels.shape[1] + 1):
        candidate = np.zeros(labels.shape[1], bool)
        candidate[order[:size]] = True
        score = f1(labels, np.repeat(candidate[None], len(labels), axis=0)).f1
        if score > best:
            best, chosen = score, candidate
    return chosen
