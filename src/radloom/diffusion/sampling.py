"""The noise schedule and the samplers, as free functions over a callable that predicts v.

Cosine schedule (Nichol and Dhariwal 2021, arXiv 2102.09672); DDIM (Song et al. 2020, arXiv 2010.02502) and DPM-Solver++
(Lu et al. 2022, arXiv 2211.01095), the latter as the scheduler of diffusers. Several latents are denoised side by side,
each step's prediction seeing all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from radloom.errors import RadloomError, did_you_mean
from radloom.study import Part

Sampler = Literal["dpm++", "ddim"]
SAMPLERS: tuple[str, ...] = ("dpm++", "ddim")

STEPS = 1000
"""Noise levels in training."""

Predict = Callable[[Mapping[Part, Tensor], int], Mapping[Part, Tensor]]
"""Noisy latents and the noise level -> v of each."""

_SETTINGS: dict[str, Any] = {
    "num_train_timesteps": STEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
}


def schedule() -> Any:
    """The noise schedule of training, a `DDPMScheduler` of diffusers: `add_noise`, `get_velocity`, `alphas_cumprod`."""
    from diffusers import DDPMScheduler  # seconds to import

    return DDPMScheduler(**_SETTINGS)


def start(shapes: Mapping[Part, Sequence[int]], seeds: Sequence[int]) -> dict[Part, Tensor]:
    """Noise for each part and seed: (b, *shape). A part's noise depends on its seed alone, not on the batch."""
    order = list(Part)
    return {
        part: torch.stack(
            [
                torch.randn(
                    tuple(shape), generator=torch.Generator().manual_seed(seed * len(order) + order.index(part))
                )
                for seed in seeds
            ]
        )
        for part, shape in shapes.items()
    }


def denoise(
    predict: Predict,
    noise: Mapping[Part, Tensor],
    *,
    sampler: Sampler | str = "dpm++",
    steps: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Part, Tensor]:
    """Latents of noise.

    Args:
        predict: noisy latents and a noise level from 0 to `STEPS` - 1 -> v of each.
        noise: one or more latents of variance 1, as `start` makes them.
        sampler: `"dpm++"` or `"ddim"`; both draw no further noise.
        steps: calls of `predict`.
        progress: told of steps done and in all.

    Raises:
        RadloomError: see `check_settings`.
    """
    check_settings(sampler, steps)
    levels = noise_levels(steps)
    moves = {part: _ddim(levels) if sampler == "ddim" else _dpm(levels) for part in noise}
    latents = dict(noise)
    for done, level in enumerate(levels, 1):
        made = predict(latents, level)
        latents = {part: moves[part](made[part], level, x) for part, x in latents.items()}
        if progress:
            progress(done, steps)
    return latents


def noise_levels(steps: int) -> list[int]:
    """The noise levels that so many steps begin at, falling from `STEPS` - 1 by equal spans; the last ends at none.

    They are the `trailing` ones of diffusers (Lin et al. 2023, arXiv 2305.08891), which has one too many, below 0, for
    61 steps and some other numbers.
    """
    return [round(STEPS - i * STEPS / steps) - 1 for i in range(steps)]


MOST_GUIDANCE = 100
"""Far beyond what draws anything but noise."""


def check_settings(sampler: str, steps: int, guidance: float = 1.0) -> None:
    """Refuse settings that nothing can be denoised with.

    Raises:
        RadloomError: an unknown sampler, steps outside 1 to `STEPS`, or a guidance beyond `MOST_GUIDANCE`.
    """
    if sampler not in SAMPLERS:
        known = ", ".join(SAMPLERS)
        raise RadloomError(f"Unknown sampler {sampler!r}{did_you_mean(sampler, SAMPLERS)}; samplers: {known}.")
    if not 1 <= steps <= STEPS:
        raise RadloomError(f"steps is {steps}; give 1 to {STEPS}, 20 for a good drawing.")
    if not abs(guidance) <= MOST_GUIDANCE:
        raise RadloomError(f"guidance {guidance} is out of range; give -{MOST_GUIDANCE} to {MOST_GUIDANCE}.")


def guided(with_prompt: Tensor, without: Tensor, guidance: Tensor) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598).

    Args:
        with_prompt, without: (b, ...) predictions.
        guidance: (b,) how far each goes beyond the one without; 1 is no guidance, 0 no prompt.
    """
    each = guidance.view(-1, *[1] * (with_prompt.ndim - 1))
    return torch.where(each == 1, with_prompt, without + each * (with_prompt - without))


_Move = Callable[[Tensor, int, Tensor], Tensor]
"""v, the noise level and the noisy latents -> the latents at the next level."""


def _dpm(levels: list[int]) -> _Move:
    from diffusers import DPMSolverMultistepScheduler

    solver: Any = DPMSolverMultistepScheduler(**_SETTINGS, algorithm_type="dpmsolver++", lower_order_final=True)
    solver.set_timesteps(timesteps=levels)

    def move(v: Tensor, level: int, latents: Tensor) -> Tensor:
        made: Tensor = solver.step(v, level, latents, return_dict=False)[0]
        return made

    return move


def _ddim(levels: list[int]) -> _Move:
    """Without noise of its own (eta 0). That of diffusers takes all spans for equal, which they are not always."""
    kept = [float(share) for share in schedule().alphas_cumprod]
    following = dict(zip(levels, [kept[level] for level in levels[1:]] + [1.0], strict=True))

    def move(v: Tensor, level: int, latents: Tensor) -> Tensor:
        now, then = kept[level], following[level]
        clean = now**0.5 * latents - (1 - now) ** 0.5 * v
        noise = now**0.5 * v + (1 - now) ** 0.5 * latents
        return then**0.5 * clean + (1 - then) ** 0.5 * noise

    return move
