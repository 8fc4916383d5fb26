"""Evidence: what the clinical network sees in an X-ray, as ordered levels that a language model reads and writes.

A channel is one number an image: the logit of each of the 14 observations, and for those that have a side, by how much
the left half of the chest speaks for it more than the right, from the class activation map (Zhou et al. 2016, arXiv
1512.04150). A scale cuts every channel into levels. So does PromptMRG (Jin et al. 2024, arXiv 2308.12604) hand what a
classifier finds to a language model as tokens; here they are ordered levels instead of verdicts, and drawings begin
with them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radloom.classifier.model import ClinicalClassifier
from radloom.study import OBSERVATIONS, slug

SIDE_CHANNELS = ("Lung Opacity", "Atelectasis", "Pneumothorax", "Pleural Effusion")
"""Observations whose side is a channel of its own."""

CHANNELS: tuple[str, ...] = (*map(slug, OBSERVATIONS), *(f"{slug(o)}-side" for o in SIDE_CHANNELS))
"""Names of the channels in order."""

LEVELS = 8
"""Levels of a channel."""

NEVER = 100.0
"""Log-odds that no image has."""

_HALVING = [1 - 0.5**k for k in range(1, LEVELS)]  # of images: the top half, quarter, ..., the rare ones told apart
_BOTH_ENDS = [0.02, 0.08, 0.2, 0.5, 0.8, 0.92, 0.98]  # right, ..., neither, ..., left


@torch.no_grad()
def evidence(classifier: ClinicalClassifier, pixels: Tensor) -> Tensor:
    """Evidence in images.

    Args:
        classifier: in eval mode.
        pixels: (b, 1, R, R) in [-1, 1].

    Returns:
        (b, channels) float32 in `CHANNELS`' order, log-odds: 0 is even chances, or no side; a positive side is the
        patient's left.
    """
    return evidence_in(classifier, classifier.pyramid(pixels)[-1])


@torch.no_grad()
def evidence_in(classifier: ClinicalClassifier, maps: Tensor) -> Tensor:
    """The same in the last feature maps (b, c, h, w) of images."""
    logits = classifier.head(maps.mean((2, 3)))[:, : len(OBSERVATIONS)]
    rows = classifier.head.weight[[OBSERVATIONS.index(o) for o in SIDE_CHANNELS]]
    active = torch.einsum("bchw,oc->bohw", maps, rows)
    half = max(1, active.shape[-1] // 2)
    # the patient's left is on the image's right
    sides = active[..., -half:].mean((2, 3)) - active[..., :half].mean((2, 3))
    return torch.cat([logits, sides], 1).float()


@dataclass(frozen=True)
class EvidenceScale:
    """Where each channel is cut into levels.

    Attributes:
        cuts: for each channel, `LEVELS - 1` rising values.
        spread: for each channel, its standard deviation over training images.
    """

    cuts: tuple[tuple[float, ...], ...]
    spread: tuple[float, ...]

    @classmethod
    def fit(cls, values: np.ndarray) -> EvidenceScale:
        """The scale of training images' values (n, channels).

        Logits are cut where the top half, quarter, eighth, ... of the images begin, so that rare findings are told
        apart; sides at both ends of their distribution.
        """
        quantiles = [_BOTH_ENDS if name.endswith("-side") else _HALVING for name in CHANNELS]
        cuts = [np.quantile(values[:, i], q) for i, q in enumerate(quantiles)]
        return cls(
            tuple(tuple(round(float(v), 4) for v in c) for c in cuts),
            tuple(round(float(s), 4) for s in values.std(0)),
        )

    def levels(self, values: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
        """Levels (..., channels) from 0 of values (..., channels), after `noise` in units of the spread is added."""
        shaken = values + noise * np.asarray(self.spread)
        return (shaken[..., None] > np.asarray(self.cuts)).sum(-1)
