"""The denoisers: networks for X-rays, one for report latents, and what lets them see each other.

As in MedCoDi-M (Molino et al. 2025, arXiv 2501.04614, sections 3.2 and 3.3): U-Nets of latent diffusion (Rombach et al.
2022, arXiv 2112.10752) for images, a network of its own for report latents, each conditioned on a prompt of the aligned
space. For joint generation an environment encoder turns the noisy latent of each modality into one vector, and further
cross-attention reads the vectors of the *others*. Frontal and lateral share a network that is told the view, or, as
there, have one each.

Predictions are of v (Salimans and Ho 2022, arXiv 2202.00512). Shapes: image latents (b, c, h, w), report latents
(b, slots, dim), steps (b,) int64, prompts (b, width), environments (b, n, width).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.errors import RecipeError
from radloom.study import Part

if TYPE_CHECKING:
    from diffusers.models.attention_processor import Attention


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
        environment: whether the denoisers see each other; environment vectors are as wide as prompts.
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
    environment: bool = False

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.blocks):
            raise RecipeError(
                f"network.attention has {len(self.attention)} entries for {len(self.blocks)} blocks; give each its own."
            )

    def build(self) -> Denoisers:
        return Denoisers(self)


class EnvironmentAttention(nn.Module):
    """What a cross-attention of the U-Net does: reads the prompt, and here apart from it the environment.

    Both come as one context, the prompt's tokens first. The added part begins at 0, so that a network without it goes
    on as it was.
    """

    def __init__(self, width: int, config: DenoiserConfig) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.keys, self.values = (nn.Linear(config.prompt, width, bias=False) for _ in range(2))
        nn.init.zeros_(self.values.weight)

    def forward(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """The interface of diffusers' attention processors."""
        prompt, others = encoder_hidden_states[:, : self.tokens], encoder_hidden_states[:, self.tokens :]
        query = attn.to_q(hidden_states)
        read = attend(query, attn.to_k(prompt), attn.to_v(prompt), attn.heads)
        if others.shape[1]:
            read = read + self.read(query, others, attn.heads)
        return attn.to_out[1](attn.to_out[0](read))

    def read(self, query: Tensor, others: Tensor, heads: int) -> Tensor:
        """What queries (b, n, width) find in the environment vectors of others (b, m, prompt)."""
        return attend(query, self.keys(others), self.values(others), heads)


class ImageDenoiser(nn.Module):
    """The U-Net of image latents, told the view."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.network = _unet(config)
        self.prompt = PromptTokens(config)
        if config.environment:
            own = self.network.attn_processors
            width = {name: self._width(name) for name in own if ".attn2." in name}
            seeing = {name: EnvironmentAttention(w, config) for name, w in width.items()}
            self.network.set_attn_processor({**own, **seeing})

    def _width(self, name: str) -> int:
        attention: Any = self.network.get_submodule(name.removesuffix(".processor"))
        return int(attention.to_q.out_features)

    def forward(
        self, latents: Tensor, step: Tensor, view: Tensor, prompt: Tensor, told: Tensor, environment: Tensor | None
    ) -> Tensor:
        """v of noisy latents (b, c, h, w); see `Denoisers` for the rest."""
        context = self.prompt(prompt, told)
        if environment is not None:
            context = torch.cat([context, environment], 1)
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
        self.query = nn.Linear(width, width) if config.environment else None
        self.environment = EnvironmentAttention(width, config) if config.environment else None

    def forward(self, x: Tensor, condition: Tensor, environment: Tensor | None) -> Tensor:
        """x (b, slots, width), condition (b, width)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None].chunk(6, -1)
        y = self.norm1(x) * (1 + scale1) + shift1
        query, keys, values = self.qkv(y).chunk(3, -1)
        x = x + gate1 * self.out(attend(query, keys, values, self.heads))
        if self.query and self.environment and environment is not None:
            x = x + self.environment.read(self.query(x), environment, self.heads)
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

    def forward(
        self, latents: Tensor, step: Tensor, prompt: Tensor, told: Tensor, environment: Tensor | None
    ) -> Tensor:
        """v of noisy latents (b, slots, dim); see `Denoisers` for the rest."""
        known = torch.where(told[:, None], prompt * prompt.shape[1] ** 0.5, self.null)
        condition = F.silu(self.time(step) + self.prompt(known))
        x = self.enter(latents) + self.place
        for block in self.blocks:
            x = block(x, condition, environment)
        return self.leave(self.norm(x))


class ImageEnvironment(nn.Module):
    """A noisy image latent of some view and step -> one vector."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.prompt
        self.time, self.view = StepEmbedding(width), nn.Embedding(2, width)
        self.enter = nn.Conv2d(config.channels, width, 3, stride=2, padding=1)
        self.mix = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.leave = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, latents: Tensor, step: Tensor, view: Tensor) -> Tensor:
        told = (self.time(step) + self.view(view))[..., None, None]
        x = F.silu(self.mix(F.silu(self.enter(latents) + told)))
        return F.normalize(self.leave(x.mean((2, 3))), dim=1)


class ReportEnvironment(nn.Module):
    """A noisy report latent of some step -> one vector."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.prompt
        self.time = StepEmbedding(width)
        self.enter = nn.Linear(config.slots * config.dim, width)
        self.leave = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, latents: Tensor, step: Tensor) -> Tensor:
        return F.normalize(self.leave(F.silu(self.enter(latents.flatten(1)) + self.time(step))), dim=1)


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
        if config.environment:
            self.image_environment, self.report_environment = ImageEnvironment(config), ReportEnvironment(config)
            self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(
        self,
        latents: Mapping[Part, Tensor],
        step: Mapping[Part, Tensor],
        prompt: Mapping[Part, Tensor],
        told: Mapping[Part, Tensor],
        there: Mapping[Part, Tensor] | None = None,
    ) -> tuple[dict[Part, Tensor], dict[Part, Tensor]]:
        """v of the noisy latents of one or more parts, each seeing the environment of the others.

        Args:
            latents: of each part that is made.
            step: (b,) noise level of each.
            prompt: (b, width) vector that each is made from.
            told: (b,) whether there is one.
            there: (b,) whether the study has that part, in training; what is not there is seen by none.

        Returns:
            v of each part, and its environment vector (b, width) where the denoisers see each other.
        """
        environments = {part: self._environment(part, latents[part], step[part]) for part in latents}
        made = {}
        for part, noisy in latents.items():
            others = [
                e * (there[other][:, None] if there else 1)
                for other, e in environments.items()
                if other is not part and e is not None
            ]
            seen = torch.stack(others, 1) if others else None
            rest = (step[part], prompt[part], told[part], seen)
            made[part] = (
                self.reports(noisy, *rest)
                if part is Part.REPORT
                else self.image_denoiser(part)(noisy, rest[0], view_number(part, noisy), *rest[1:])
            )
        return made, {part: e for part, e in environments.items() if e is not None}

    @property
    def device(self) -> torch.device:
        return self.image_mean.device

    def image_denoiser(self, part: Part) -> ImageDenoiser:
        """The network of that view."""
        return self.laterals if self.laterals is not None and part is Part.LATERAL else self.images

    def _environment(self, part: Part, noisy: Tensor, step: Tensor) -> Tensor | None:
        if not self.config.environment:
            return None
        if part is Part.REPORT:
            return self.report_environment(noisy, step)
        return self.image_environment(noisy, step, view_number(part, noisy))

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

    def environment_parameters(self) -> list[nn.Parameter]:
        """What joint training adds to denoisers that were trained apart: environment encoders and what reads them."""
        own = (EnvironmentAttention, ImageEnvironment, ReportEnvironment)
        queries: list[nn.Module] = [m.query for m in self.modules() if isinstance(m, ReportBlock) and m.query]
        added: list[nn.Module] = [m for m in self.modules() if isinstance(m, own)] + queries
        scale = [self.logit_scale] if self.config.environment else []
        return [p for module in added for p in module.parameters()] + scale


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
