"""The one array that every file becomes: float32 (H, W) in [0, 1], bones bright."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from radloom.errors import ImageError

_SLACK = 1e-3  # how far rounding may carry a value outside [0, 1]
_COLOURED = 16 / 255  # difference between channels that is more than compression noise
_COLOURED_SHARE = 0.005  # share of such pixels above which an image counts as a colour photo


class ImageWarning(UserWarning):
    """An image that was read, but may not be what a model trained on radiographs expects."""


class ColourWarning(ImageWarning):
    """A colour image, read as greyscale."""


_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


def remark(text: str, category: type[ImageWarning] = ImageWarning) -> None:
    """Say what is odd about an image: as a warning, or within `noting` into its list."""
    noted = _noted.get()
    if noted is None:
        warnings.warn(text, category, stacklevel=3)
    else:
        noted.append(text)


@contextmanager
def noting() -> Iterator[list[str]]:
    """Within, in this thread, what is odd about images goes into the list instead of a warning."""
    noted: list[str] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def check_array(image: Any, name: str = "image") -> np.ndarray:
    """`image` as float32, once it is known to be an X-ray array.

    Args:
        image: (H, W), any real dtype, in [0, 1].
        name: what to call it in an error.

    Returns:
        (H, W) float32 in [0, 1]; values that rounding carried outside are clipped.

    Raises:
        ImageError: not a 2-D array, empty, non-finite or outside [0, 1].
    """
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "biuf":
        got = f"an array of {image.dtype}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
        takes = "a path, the bytes of a file, a picture of Pillow, or a numpy array (height, width) in [0, 1]"
        raise ImageError(f"The {name} is {got}; give {takes}.")
    if image.ndim != 2:
        raise ImageError(f"{name} has shape {image.shape}; give one greyscale image as an array (height, width).")
    if image.size == 0:
        raise ImageError(f"{name} has no pixels (shape {image.shape}); give an array (height, width).")
    if not np.isfinite(image).all():
        raise ImageError(f"{name} holds pixels that are NaN or infinite; replace them before use.")
    low, high = float(image.min()), float(image.max())
    if low < -_SLACK or high > 1 + _SLACK:
        how = f", for example by dividing by {full_scale(int(high))}" if image.dtype.kind in "iu" and low >= 0 else ""
        raise ImageError(f"{name} has values from {low:.4g} to {high:.4g}; scale them to [0, 1]{how}.")
    return np.clip(image.astype(np.float32), 0.0, 1.0)


def full_scale(maximum: int) -> int:
    """The white of an integer image: the largest value of the smallest bit depth, 8 at least, that holds `maximum`.

    Detectors deliver 10 to 14 bits, commonly stored as 16. Divided by 65535, a 12-bit image would be nearly black;
    divided by its own maximum, it would change with one bright pixel.
    """
    return int(2 ** max(8, int(maximum).bit_length()) - 1)


def luminance(rgb: np.ndarray, name: str) -> np.ndarray:
    """Grey values of a colour image, with a `ColourWarning` if it really is one.

    Args:
        rgb: (H, W, 3) integers, uint8 or deeper.
        name: the file, for the warning.

    Returns:
        (H, W) float32 in [0, 1], ITU-R BT.601 luma.
    """
    scale = np.float32(full_scale(rgb.max()))
    spread = (rgb.max(axis=2) - rgb.min(axis=2)) > _COLOURED * scale
    if spread.mean() > _COLOURED_SHARE:
        text = f"{name} is a colour image; it is read as greyscale, but radloom expects a radiograph."
        remark(text, ColourWarning)
    red, green, blue = (rgb[..., i].astype(np.float32) for i in range(3))
    return np.clip((0.299 * red + 0.587 * green + 0.114 * blue) / scale, 0.0, 1.0)
