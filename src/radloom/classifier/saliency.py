"""Saliency: where in an X-ray the clinical network finds what it finds.

MAViLT (arXiv 2502.05926) weighs tokens by clinical gradients and leaves open how. Here it is the gradient of the
classifier's evidence with respect to the image (Simonyan et al. 2014, arXiv 1312.6034), or Grad-CAM (Selvaraju et al.
2017, arXiv 1610.02391), over the cells of the codec's grid: a weight for the reconstruction of each cell's pixels, for
its code's commitment, and for its token in the language model's loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radloom.classifier.model import ClinicalClassifier
from radloom.errors import RadloomError, RecipeError, did_you_mean
from radloom.study import OBSERVATIONS, SIGNS

CELL = 16
"""Side in pixels of a cell: the codec's stride. Single pixels of a gradient are noise."""


class SaliencyMethod(StrEnum):
    """What is taken for saliency: the gradient at the pixels, or Grad-CAM."""

    GRADIENT = "gradient"
    GRAD_CAM = "grad-cam"


@dataclass(frozen=True)
class SaliencyConfig:
    """Weights that follow saliency.

    Attributes:
        classifier: the stage whose classifier finds it.
        share: how much of a weight follows saliency; the rest is the same everywhere.
        method: see `SaliencyMethod`.
    """

    classifier: str
    share: float = 0.5
    method: SaliencyMethod = SaliencyMethod.GRADIENT

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise RecipeError(f"saliency.share is {self.share}; give more than 0 and at most 1, or leave saliency out.")

    def weights(self, cells: Tensor) -> Tensor:
        """Weights, with mean 1, of cells whose saliency has mean 1; any shape."""
        return 1 - self.share + self.share * cells


def check_mapped(names: Sequence[str]) -> None:
    """Pass if there are maps of all of these.

    Raises:
        RadloomError: of one there is none.
    """
    if unknown := [name for name in names if name not in OBSERVATIONS]:
        near, why = did_you_mean(unknown[0], OBSERVATIONS), "; signs have none" if unknown[0] in SIGNS else ""
        raise RadloomError(f"There is no map of {unknown[0]!r}{near}{why}. Maps: {', '.join(OBSERVATIONS)}.")


def saliency(
    classifier: ClinicalClassifier,
    pixels: Tensor,
    observations: Sequence[str] = OBSERVATIONS[1:],
    method: SaliencyMethod | str = SaliencyMethod.GRADIENT,
) -> Tensor:
    """How much each cell of an image speaks for some observations.

    What is differentiated is the sum of softplus(logit) over them, so that what is surely absent weighs nothing.

    Args:
        classifier: in eval mode.
        pixels: (b, 1, R, R) in [-1, 1].
        observations: which; by default all but "No Finding".
        method: see `SaliencyMethod`.

    Returns:
        (b, R / 16, R / 16) float32, none negative, each image's mean 1.

    Raises:
        RadloomError: an unknown observation or method.
    """
    check_mapped(observations)
    if method not in [known.value for known in SaliencyMethod]:
        raise RadloomError(f"Unknown method {method!r}; name one of: {', '.join(SaliencyMethod)}.")
    picks = [OBSERVATIONS.index(o) for o in observations]
    with torch.enable_grad():
        given = pixels.detach().requires_grad_()
        maps = classifier.pyramid(given)[-1]  # (b, c, h, w)
        found = F.softplus(classifier.head(maps.mean((2, 3)))[:, picks]).sum()
        (gradient,) = torch.autograd.grad(found, given if method == SaliencyMethod.GRADIENT else maps)
    if method == SaliencyMethod.GRADIENT:
        cells = F.avg_pool2d(gradient.abs(), CELL)
    else:
        active = F.relu((gradient.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True))
        cells = as_pixels(active[:, 0], pixels.shape[-1] // CELL)[:, None]
    cells = cells[:, 0].float()
    mean = cells.mean((1, 2), keepdim=True)
    return torch.where(mean > 0, cells / mean.clamp_min(1e-12), 1.0)


def as_pixels(cells: Tensor, side: int) -> Tensor:
    """Cells (b, h, w) -> (b, side, side), bilinear."""
    return F.interpolate(cells[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]


def overlay(image: np.ndarray, cells: np.ndarray, strongest: float = 4.0) -> np.ndarray:
    """An X-ray with saliency over it.

    Args:
        image: (R, R) in [0, 1].
        cells: (h, w), with mean 1.
        strongest: saliency that is drawn in full; the same for all images, so that they compare.

    Returns:
        (R, R, 3) float32 in [0, 1]: grey where saliency is low, then amber, then red.
    """
    smooth = as_pixels(torch.as_tensor(cells, dtype=torch.float32)[None], len(image))[0].numpy()
    heat = np.clip((smooth - 1) / (strongest - 1), 0, 1)[..., None]
    colour = np.array([1.0, 0.75, 0.1]) * (1 - heat) + np.array([1.0, 0.1, 0.05]) * heat
    cover = 0.65 * np.sqrt(heat)
    return (image[..., None] * (1 - cover) + colour * cover * (0.35 + 0.65 * image[..., None])).astype(np.float32)
