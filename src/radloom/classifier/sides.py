"""On which side a finding is: a reader of both halves of a frontal view's feature map.

Whether it is on the patient's left or right is antisymmetric, but for a constant, as no chest is: the same weights, of
one half less the other, speak for the left and against the right. Whether it is on both sides is a matter of their
mean. `side_fitting.py` fits a reader.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.classifier.network import PYRAMID
from radloom.study import SIDED, Side

BANDS = 3
"""Parts of a half's height: apex, middle and base."""

LEVEL = 3
"""Of the pyramid, the map that is read; at stride 16 it is still fine enough to tell a base from a middle."""

WIDTH = BANDS * PYRAMID[LEVEL]
"""Features of a half."""

_CERTAIN_OF_NONE = 2.0
"""A probability that nothing has."""


def halves(pyramid: list[Tensor]) -> Tensor:
    """Features (b, 2, WIDTH) of the patient's left half and right half of frontal X-rays.

    Args:
        pyramid: their feature maps, see `ClinicalClassifier.pyramid`.
    """
    pooled = F.adaptive_avg_pool2d(pyramid[LEVEL], (BANDS, 2))
    return torch.stack([pooled[..., 1].flatten(1), pooled[..., 0].flatten(1)], 1)  # the patient's left is at the right


class SideReader(nn.Module):
    """Features (..., 2, WIDTH) of halves -> log-odds (..., sided, 3) in the order of `SIDED` and of `Side`.

    Left and right are those of the image's findings together: observations differ only in how usual both sides are.

    Attributes:
        apart: of half the left less the right, how much speaks for the left.
        both: of their mean, how much speaks for both sides.
        usual: (sided,) how much more of each observation is on both sides.
        certain: probability from which on a report says a side.
    """

    certain: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.apart = nn.Linear(WIDTH, 1)
        self.both = nn.Linear(WIDTH, 1)
        self.usual = nn.Parameter(torch.zeros(len(SIDED)))
        self.register_buffer("certain", torch.tensor(_CERTAIN_OF_NONE))

    def forward(self, features: Tensor) -> Tensor:
        left, right = features.unbind(-2)
        towards = self.apart((left - right) / 2).expand(*left.shape[:-1], len(SIDED))
        both = self.both((left + right) / 2) + self.usual
        return torch.stack([towards, -towards, both], -1).float()

    def likeliest(self, values: np.ndarray) -> list[dict[str, Side]]:
        """The side of each observation, where there is a frontal view.

        Args:
            values: (n, sided, 3) log-odds of studies, NaN of those without.
        """
        return [
            {} if np.isnan(rows).any() else {o: list(Side)[i] for o, i in zip(SIDED, rows.argmax(1), strict=True)}
            for rows in values
        ]

    def told(self, values: np.ndarray) -> list[dict[str, Side]]:
        """The same of observations whose side is certain enough to be said in a report."""
        odds = torch.from_numpy(values).softmax(2)
        sure = (odds.max(2).values >= self.certain.cpu()).tolist()
        return [
            {o: side for (o, side), keep in zip(sides.items(), row, strict=False) if keep}
            for sides, row in zip(self.likeliest(values), sure, strict=True)
        ]
