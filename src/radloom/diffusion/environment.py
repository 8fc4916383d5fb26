"""Environments: what parts of a study that are made together tell each other.

As in MedCoDi-M (Molino et al. 2025, arXiv 2501.04614, section 3.3) an encoder turns the noisy latent of each part into
one vector, which the denoisers of the *others* read. There the vectors have a space of their own, which attention added
to the frozen denoisers learns to read. Here they are in the aligned space of prompts, which denoisers read already: an
environment is what the encoder can tell of its part's prompt vector, and is mixed into the prompts of the others.
Trained on squared error, it is near the mean of all vectors where nothing can be told; the further from there, the more
it counts.

Shapes: image latents (b, c, h, w), report latents (b, slots, dim), steps (b,) int64, environments (b, width).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.diffusion.denoiser import DenoiserConfig, StepEmbedding, view_number
from radloom.errors import RecipeError
from radloom.study import Part, View

CELLS = 4
"""Rows and columns that an image latent has where it becomes a vector."""


@dataclass(frozen=True)
class EnvironmentConfig:
    """Sizes of the encoders; all others are those of the denoisers.

    Attributes:
        width: of the convolutions, half of it at the first.
        report_width: of the layers that read report latents.
    """

    width: int = 256
    report_width: int = 512

    def __post_init__(self) -> None:
        if self.width % 32 or self.report_width % 2:
            raise RecipeError(
                f"network.width is {self.width}, report_width {self.report_width}; the first has to be a multiple of "
                "32, the other of 2."
            )

    def build(self, denoisers: DenoiserConfig) -> Environments:
        return Environments(self, denoisers)


class ImageEnvironment(nn.Module):
    """A noisy image latent of some view and step -> one vector."""

    def __init__(self, config: EnvironmentConfig, denoisers: DenoiserConfig) -> None:
        super().__init__()
        width, first = config.width, config.width // 2
        self.time, self.view = StepEmbedding(first), nn.Embedding(len(View), first)
        self.enter = nn.Conv2d(denoisers.channels, first, 3, stride=2, padding=1)
        self.mix = nn.Conv2d(first, first, 3, padding=1)
        self.narrow = nn.Conv2d(first, width, 3, stride=2, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(8, channels) for channels in (first, width))
        self.leave = nn.Linear(CELLS**2 * width, denoisers.prompt)

    def forward(self, latents: Tensor, step: Tensor, view: Tensor) -> Tensor:
        told = (self.time(step) + self.view(view))[..., None, None]
        x = F.silu(self.enter(latents) + told)
        x = x + F.silu(self.norms[0](self.mix(x)) + told)
        x = F.silu(self.norms[1](self.narrow(x)))
        return self.leave(F.adaptive_avg_pool2d(x, CELLS).flatten(1))


class ReportEnvironment(nn.Module):
    """A noisy report latent of some step -> one vector."""

    def __init__(self, config: EnvironmentConfig, denoisers: DenoiserConfig) -> None:
        super().__init__()
        width = config.report_width
        self.time = StepEmbedding(width)
        self.enter, self.mix = nn.Linear(denoisers.slots * denoisers.dim, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, denoisers.prompt)

    def forward(self, latents: Tensor, step: Tensor) -> Tensor:
        x = F.silu(self.enter(latents.flatten(1)) + self.time(step))
        return self.leave(x + F.silu(self.mix(x)))


class Environments(nn.Module):
    """The encoders of all parts.

    Attributes:
        means: (parts, width) mean prompt vector of each part in training, in the order of `Part`.
    """

    means: Tensor

    def __init__(self, config: EnvironmentConfig, denoisers: DenoiserConfig) -> None:
        super().__init__()
        self.images, self.reports = ImageEnvironment(config, denoisers), ReportEnvironment(config, denoisers)
        self.register_buffer("means", torch.zeros(len(Part), denoisers.prompt))

    def forward(self, latents: Mapping[Part, Tensor], step: Mapping[Part, Tensor]) -> dict[Part, Tensor]:
        """The environment (b, width) of each part.

        Args:
            latents: noisy, scaled as they are denoised.
            step: (b,) noise level of each.
        """
        return {
            part: self.reports(noisy, step[part])
            if part is Part.REPORT
            else self.images(noisy, step[part], view_number(part, noisy))
            for part, noisy in latents.items()
        }

    def weighted(self, latents: Mapping[Part, Tensor], step: Mapping[Part, Tensor]) -> dict[Part, Tensor]:
        """The environments, each as long as it is told from the mean of all: from 0, for noise, to about 1."""
        found = {}
        for part, vector in self.forward(latents, step).items():
            mean = self.means[list(Part).index(part)]
            most = (1 - mean.square().sum()).clamp(min=1e-6).sqrt()  # root mean square of what vectors are from there
            certainty = ((vector - mean).norm(dim=1, keepdim=True) / most).clamp(max=1)
            found[part] = certainty * F.normalize(vector, dim=1)
        return found


def with_others(
    prompts: Tensor, told: Tensor, environments: Mapping[Part, Tensor]
) -> tuple[dict[Part, Tensor], dict[Part, Tensor]]:
    """What each part is made from where several are made together.

    Args:
        prompts: (b, width) vectors of length 1 of what is given.
        told: (b,) whether anything is.
        environments: `Environments.weighted` of two parts or more.

    Returns:
        Of each part its prompt (b, width): what is given, mixed with the environments of the others; and (b,) how much
        it counts: 1 where something is given, else as much as the others are certain.
    """
    made, counts = {}, {}
    for part in environments:
        others = torch.stack([e for other, e in environments.items() if other is not part]).sum(0)
        counts[part] = torch.where(told, 1, others.norm(dim=1).clamp(max=1))
        made[part] = F.normalize(prompts * told[:, None] + others, dim=1)
    return made, counts
