"""Inception v3 as FID has it (Heusel et al. 2017, arXiv 1706.08500), by `torch-fidelity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radloom.scores.adapters.base import ImageAdapter, device, no_file, uint8

if TYPE_CHECKING:
    import torch

_RELEASE = "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0"


class Inception(ImageAdapter):
    """2048 features of the network that FID was made with; it sees photographs, not X-rays, in everything."""

    name = "inception"
    weights = "weights-inception-2015-12-05-6726825d.pth"
    package = "torch_fidelity"
    distribution = "torch-fidelity"
    install = "pip install torch-fidelity==0.4.0"

    @classmethod
    def missing(cls) -> list[str]:
        return no_file(_file(cls.weights), _RELEASE)

    def __init__(self) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        network = FeatureExtractorInceptionV3(
            name="inception-v3-compat",
            features_list=["2048"],
            feature_extractor_weights_path=str(_file(self.weights)),  # without a path it downloads
        )
        self._network = network.to(device()).eval()

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        (features,) = self._network(uint8(pixels).expand(-1, 3, -1, -1))  # it scales to 299 x 299 itself, as FID's did
        return features


def _file(name: str) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / name
