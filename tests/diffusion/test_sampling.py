import pytest
import torch

from radloom.diffusion.sampling import STEPS, denoise, guided, schedule, start
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
