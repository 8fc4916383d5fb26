import pytest
import torch

from radloom.classifier.augment import augment


@pytest.fixture
def one_sided() -> torch.Tensor:
    """Dark on the left, bright on the right, brightest below."""
    pixels = torch.full((1, 32, 32), -1.0)
    pixels[..., 16:] = 0.2
    pixels[:, 16:, 16:] = 0.6
    return pixels


def test_same_key_same_picture(one_sided: torch.Tensor) -> None:
    assert torch.equal(augment(one_sided, 1, 2, 3), augment(one_sided, 1, 2, 3))
    keys = [(1, 2, 3), (0, 2, 3), (1, 0, 3), (1, 2, 0)]
    assert len({augment(one_sided, *key).sum().item() for key in keys}) == len(keys)


def test_draws_from_no_global_generator(one_sided: torch.Tensor) -> None:
    before = torch.get_rng_state()
    picture = augment(one_sided, 0)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(picture, augment(one_sided, 0))


def test_never_flips_and_stays_in_range(one_sided: torch.Tensor) -> None:
    for index in range(60):
        picture = augment(one_sided, 0, index)
        assert picture.shape == one_sided.shape
        assert picture.dtype == torch.float32
        assert picture.min() >= -1
        assert picture.max() <= 1
        left, right = picture[..., :16].mean(), picture[..., 16:].mean()
        assert right > left + 0.5
        assert picture[:, 16:, 16:].mean() > picture[:, :16, 16:].mean()


def test_moves_little(one_sided: torch.Tensor) -> None:
    assert (augment(one_sided, 0) - one_sided).abs().mean() > 0.01
    still = {"degrees": 0.0, "scale": 0.0, "shift": 0.0}
    for index in range(20):  # only contrast changes: black stays black, brighter stays brighter
        picture = augment(one_sided, 0, index, **still)
        levels = [picture[0, 20, 4], picture[0, 4, 24], picture[0, 20, 24]]
        assert levels[0] == -1
        assert levels[0] < levels[1] < levels[2]


def test_shift_is_a_share_of_the_side() -> None:
    pixels = torch.full((1, 64, 64), -1.0)
    pixels[:, 28:36, 28:36] = 1
    centres = []
    for index in range(200):
        mass = augment(pixels, index, degrees=0.0, scale=0.0, shift=0.1)[0] + 1
        along = torch.arange(64.0)
        centres.append([(mass.sum(1) @ along / mass.sum()).item(), (mass.sum(0) @ along / mass.sum()).item()])
    furthest = (torch.tensor(centres) - 31.5).abs().max(0).values
    assert ((furthest > 5.5) & (furthest < 6.5)).all()  # a tenth of 64 at most


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_constant_image_gives_no_nan(value: float) -> None:
    assert augment(torch.full((1, 16, 16), value), 0).isfinite().all()
