import torch

import tiny
from radloom.diffusion.denoiser import Denoisers
from radloom.study import Part

PARTS = tuple(Part)


def inputs(own: Denoisers, batch: int = 2):
    generator = torch.Generator().manual_seed(0)
    latents = {p: torch.randn(batch, *own.shape(p), generator=generator) for p in PARTS}
    step = {p: torch.full((batch,), 500) for p in PARTS}
    prompt = {p: torch.nn.functional.normalize(torch.randn(batch, 32, generator=generator), dim=1) for p in PARTS}
    told = {p: torch.ones(batch, dtype=torch.bool) for p in PARTS}
    return latents, step, prompt, told


def test_each_part_has_its_shape_and_depends_on_step_prompt_and_view() -> None:
    own = tiny.make_any_to_any().denoisers
    latents, step, prompt, told = inputs(own)
    with torch.no_grad():
        made = own(latents, step, prompt, told)
        for part in PARTS:
            assert made[part].shape == latents[part].shape
        later = own(latents, {p: s - 300 for p, s in step.items()}, prompt, told)
        other = own(latents, step, {p: v.roll(1, 0) for p, v in prompt.items()}, told)
        untold = own(latents, step, prompt, {p: ~t for p, t in told.items()})
        for changed in (later, other, untold):
            assert all(not torch.allclose(made[p], changed[p], atol=1e-5) for p in PARTS)
        same = {**latents, Part.LATERAL: latents[Part.FRONTAL]}
        views = own(same, step, {**prompt, Part.LATERAL: prompt[Part.FRONTAL]}, told)
        assert not torch.allclose(views[Part.FRONTAL], views[Part.LATERAL], atol=1e-5)


def test_scaling_is_undone() -> None:
    own = tiny.make_any_to_any().denoisers
    own.image_mean.normal_()
    own.report_std.uniform_(0.5, 2)
    for part in PARTS:
        x = torch.randn(2, *own.shape(part))
        assert torch.allclose(own.unscaled(part, own.scaled(part, x)), x, atol=1e-5)
