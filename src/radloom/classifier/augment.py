"""Light augmentation of X-rays: a small rotation, scaling, shift and change of contrast; never a flip.

A flip would move the heart to the right. Everything drawn is a pure function of the key.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def augment(pixels: Tensor, *key: int, degrees: float = 8, scale: float = 0.1, shift: float = 0.05) -> Tensor:
    """Pixels (1, R, R) in [-1, 1], changed as `key` says.

    Args:
        pixels: the image.
        key: integers, for example (seed, epoch, index).
        degrees: largest rotation.
        scale: largest relative change of size.
        shift: largest shift, as a share of the side.
    """
    rng = np.random.default_rng(key)
    angle, zoom, dx, dy = rng.uniform(-1, 1, 4)
    gamma, gain = np.exp(rng.uniform(-0.25, 0.25)), rng.uniform(0.85, 1.1)
    angle, zoom = math.radians(degrees * angle), 1 + scale * zoom
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    theta = torch.tensor([[[cos, -sin, 2 * shift * dx], [sin, cos, 2 * shift * dy]]], dtype=pixels.dtype)
    unit = (pixels[None] + 1) / 2
    grid = F.affine_grid(theta, [1, *pixels.shape], align_corners=False)
    moved = F.grid_sample(unit, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    return (gain * moved.clamp(0, 1) ** gamma).clamp(0, 1) * 2 - 1
