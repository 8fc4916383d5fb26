"""What parts that are made together tell each other."""

import pytest
import torch

import tiny
from radloom.diffusion.environment import EnvironmentConfig, with_others
from radloom.errors import RecipeError
from radloom.study import VIEWS, Part

PARTS = tuple(Part)


def unit(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_a_part_is_told_of_the_others_and_not_of_itself() -> None:
    """In MedCoDi-M's code each network reads its own environment vector."""
    prompts, told = unit(2, 32), torch.ones(2, dtype=torch.bool)
    environments = dict(zip(PARTS, unit(3, 2, 32) * 0.5, strict=True))
    before, counts = with_others(prompts, told, environments)
    assert all(count.eq(1).all() for count in counts.values())
    for part in PARTS:
        after, _ = with_others(prompts, told, environments | {part: -environments[part]})
        changed = {p for p in PARTS if not torch.equal(before[p], after[p])}
        assert changed == set(PARTS) - {part}
    expected = prompts + environments[Part.LATERAL] + environments[Part.REPORT]
    assert torch.allclose(before[Part.FRONTAL], torch.nn.functional.normalize(expected, dim=1), atol=1e-6)


def test_what_is_uncertain_hardly_counts() -> None:
    prompts, told = unit(2, 32), torch.tensor([True, False])
    environments = dict(zip(VIEWS, unit(2, 2, 32) * 1e-3, strict=True))
    found, counts = with_others(prompts, told, environments)
    assert torch.allclose(found[Part.FRONTAL][0], prompts[0], atol=2e-3)
    assert torch.allclose(counts[Part.FRONTAL], torch.tensor([1, 1e-3]))


def test_an_environment_at_the_mean_of_all_is_none() -> None:
    model = tiny.make_any_to_any()
    own = model.environments
    latents = {p: torch.randn(2, *model.denoisers.shape(p)) for p in PARTS}
    step = {p: torch.full((2,), 500) for p in PARTS}
    with torch.no_grad():
        for row, part in enumerate(PARTS):
            vector = own(latents, step)[part][0]
            own.means[row] = vector
            assert own.weighted(latents, step)[part][0].norm() < 1e-5
            own.means[row] = 0.6 * torch.nn.functional.normalize(-vector, dim=0)
            most = min(1, float((vector.norm() + 0.6) / 0.8))
            assert float(own.weighted(latents, step)[part][0].norm()) == pytest.approx(most, abs=1e-4)


def test_environments_read_the_latent_the_noise_and_the_view() -> None:
    model = tiny.make_any_to_any()
    own = model.environments
    latents = {p: torch.randn(2, *model.denoisers.shape(p), generator=torch.Generator().manual_seed(1)) for p in PARTS}
    latents[Part.LATERAL] = latents[Part.FRONTAL]
    step = {p: torch.full((2,), 500) for p in PARTS}
    with torch.no_grad():
        found = own(latents, step)
        later = own(latents, {p: s - 300 for p, s in step.items()})
    for part in PARTS:
        assert found[part].shape == (2, 32)
        assert not torch.allclose(found[part], later[part], atol=1e-4)
        assert not torch.allclose(found[part][0], found[part][1], atol=1e-4)
    assert not torch.allclose(found[Part.FRONTAL], found[Part.LATERAL], atol=1e-4)


def test_a_part_made_alone_is_the_same_with_and_without_environments() -> None:
    with_them, without = tiny.make_any_to_any(), tiny.make_any_to_any(environments=False)
    without.load_state_dict({k: v for k, v in with_them.state_dict().items() if not k.startswith("environments.")})
    settings = {"prompts": unit(2, 32), "told": torch.ones(2, dtype=torch.bool), "seeds": [0, 1], "steps": 3}
    alone = [model.make(want=(Part.FRONTAL,), **settings)[Part.FRONTAL] for model in (with_them, without)]
    assert torch.equal(*alone)
    both = [model.make(want=VIEWS, guidance=3.0, **settings) for model in (with_them, without)]
    assert all(not torch.allclose(both[0][part], both[1][part], atol=1e-4) for part in VIEWS)


def test_parts_made_together_of_nothing_are_guided_by_each_other() -> None:
    model = tiny.make_any_to_any()
    settings = {"prompts": torch.zeros(2, 32), "told": torch.zeros(2, dtype=torch.bool), "seeds": [0, 1], "steps": 3}
    for want, same in ((VIEWS, False), ((Part.FRONTAL,), True)):
        plain, strong = (model.make(want=want, guidance=guidance, **settings) for guidance in (1.0, 4.0))
        assert all(torch.allclose(plain[part], strong[part], atol=1e-5) is same for part in want)


def test_a_study_made_together_does_not_depend_on_what_is_beside_it() -> None:
    model = tiny.make_any_to_any()
    prompts, told = unit(2, 32), torch.tensor([True, False])
    prompts[1] = 0
    rest = {"want": PARTS, "steps": 3, "guidance": 3.0, "guided_below": 700}
    both = model.make(prompts, told, seeds=[3, 4], **rest)
    for i in range(2):
        alone = model.make(prompts[[i]], told[[i]], seeds=[3 + i], **rest)
        assert all(torch.allclose(both[part][i], alone[part][0], atol=1e-5) for part in PARTS)


def test_widths_that_cannot_be_built_are_refused() -> None:
    for sizes in ({"width": 48}, {"report_width": 17}):
        with pytest.raises(RecipeError, match=r"network\.width is .* multiple of 32"):
            EnvironmentConfig(**sizes)
