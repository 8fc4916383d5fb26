"""The codec's adversaries, with spectral norm and the hinge loss: one looks at pixels, one at features.

Both take a list of maps (b, c, h, w), of which the pixels are one, and give a logit map (b, 1, h', w') for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, arXiv 1611.07004): pixels (b, 1, R, R) -> a logit for each patch of 54 x 54."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        widths = (1, channels, 2 * channels, 4 * channels)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, 1, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [self.layers(pixels).float() for pixels in maps]


class ProjectedDiscriminator(nn.Module):
    """Judges feature maps of a frozen network, mixed by random projections that are never trained.

    Projected GAN (Sauer et al. 2021, arXiv 2111.01007): it needs far fewer images to learn what a texture lacks, and
    the random mixing keeps it from relying on a few channels.

    Args:
        widths: channels of the maps it is given.
        channels: width of its own layers.
    """

    def __init__(self, widths: Sequence[int], channels: int = 64) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(_Mixer(width, channels) for width in widths)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(channels, channels, 3, 1, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(channels, 1, 1)),
            )
            for _ in widths
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [head(mix(m)).float() for mix, head, m in zip(self.mixers, self.heads, maps, strict=True)]


class _Mixer(nn.Module):
    """A fixed random projection of channels."""

    weight: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(outputs, inputs, 1, 1) * (2 / inputs) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.to(x.dtype))


def hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The discriminator's loss, a mean over scales: real logits above 1, fake ones below -1."""
    each = [0.5 * (F.relu(1 - r).mean() + F.relu(1 + f).mean()) for r, f in zip(real, fake, strict=True)]
    return torch.stack(each).mean()


def mean_logit(maps: Sequence[Tensor]) -> Tensor:
    """Mean over scales of the mean logit; the generator raises that of its images."""
    return torch.stack([logits.mean() for logits in maps]).mean()
