"""The transform: shapes, proportions, ranges, and what it refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from radloom.errors import ImageError, RecipeError
from radloom.imaging import Transform

FITS = ("pad", "crop", "squash")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(48, 40), (40, 48), (512, 512), (1, 300), (300, 1)])
def test_any_shape_becomes_model_pixels(fit: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    pixels = Transform(64, fit)(image)
    assert pixels.shape == (1, 64, 64)
    assert pixels.dtype == torch.float32
    assert pixels.min() >= -1
    assert pixels.max() <= 1


def test_pad_keeps_the_whole_picture_between_black_bars() -> None:
    pixels = Transform(64, "pad")(np.ones((100, 50), np.float32))[0]
    assert (pixels[:, 16:48] == 1).all()
    assert (pixels[:, :16] == -1).all()
    assert (pixels[:, 48:] == -1).all()


def test_crop_keeps_the_centre_of_the_long_side() -> None:
    image = np.zeros((100, 200), np.float32)
    image[:, 60:140] = 1
    pixels = Transform(50, "crop")(image)[0]
    assert (pixels[:, 6:44] == 1).all()
    assert (pixels[:, :4] == -1).all()
    assert (pixels[:, 46:] == -1).all()


def test_crop_is_resize_then_centre_crop() -> None:
    """LLM-CXR's order of operations, done in one."""
    from PIL import Image

    image = np.random.default_rng(1).random((120, 180), dtype=np.float32)
    resized = np.asarray(Image.fromarray(image).resize((90, 60), Image.Resampling.BICUBIC))
    ours = Transform.to_image(Transform(60, "crop")(image))
    np.testing.assert_allclose(ours, resized[:, 15:75].clip(0, 1), atol=1e-5)


def test_same_size_is_left_as_it_is() -> None:
    image = np.random.default_rng(2).random((64, 64), dtype=np.float32)
    np.testing.assert_allclose(Transform.to_image(Transform(64)(image)), image, atol=1e-6)


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_aspect_undoes_a_squash_of_the_file(fit: str) -> None:
    y, x = np.mgrid[0:200, 0:160] / np.float32(200)
    true = (0.5 + 0.4 * np.sin(9 * x) * np.cos(7 * y)).astype(np.float32)
    squashed = Transform.to_image(Transform(256, "squash")(true))
    transform = Transform(128, fit)
    np.testing.assert_allclose(transform(squashed, aspect=160 / 200), transform(true), atol=0.03)
    assert (transform(squashed) - transform(true)).abs().max() > 0.3


def test_orientation_and_polarity_survive(chest: np.ndarray) -> None:
    back = Transform.to_image(Transform(48, "pad")(chest))
    np.testing.assert_allclose(back[:, 4:44], chest, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_constant_image_stays_constant(value: float) -> None:
    pixels = Transform(32, "crop")(np.full((80, 50), value, np.float32))
    torch.testing.assert_close(pixels, torch.full((1, 32, 32), 2 * value - 1))


def test_hard_edges_do_not_overshoot() -> None:
    image = np.zeros((33, 33), np.float32)
    image[:, 16:] = 1
    assert Transform(64)(image).abs().max() <= 1


def test_small_details_are_averaged_not_skipped() -> None:
    stripes = np.tile(np.float32([0, 1]), (256, 128))
    assert Transform(64)(stripes).abs().max() < 0.1


def test_the_same_image_gives_the_same_pixels_and_stays_untouched(chest: np.ndarray) -> None:
    before = chest.copy()
    assert torch.equal(Transform(64)(chest), Transform(64)(chest))
    assert (chest == before).all()


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((3, 20, 20), np.float32), "shape"),
        (np.zeros((0, 20), np.float32), "no pixels"),
        (np.full((20, 20), np.nan, np.float32), "NaN"),
        (np.full((20, 20), np.inf, np.float32), "NaN or infinite"),
        (np.full((20, 20), 200, np.uint8), r"scale them to \[0, 1\]"),
        (np.full((20, 20), -1, np.float32), r"scale them to \[0, 1\]"),
        ([[0.0, 1.0]], "numpy array"),
        (np.zeros((20, 20), complex), "complex"),
    ],
)
def test_what_is_no_image_is_refused(image: object, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        Transform(32)(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("aspect", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_aspect_is_refused(chest: np.ndarray, aspect: float) -> None:
    with pytest.raises(ImageError, match="aspect"):
        Transform(32)(chest, aspect)


@pytest.mark.parametrize("fit", FITS)
def test_it_survives_json(fit: str) -> None:
    transform = Transform(96, fit)
    assert Transform.from_dict(json.loads(json.dumps(transform.to_dict()))) == transform


@pytest.mark.parametrize("data", [{"sise": 64}, {"size": "big"}, {"fit": "stretch"}, {"size": 0}])
def test_wrong_settings_are_named(data: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"transform|size|fit"):
        Transform.from_dict(data)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Transform().size = 64  # type: ignore[misc]


def test_to_image_inverts_the_scaling() -> None:
    image = Transform.to_image(torch.tensor([[[-1.0, 0.0], [0.5, 1.2]]], dtype=torch.bfloat16))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, [[0, 0.5], [0.75, 1]])


@pytest.mark.parametrize("pixels", [torch.zeros(2, 1, 4, 4), torch.zeros(4, 4), torch.full((1, 4, 4), torch.nan)])
def test_to_image_refuses_batches_and_nan(pixels: torch.Tensor) -> None:
    with pytest.raises(ImageError):
        Transform.to_image(pixels)
