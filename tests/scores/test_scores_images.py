"""Golden values are scikit-image 0.26.0's: `peak_signal_noise_ratio(x, y, data_range=1)` and
`structural_similarity(x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from radloom.errors import RadloomError
from radloom.imaging import as_image, write_png
from radloom.scores.images import psnr, ssim

ROW, COLUMN = np.mgrid[:24, :32]
X = (0.5 + 0.4 * np.sin(ROW / 3) * np.cos(COLUMN / 5))[None, None]
Y = (0.45 + 0.35 * np.sin(ROW / 3 + 0.2) * np.cos(COLUMN / 5))[None, None]


def test_psnr_and_ssim_equal_scikit_image() -> None:
    np.testing.assert_allclose(psnr(X, Y), [23.654141585224146], atol=1e-9)
    np.testing.assert_allclose(ssim(X, Y), [0.9623184412080267], atol=1e-9)


def test_one_value_an_image_from_numpy_or_torch() -> None:
    x, y = np.concatenate([X, X, Y]), np.concatenate([Y, X, X])
    values = ssim(torch.from_numpy(x).float().requires_grad_(), torch.from_numpy(y).float())
    np.testing.assert_allclose(values, [0.962318, 1, 0.962318], atol=1e-5)
    assert psnr(x, y)[1] == np.inf


def test_a_picture_is_itself_after_png(tmp_path: Path) -> None:
    image = as_image(write_png(X[0, 0].astype(np.float32), tmp_path / "x.png"))
    again = as_image(write_png(image, tmp_path / "again.png"))
    assert psnr(image[None, None], again[None, None])[0] == np.inf
    assert ssim(image[None, None], again[None, None])[0] == 1


def test_ssim_falls_with_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 1, X.shape)
    values = [ssim(X, np.clip(X + s * noise, 0, 1))[0] for s in (0, 0.02, 0.1, 0.3)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(1)


def test_constant_images_give_no_nan() -> None:
    black, white = np.zeros((1, 1, 16, 16)), np.ones((1, 1, 16, 16))
    assert ssim(black, black)[0] == 1
    assert 0 <= ssim(black, white)[0] < 0.001
    assert psnr(black, white)[0] == 0


@pytest.mark.parametrize("score", [psnr, ssim])
@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (X * 2 - 1, r"\[-0.\d+, 0.\d+\]; bring them to \[0, 1\]"),
        (X * 255, r"bring them to \[0, 1\]"),
        (np.full_like(X, np.nan), "nan"),
        ((X * 255).astype(np.uint8), "uint8"),
        (torch.zeros(1, 1, 16, 16, dtype=torch.uint8), "uint8"),
        (X[0], r"\(1, 24, 32\)"),
        (np.repeat(X, 3, axis=1), r"\(1, 3, 24, 32\)"),
    ],
)
def test_wrong_range_type_or_shape_is_refused(score, images, complaint) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RadloomError, match=complaint):
        score(images, images)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RadloomError, match="cannot be compared"):
        psnr(X, X[:, :, :-1])
    with pytest.raises(RadloomError, match="11 x 11"):
        ssim(X[:, :, :10], X[:, :, :10])
