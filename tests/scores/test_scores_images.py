"""Golden values are scikit-image 0.26.0's: `peak_signal_noise_ratio(x, y, data_range=1)` and
`structural_similarity(x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)`; for MS-SSIM
pytorch-msssim 1.0.0's `ms_ssim(x, y, data_range=1, size_average=False)`.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from radloom.errors import RadloomError
from radloom.imaging import as_image, write_png
from radloom.scores.images import _half, diversity, ms_ssim, psnr, ssim

ROW, COLUMN = np.mgrid[:24, :32]
X = (0.5 + 0.4 * np.sin(ROW / 3) * np.cos(COLUMN / 5))[None, None]
Y = (0.45 + 0.35 * np.sin(ROW / 3 + 0.2) * np.cos(COLUMN / 5))[None, None]

ROW, COLUMN = np.mgrid[:176, :192]
LARGE_X = 0.5 + 0.3 * np.sin(ROW / 7) * np.cos(COLUMN / 11) + 0.15 * np.sin(ROW * COLUMN / 50)
LARGE_Y = 0.45 + 0.3 * np.sin(ROW / 7 + 0.3) * np.cos(COLUMN / 11) + 0.15 * np.sin(ROW * COLUMN / 50 + 0.5)
LARGE_X, LARGE_Y = LARGE_X[None, None], LARGE_Y[None, None]


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


def test_ms_ssim_equals_pytorch_msssim() -> None:
    x = np.concatenate([LARGE_X, LARGE_X, LARGE_Y, LARGE_X])
    y = np.concatenate([LARGE_Y, LARGE_X[..., ::-1], LARGE_Y[:, :, ::-1], LARGE_X])
    golden = [0.9433811662869491, 0.11020889987863941, 0, 1]  # of the third the mean structure is negative
    np.testing.assert_allclose(ms_ssim(x, y), golden, atol=1e-5)
    np.testing.assert_allclose(ms_ssim(y, x), ms_ssim(x, y), rtol=1e-12)
    np.testing.assert_allclose(ms_ssim(torch.from_numpy(x).float(), torch.from_numpy(y).float()), golden, atol=1e-4)


def test_ms_ssim_forgives_fine_noise_and_not_coarse() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, LARGE_X.shape)
    coarse = np.kron(noise[:, :, :11, :12], np.ones((16, 16)))
    fine = np.clip(LARGE_X + noise, 0, 1)
    assert ms_ssim(LARGE_X, fine)[0] > ssim(LARGE_X, fine)[0]
    assert ms_ssim(LARGE_X, fine)[0] > ms_ssim(LARGE_X, np.clip(LARGE_X + coarse, 0, 1))[0]


@pytest.mark.parametrize("shape", [(8, 10), (7, 10), (8, 9), (7, 9)])
def test_scales_halve_as_their_authors_do(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(shape)
    mirrored = uniform_filter(image, 2, mode="reflect", origin=-1)  # imfilter(image, ones(2) / 4, 'symmetric')
    np.testing.assert_allclose(_half(image), mirrored[::2, ::2], rtol=1e-12)


def test_sides_that_do_not_halve_have_an_ms_ssim() -> None:
    odd = np.pad(LARGE_X[0, 0], ((0, 1), (0, 7)), mode="reflect")[None, None]
    assert ms_ssim(odd, odd)[0] == pytest.approx(1)
    assert 0 < ms_ssim(odd, odd**2)[0] < 1


def test_diversity_is_the_mean_over_pairs() -> None:
    images = np.concatenate([LARGE_X, LARGE_Y, LARGE_X[..., ::-1]])
    pairs = [ms_ssim(images[[i]], images[[j]])[0] for i, j in combinations(range(3), 2)]
    assert diversity(images) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert diversity(images[[2, 0, 1]]) == pytest.approx(diversity(images), rel=1e-12)
    assert diversity(np.repeat(LARGE_X, 3, axis=0)) == pytest.approx(1)
    assert diversity(torch.from_numpy(images).float()) == pytest.approx(diversity(images), abs=1e-5)


@pytest.mark.parametrize("score", [psnr, ssim, ms_ssim, lambda x, _: diversity(x)])
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
    with pytest.raises(RadloomError, match="cannot be compared"):
        ms_ssim(LARGE_X, LARGE_X[..., :-1])


def test_images_too_small_for_five_scales_or_too_few_are_refused() -> None:
    small = LARGE_X[:, :, :175]
    with pytest.raises(RadloomError, match=r"176 x 176 pixels or more, got \(175, 192\)"):
        ms_ssim(small, small)
    with pytest.raises(RadloomError, match="176 x 176"):
        diversity(np.concatenate([small, small]))
    with pytest.raises(RadloomError, match="got 1; draw two or more"):
        diversity(LARGE_X)
