import torch

import tiny
from radloom.diffusion.denoiser import DenoiserConfig, Denoisers
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
        made, environments = own(latents, step, prompt, told)
        for part in PARTS:
            assert made[part].shape == latents[part].shape
            assert environments[part].shape == (2, 32)
        later, _ = own(latents, {p: s - 300 for p, s in step.items()}, prompt, told)
        other, _ = own(latents, step, {p: v.roll(1, 0) for p, v in prompt.items()}, told)
        untold, _ = own(latents, step, prompt, {p: ~t for p, t in told.items()})
        for changed in (later, other, untold):
            assert all(not torch.allclose(made[p], changed[p], atol=1e-5) for p in PARTS)
        same = {**latents, Part.LATERAL: latents[Part.FRONTAL]}
        views, _ = own(same, step, {**prompt, Part.LATERAL: prompt[Part.FRONTAL]}, told)
        assert not torch.allclose(views[Part.FRONTAL], views[Part.LATERAL], atol=1e-5)


def test_a_part_sees_the_environment_of_the_others_and_not_its_own() -> None:
    """In MedCoDi-M's code each network reads its own environment vector."""
    own = tiny.make_any_to_any().denoisers
    latents, step, prompt, told = inputs(own)
    seen: dict[Part, list] = {}
    with torch.no_grad():
        before, _ = own(latents, step, prompt, told)
        for part in PARTS:
            changed = {**latents, part: latents[part].flip(0)}
            after, _ = own(changed, step, prompt, told)
            seen[part] = [p for p in PARTS if p is not part and not torch.allclose(before[p], after[p], atol=1e-6)]
    assert seen == {part: [p for p in PARTS if p is not part] for part in PARTS}
    own_environment = own.image_environment
    calls: list[int] = []
    own_environment.register_forward_hook(lambda *x: calls.append(1))
    alone = {Part.FRONTAL: latents[Part.FRONTAL]}
    with torch.no_grad():
        first, _ = own(alone, step, prompt, told)
        for parameter in own_environment.parameters():
            parameter.mul_(3)
        second, _ = own(alone, step, prompt, told)
    assert calls and torch.equal(first[Part.FRONTAL], second[Part.FRONTAL])


def test_what_a_study_lacks_is_seen_by_none() -> None:
    own = tiny.make_any_to_any().denoisers
    latents, step, prompt, told = inputs(own)
    there = {p: torch.ones(2, dtype=torch.bool) for p in PARTS}
    there[Part.LATERAL] = torch.tensor([True, False])
    changed = {**latents, Part.LATERAL: latents[Part.LATERAL] + torch.tensor([0.0, 5.0]).view(2, 1, 1, 1)}
    with torch.no_grad():
        a, _ = own(latents, step, prompt, told, there)
        b, _ = own(changed, step, prompt, told, there)
    assert torch.allclose(a[Part.FRONTAL], b[Part.FRONTAL], atol=1e-6)
    assert torch.allclose(a[Part.REPORT], b[Part.REPORT], atol=1e-6)


def test_environments_begin_without_effect() -> None:
    """Joint training goes on from denoisers trained apart, whose predictions it must not spoil at the start."""
    sizes = DenoiserConfig(channels=8, grid=(4, 4), slots=4, dim=8, prompt=32, blocks=(16, 32), heads=2)
    torch.manual_seed(0)
    apart = sizes.build().eval()
    together = DenoiserConfig(**{**sizes.__dict__, "environment": True}).build().eval()
    together.load_state_dict(together.state_dict() | apart.state_dict())
    latents, step, prompt, told = inputs(apart)
    with torch.no_grad():
        a, none = apart(latents, step, prompt, told)
        b, environments = together(latents, step, prompt, told)
    assert none == {} and set(environments) == set(PARTS)
    assert all(torch.allclose(a[p], b[p], atol=1e-5) for p in PARTS)


def test_scaling_is_undone() -> None:
    own = tiny.make_any_to_any().denoisers
    own.image_mean.normal_()
    own.report_std.uniform_(0.5, 2)
    for part in PARTS:
        x = torch.randn(2, *own.shape(part))
        assert torch.allclose(own.unscaled(part, own.scaled(part, x)), x, atol=1e-5)
