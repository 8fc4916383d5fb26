"""The noise schedule and the samplers, as free functions over a callable that predicts v.

Cosine schedule (Nichol and Dhariwal 2021, arXiv 2102.09672); DDIM (Song et al. 2020, arXiv 2010.02502) and DPM-Solver++
(Lu et al. 2022, arXiv 2211.01095) are the schedulers of diffusers. Several latents are denoised side by side, each
step's prediction seeing all of them.
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
    solvers = {part: _solver(sampler, steps) for part in noise}
    latents = dict(noise)
    for done, step in enumerate(next(iter(solvers.values())).timesteps.tolist(), 1):
        made = predict(latents, step)
        latents = {p: solvers[p].step(made[p], step, x, return_dict=False)[0] for p, x in latents.items()}
        if progress:
            progress(done, steps)
    return latents


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


def _solver(sampler: str, steps: int) -> Any:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    if sampler == "ddim":
        solver: Any = DDIMScheduler(**_SETTINGS, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True)
    else:
        solver = DPMSolverMultistepScheduler(
            **_SETTINGS, timestep_spacing="trailing", algorithm_type="dpmsolver++", lower_order_final=True
        )
    solver.set_timesteps(steps)
    return solver
