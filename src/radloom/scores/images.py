"""PSNR and SSIM between images in [0, 1], one value an image.

Images are (n, 1, h, w), floating, numpy or torch. Values outside [0, 1] are an error: pixels in [-1, 1] or [0, 255]
would give numbers that look right and are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from radloom.errors import RadloomError

if TYPE_CHECKING:
    import torch

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
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
    return np.array([_ssim(a, b) for a, b in zip(x[:, 0], y[:, 0], strict=True)])


def _ssim(x: np.ndarray, y: np.ndarray) -> float:
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return float(np.mean(luminance * structure))


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
