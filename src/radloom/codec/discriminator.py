"""PatchGAN discriminator (Isola et al. 2017, arXiv 1611.07004) with spectral norm and the hinge loss.

Pixels (b, 1, R, R) in [-1, 1] -> one logit for each patch (b, 1, R/8, R/8).
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Three strided convolutions and a logit for each patch of 54 x 54 pixels."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        widths = (1, channels, 2 * channels, 4 * channels)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, 1, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels).float()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss: real logits above 1, fake ones below -1."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
