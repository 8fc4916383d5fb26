"""The one transform from an X-ray array to model pixels.

It is stored with every checkpoint (`transform.json`) and is the same object in training, evaluation and serving.
`crop` is LLM-CXR's preprocessing (Lee et al. 2023, arXiv 2305.11490): short side to `size`, centre crop. `pad`, the
default, keeps the costophrenic angles and the apices that cropping loses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from radloom import config
from radloom.errors import ImageError, RecipeError
from radloom.imaging.array import check_array

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Transform:
    """Brings an image to `size` x `size` and [-1, 1] by one antialiased bicubic resize.

    Attributes:
        size: side of the result, in pixels.
        fit: `"pad"`: long side to `size`, black (-1) bars around; `"crop"`: short side to `size`, centre kept;
            `"squash"`: both sides to `size`, proportions lost.
    """

    size: int = 256
    fit: Literal["pad", "crop", "squash"] = "pad"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise RecipeError(f"transform: size {self.size} is not a number of pixels; give 1 or more.")
        if self.fit not in ("pad", "crop", "squash"):
            raise RecipeError(f"transform: fit {self.fit!r} is not one of 'pad', 'crop', 'squash'.")

    def __call__(self, image: np.ndarray, aspect: float | None = None) -> torch.Tensor:
        """Model pixels of an X-ray.

        Args:
            image: (H, W) in [0, 1], bones bright.
            aspect: true width / height of the picture where its pixels are not square, as in a corpus whose images
                were squashed to squares; None where they are. It is undone within the same resize.

        Returns:
            (1, size, size) float32 in [-1, 1].

        Raises:
            ImageError: not a 2-D array, empty, non-finite, outside [0, 1], or an aspect that is not positive.
        """
        import torch

        image = check_array(image)
        height, width = image.shape
        true_aspect = width / height if aspect is None else float(aspect)
        if not (math.isfinite(true_aspect) and true_aspect > 0):
            raise ImageError(f"aspect {aspect!r} is not a positive width / height; pass None for square pixels.")

        rows, columns = self.size, self.size  # of the resized picture
        box = (0.0, 0.0, float(width), float(height))  # the part of the source that is resized: x0, y0, x1, y1
        if self.fit == "pad":
            rows = max(1, round(self.size * min(1.0, 1 / true_aspect)))
            columns = max(1, round(self.size * min(1.0, true_aspect)))
        elif self.fit == "crop":
            half_width = width * min(1.0, 1 / true_aspect) / 2
            half_height = height * min(1.0, true_aspect) / 2
            box = (width / 2 - half_width, height / 2 - half_height, width / 2 + half_width, height / 2 + half_height)

        source = Image.fromarray(image)  # mode "F"
        resized = np.asarray(source.resize((columns, rows), Image.Resampling.BICUBIC, box=box))
        pixels = np.zeros((self.size, self.size), np.float32)
        top, left = (self.size - rows) // 2, (self.size - columns) // 2
        pixels[top : top + rows, left : left + columns] = resized.clip(0.0, 1.0)  # bicubic overshoots at edges
        return torch.from_numpy(pixels * 2 - 1)[None]

    @staticmethod
    def to_image(pixels: torch.Tensor) -> np.ndarray:
        """Model pixels (1, R, R) in [-1, 1], from any device and dtype, as an array (R, R) float32 in [0, 1].

        Raises:
            ImageError: another shape, or values that are not finite.
        """
        if pixels.ndim != 3 or pixels.shape[0] != 1:
            raise ImageError(f"pixels have shape {tuple(pixels.shape)}; give one image (1, R, R).")
        return check_array(((pixels.detach().float() + 1) / 2).clamp(0, 1)[0].cpu().numpy(), "pixels")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `transform.json`."""
        return dict(config.to_dict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Transform:
        """The inverse of `to_dict`.

        Raises:
            RecipeError: unknown key or wrong value.
        """
        return config.from_dict(cls, data, "transform")
