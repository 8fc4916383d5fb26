import itertools

import pytest
import torch

from radloom.diffusion.sampling import STEPS, denoise, guided, noise_levels, schedule, start
from radloom.errors import RadloomError
from radloom.study import Part

SHAPES = {Part.FRONTAL: (3, 4, 4), Part.REPORT: (2, 5)}


def analytic(mean: float, spread: float):
    """The perfect denoiser of data that are N(mean, spread^2) in every entry."""
    kept = schedule().alphas_cumprod

    def predict(latents, step):
        a, s = float(kept[step]) ** 0.5, float(1 - kept[step]) ** 0.5
        made = {}
        for part, x in latents.items():
            clean = mean + a * spread**2 / (a**2 * spread**2 + s**2) * (x - a * mean)
            noise = (x - a * clean) / max(s, 1e-6)
            made[part] = a * noise - s * clean
        return made

    return predict


@pytest.mark.parametrize("sampler", ["dpm++", "ddim"])
@pytest.mark.parametrize("steps", [10, 20, 50])
def test_a_perfect_denoiser_gives_the_data(sampler: str, steps: int) -> None:
    noise = start(SHAPES, range(64))
    latents = denoise(analytic(2.0, 0.5), noise, sampler=sampler, steps=steps)
    for part, shape in SHAPES.items():
        assert latents[part].shape == (64, *shape)
        assert float(latents[part].mean()) == pytest.approx(2.0, abs=0.05)
        assert float(latents[part].std()) == pytest.approx(0.5, abs=0.1)


def test_noise_of_a_part_depends_on_its_seed_alone() -> None:
    both, one = start(SHAPES, [3, 4]), start({Part.REPORT: SHAPES[Part.REPORT]}, [4])
    assert torch.equal(both[Part.REPORT][1], one[Part.REPORT][0])
    assert not torch.equal(both[Part.REPORT][0], both[Part.REPORT][1])
    views = start({Part.FRONTAL: (8,), Part.LATERAL: (8,)}, [0])
    assert not torch.equal(views[Part.FRONTAL], views[Part.LATERAL])


def test_guidance() -> None:
    a, b = torch.full((3, 2), 3.0), torch.full((3, 2), 1.0)
    found = guided(a, b, torch.tensor([1.0, 0.0, 2.0]))
    assert torch.equal(found, torch.tensor([[3.0, 3.0], [1.0, 1.0], [5.0, 5.0]]))


def test_progress_counts_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    denoise(analytic(0, 1), start(SHAPES, [0]), steps=7, progress=lambda *x: told.append(x))
    assert told == [(i, 7) for i in range(1, 8)]


def test_bad_settings() -> None:
    noise = start(SHAPES, [0])
    with pytest.raises(RadloomError, match="Unknown sampler 'euler'"):
        denoise(analytic(0, 1), noise, sampler="euler")
    for steps in (0, STEPS + 1):
        with pytest.raises(RadloomError, match=f"steps is {steps}"):
            denoise(analytic(0, 1), noise, steps=steps)


def test_noise_levels_fall_from_the_most_noise() -> None:
    for steps in range(1, STEPS + 1):
        levels = noise_levels(steps)
        assert len(levels) == steps and levels[0] == STEPS - 1 and levels[-1] >= 0
        assert all(a > b for a, b in itertools.pairwise(levels))


@pytest.mark.parametrize("steps", [1, 7, 15, 61, 103, 600, 998])
def test_whoever_knows_the_data_gets_it_in_any_number_of_steps(steps: int) -> None:
    noise, told = start(SHAPES, range(4)), []

    def predict(latents, level):
        told.append(level)
        return analytic(2.0, 0.0)(latents, level)

    for sampler, least in (("ddim", 1e-4), ("dpm++", 1e-3)):
        told.clear()
        latents = denoise(predict, noise, sampler=sampler, steps=steps)
        assert told == noise_levels(steps)
        assert all(float((x - 2).abs().max()) < least for x in latents.values())


@pytest.mark.parametrize(("sampler", "name"), [("ddim", "DDIMScheduler"), ("dpm++", "DPMSolverMultistepScheduler")])
@pytest.mark.parametrize("steps", [10, 20, 50])
def test_latents_are_those_of_diffusers(sampler: str, name: str, steps: int) -> None:
    import diffusers

    settings = {"num_train_timesteps": STEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
    if sampler == "ddim":
        settings |= {"clip_sample": False, "set_alpha_to_one": True}
    solver = getattr(diffusers, name)(**settings, timestep_spacing="trailing")
    solver.set_timesteps(steps)
    noise, predict = start({Part.FRONTAL: (3, 4, 4)}, range(4)), analytic(2.0, 0.5)
    latents = noise[Part.FRONTAL]
    for level in solver.timesteps.tolist():
        v = predict({Part.FRONTAL: latents}, level)[Part.FRONTAL]
        latents = solver.step(v, level, latents, return_dict=False)[0]
    made = denoise(predict, noise, sampler=sampler, steps=steps)[Part.FRONTAL]
    torch.testing.assert_close(made, latents, atol=1e-4, rtol=1e-4)
