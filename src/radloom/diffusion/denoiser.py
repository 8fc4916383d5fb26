"""The denoisers: networks for X-rays and one for report latents.

As in MedCoDi-M (Molino et al. 2025, arXiv 2501.04614, sections 3.2 and 3.3): U-Nets of latent diffusion (Rombach et al.
2022, arXiv 2112.10752) for images, a network of its own for report latents, each conditioned on a prompt of the aligned
space. Frontal and lateral share a network that is told the view, or, as there, have one each.

Predictions are of v (Salimans and Ho 2022, arXiv 2202.00512). Shapes: image latents (b, c, h, w), report latents
(b, slots, dim), steps (b,) int64, prompts (b, width).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.errors import RecipeError
from radloom.study import Part


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the denoisers.

    Attributes:
        channels, grid: of image latents.
        slots, dim: of report latents.
        prompt: width of the aligned space.
        tokens: vectors that a prompt becomes for cross-attention.
        blocks: widths of the image U-Net at each resolution.
        attention: whether each of them has attention.
        layers: residual blocks at each.
        dropout: of the image U-Net.
        separate_views: whether frontal and lateral views have a U-Net each.
        heads: of all attention.
        report_width, report_layers: of the report network.
    """

    channels: int = 32
    grid: tuple[int, int] = (16, 16)
    slots: int = 8
    dim: int = 32
    prompt: int = 256
    tokens: int = 4
    blocks: tuple[int, ...] = (96, 192)
    attention: tuple[bool, ...] = (False, True)
    layers: int = 1
    dropout: float = 0.0
    separate_views: bool = False
    heads: int = 4
    report_width: int = 192
    report_layers: int = 4

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.blocks):
            raise RecipeError(
                f"network.attention has {len(self.attention)} entries for {len(self.blocks)} blocks; give each its own."
            )

    def build(self) -> Denoisers:
        return Denoisers(self)


class ImageDenoiser(nn.Module):
    """The U-Net of image latents, told the view."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.network = _unet(config)
        self.prompt = PromptTokens(config)

    def forward(self, latents: Tensor, step: Tensor, view: Tensor, prompt: Tensor, told: Tensor) -> Tensor:
        """v of noisy latents (b, c, h, w); see `Denoisers` for the rest."""
        context = self.prompt(prompt, told)
        v: Tensor = self.network(latents, step, context, class_labels=view, return_dict=False)[0]
        return v


class PromptTokens(nn.Module):
    """A prompt vector as tokens for cross-attention; a learned one where there is no prompt."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.null = nn.Parameter(torch.zeros(config.prompt))
        self.spread = nn.Linear(config.prompt, config.tokens * config.prompt)

    def forward(self, prompt: Tensor, told: Tensor) -> Tensor:
        """Vectors (b, width) of length 1 and whether each is there (b,) -> (b, tokens, width)."""
        width = prompt.shape[1]
        known = torch.where(told[:, None], prompt * width**0.5, self.null)
        return self.spread(known).view(len(prompt), self.tokens, width)


class ReportBlock(nn.Module):
    """A transformer block whose norms are set by step and prompt (Peebles and Xie 2022, arXiv 2212.09748)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width, self.heads = config.report_width, config.heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (b, slots, width), condition (b, width)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None].chunk(6, -1)
        y = self.norm1(x) * (1 + scale1) + shift1
        query, keys, values = self.qkv(y).chunk(3, -1)
        x = x + gate1 * self.out(attend(query, keys, values, self.heads))
        return x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)


class ReportDenoiser(nn.Module):
    """The transformer of report latents."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.report_width
        self.null = nn.Parameter(torch.zeros(config.prompt))
        self.time, self.prompt = StepEmbedding(width), nn.Linear(config.prompt, width)
        self.enter, self.leave = nn.Linear(config.dim, width), nn.Linear(width, config.dim)
        self.place = nn.Parameter(torch.randn(config.slots, width) * 0.02)
        self.blocks = nn.ModuleList(ReportBlock(config) for _ in range(config.report_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, latents: Tensor, step: Tensor, prompt: Tensor, told: Tensor) -> Tensor:
        """v of noisy latents (b, slots, dim); see `Denoisers` for the rest."""
        known = torch.where(told[:, None], prompt * prompt.shape[1] ** 0.5, self.null)
        condition = F.silu(self.time(step) + self.prompt(known))
        x = self.enter(latents) + self.place
        for block in self.blocks:
            x = block(x, condition)
        return self.leave(self.norm(x))


class Denoisers(nn.Module):
    """All denoisers, and the statistics that latents are scaled by.

    Attributes:
        image_mean, image_std: (channels, 1, 1) of image latents; report_mean, report_std: (slots, dim).
    """

    image_mean: Tensor
    image_std: Tensor
    report_mean: Tensor
    report_std: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.images, self.reports = ImageDenoiser(config), ReportDenoiser(config)
        self.laterals = ImageDenoiser(config) if config.separate_views else None
        for name, shape in (("image", (config.channels, 1, 1)), ("report", (config.slots, config.dim))):
            self.register_buffer(f"{name}_mean", torch.zeros(shape))
            self.register_buffer(f"{name}_std", torch.ones(shape))

    def forward(
        self,
        latents: Mapping[Part, Tensor],
        step: Mapping[Part, Tensor],
        prompt: Mapping[Part, Tensor],
        told: Mapping[Part, Tensor],
    ) -> dict[Part, Tensor]:
        """v of the noisy latents of one or more parts.

        Args:
            latents: of each part that is made.
            step: (b,) noise level of each.
            prompt: (b, width) vector that each is made from.
            told: (b,) whether there is one.
        """
        return {
            part: self.reports(noisy, step[part], prompt[part], told[part])
            if part is Part.REPORT
            else self.image_denoiser(part)(noisy, step[part], view_number(part, noisy), prompt[part], told[part])
            for part, noisy in latents.items()
        }

    @property
    def device(self) -> torch.device:
        return self.image_mean.device

    def image_denoiser(self, part: Part) -> ImageDenoiser:
        """The network of that view."""
        return self.laterals if self.laterals is not None and part is Part.LATERAL else self.images

    def scaled(self, part: Part, latents: Tensor) -> Tensor:
        """Latents with mean 0 and variance 1 a channel, as they are denoised."""
        name = "report" if part is Part.REPORT else "image"
        return (latents - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_std")

    def unscaled(self, part: Part, latents: Tensor) -> Tensor:
        """The inverse of `scaled`."""
        name = "report" if part is Part.REPORT else "image"
        return latents * getattr(self, f"{name}_std") + getattr(self, f"{name}_mean")

    def shape(self, part: Part) -> tuple[int, ...]:
        """Shape of one latent of that part."""
        config = self.config
        return (config.slots, config.dim) if part is Part.REPORT else (config.channels, *config.grid)


class StepEmbedding(nn.Module):
    """A step of the noise schedule as a vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.net = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, step: Tensor) -> Tensor:
        half = self.width // 2
        rates = torch.exp(-math.log(10000.0) * torch.arange(half, device=step.device) / half)
        angles = step[:, None] * rates
        return self.net(torch.cat([angles.cos(), angles.sin()], 1))


def view_number(part: Part, like: Tensor) -> Tensor:
    """The number of the view that a part is, for each of a batch."""
    return torch.full((len(like),), part.view.number, device=like.device)


def attend(query: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Multi-head attention: (b, n, width), (b, m, width) twice -> (b, n, width)."""
    split = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, keys, values)]
    return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


def _unet(config: DenoiserConfig) -> Any:
    from diffusers import UNet2DConditionModel  # seconds to import

    down = [f"{'CrossAttn' * attends}DownBlock2D" for attends in config.attention]
    up = [f"{'CrossAttn' * attends}UpBlock2D" for attends in reversed(config.attention)]
    return UNet2DConditionModel(
        sample_size=config.grid,
        in_channels=config.channels,
        out_channels=config.channels,
        block_out_channels=config.blocks,
        layers_per_block=config.layers,
        dropout=config.dropout,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        cross_attention_dim=config.prompt,
        attention_head_dim=config.heads,
        num_class_embeds=2,
        norm_num_groups=math.gcd(32, *config.blocks),
    )
