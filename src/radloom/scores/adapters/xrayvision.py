"""TorchXRayVision's DenseNet (Cohen et al. 2022, arXiv 2111.00595), by `torchxrayvision`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from radloom.scores.adapters.base import ImageAdapter, device, no_file
from radloom.study import OBSERVATIONS

if TYPE_CHECKING:
    import torch

_SIDE = 224
_RANGE = 1024
_FILE = "nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"

_THEIR_NAMES = {"Pleural Effusion": "Effusion"}
"""Observations that it calls otherwise. Its Pleural_Thickening is less than Pleural Other, its Nodule and Mass each
less than Lung Lesion, which it has as well; it knows no No Finding and no Support Devices."""


class XRayVision(ImageAdapter):
    """A DenseNet-121 trained on seven corpora: 1024 features, and probabilities of what it can name.

    Attributes:
        observations: those of `OBSERVATIONS` that it gives a probability for, in that order.
    """

    name = "xrayvision"
    weights = "densenet121-res224-all"
    package = "torchxrayvision"
    distribution = "torchxrayvision"
    install = "pip install torchxrayvision==1.5.7"

    @classmethod
    def missing(cls) -> list[str]:
        folder = Path.home() / ".torchxrayvision" / "models_data"
        return no_file(folder / _FILE, "https://github.com/mlmed/torchxrayvision/releases/tag/v1")

    def __init__(self) -> None:
        from torchxrayvision.models import DenseNet

        self._network = DenseNet(weights=self.weights).to(device()).eval()
        names = {observation: _THEIR_NAMES.get(observation, observation) for observation in OBSERVATIONS}
        known = list(self._network.targets)
        self.observations = tuple(observation for observation, name in names.items() if name in known)
        self._columns = [known.index(names[observation]) for observation in self.observations]

    def probabilities(self, pixels: np.ndarray | torch.Tensor) -> np.ndarray:
        """Probability of each of `observations`, (n, k), scaled as the package does: 0.5 is its operating point.

        Args:
            pixels: (n, 1, h, w), floating, in [0, 1].

        Raises:
            RadloomError: as `features`.
        """
        return self._by_image("probabilities", pixels, self._probabilities, len(self.observations))

    def _probabilities(self, pixels: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = self._network(_prepared(pixels))[:, self._columns]
        return given

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self._network.features2(_prepared(pixels))
        return features


def _prepared(pixels: torch.Tensor) -> torch.Tensor:
    """The square in the middle, 224 x 224, in [-1024, 1024]."""
    from torch.nn.functional import interpolate

    height, width = pixels.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[..., top : top + side, left : left + side]
    return interpolate(square, size=(_SIDE, _SIDE), mode="bilinear", antialias=True) * 2 * _RANGE - _RANGE
