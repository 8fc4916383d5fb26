"""PSNR, SSIM and MS-SSIM between images in [0, 1], one value an image, and how much several images differ.

Images are (n, 1, h, w), floating, numpy or torch. Values outside [0, 1] are an error: pixels in [-1, 1] or [0, 255]
would give numbers that look right and are not.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, cast

import numpy as np

from radloom.errors import RadloomError

if TYPE_CHECKING:
    import torch

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents, from the finest
_SMALLEST = _WINDOW * 2 ** (len(_SCALES) - 1)  # side that holds the window at the coarsest scale
_ROUNDING = 1e-6  # what mapping [-1, 1] to [0, 1] may leave over


def psnr(x: np.ndarray | torch.Tensor, y: np.ndarray | torch.Tensor) -> np.ndarray:
    """Peak signal-to-noise ratio in dB for a peak of 1: (n,). Infinite where two images are equal.

    Args:
        x, y: (n, 1, h, w) in [0, 1].

    Raises:
        RadloomError: another shape, type or range, or pixels that are not finite.
    """
    x, y = _pair(x, y)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(np.mean((x - y) ** 2, axis=(1, 2, 3)))


def ssim(x: np.ndarray | torch.Tensor, y: np.ndarray | torch.Tensor) -> np.ndarray:
    """Structural similarity: (n,), at most 1.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian window of 11
    pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the places where the whole window lies in the image.

    Args:
        x, y: (n, 1, h, w) in [0, 1], h and w at least 11.

    Raises:
        RadloomError: another shape, type or range, pixels that are not finite, or images smaller than the window.
    """
    x, y = _pair(x, y)
    if min(x.shape[2:]) < _WINDOW:
        raise RadloomError(f"SSIM needs images of {_WINDOW} x {_WINDOW} pixels or more, got {x.shape[2:]}.")
    return np.array([_similarity(a, b)[0] for a, b in zip(x[:, 0], y[:, 0], strict=True)])


def ms_ssim(x: np.ndarray | torch.Tensor, y: np.ndarray | torch.Tensor) -> np.ndarray:
    """Structural similarity over five scales: (n,), in [0, 1].

    Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity for image quality assessment": contrast and
    structure at every scale, luminance at the coarsest, each scale the mean of 2 x 2 pixels of the finer one; an odd
    last row or column is taken twice. A scale whose mean is negative counts 0.

    Args:
        x, y: (n, 1, h, w) in [0, 1], h and w at least 176.

    Raises:
        RadloomError: another shape, type or range, pixels that are not finite, or images too small for five scales.
    """
    x, y = _pair(x, y)
    _check_scales(x)
    return np.array([_ms_ssim(a, b) for a, b in zip(x[:, 0], y[:, 0], strict=True)])


def diversity(images: np.ndarray | torch.Tensor) -> float:
    """Mean MS-SSIM of all pairs among several images drawn from one prompt: in [0, 1], lower is more diverse.

    Odena et al. 2017, "Conditional image synthesis with auxiliary classifier GANs".

    Args:
        images: (n, 1, h, w) in [0, 1], n at least 2, h and w at least 176.

    Raises:
        RadloomError: another shape, type or range, pixels that are not finite, or images too few or too small.
    """
    images = _array(images)
    _check_scales(images)
    if len(images) < 2:
        raise RadloomError("Diversity compares several images of one prompt, got 1; draw two or more.")
    return float(np.mean([_ms_ssim(a, b) for a, b in combinations(images[:, 0], 2)]))


def _check_scales(images: np.ndarray) -> None:
    if min(images.shape[2:]) < _SMALLEST:
        raise RadloomError(f"MS-SSIM needs images of {_SMALLEST} x {_SMALLEST} pixels or more, got {images.shape[2:]}.")


def _ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    value = 1.0
    for exponent in _SCALES[:-1]:
        value *= max(0.0, _similarity(x, y)[1]) ** exponent
        x, y = _half(x), _half(y)
    return value * max(0.0, _similarity(x, y)[0]) ** _SCALES[-1]


def _half(image: np.ndarray) -> np.ndarray:
    """Mean of 2 x 2 pixels: (h, w) -> (h / 2, w / 2), rounded up."""
    image = np.pad(image, [(0, side % 2) for side in image.shape], mode="edge")
    return cast(np.ndarray, (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4)


def _similarity(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """SSIM, and its part without luminance."""
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return float(np.mean(luminance * structure)), float(np.mean(structure))


def _blur(image: np.ndarray) -> np.ndarray:
    """Gaussian mean over windows that lie wholly inside: (h, w) -> (h - 10, w - 10)."""
    weights = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    weights /= weights.sum()
    h, w = image.shape[0] - _WINDOW + 1, image.shape[1] - _WINDOW + 1
    rows = sum(weight * image[i : i + h] for i, weight in enumerate(weights))
    return cast(np.ndarray, sum(weight * rows[:, i : i + w] for i, weight in enumerate(weights)))


def _pair(x: np.ndarray | torch.Tensor, y: np.ndarray | torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    x, y = _array(x), _array(y)
    if x.shape != y.shape:
        raise RadloomError(f"Images of shapes {x.shape} and {y.shape} cannot be compared; give pairs of one size.")
    return x, y


def _array(images: np.ndarray | torch.Tensor) -> np.ndarray:
    """Checked, as float64."""
    if not isinstance(images, np.ndarray):
        images = cast(
            np.ndarray, images.detach().cpu().double().numpy() if images.is_floating_point() else images.numpy()
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise RadloomError(f"Images are {images.dtype}; give floating pixels in [0, 1].")
    if images.ndim != 4 or images.shape[1] != 1 or not images.size:
        raise RadloomError(f"Images have shape {images.shape}; give (n, 1, height, width).")
    low, high = float(images.min()), float(images.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also catches NaN
        raise RadloomError(f"Pixels lie in [{low:.3g}, {high:.3g}]; bring them to [0, 1] before scoring.")
    return images.astype(np.float64)
