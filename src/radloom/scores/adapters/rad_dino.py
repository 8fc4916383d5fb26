"""RAD-DINO (Perez-Garcia et al. 2024, arXiv 2401.10815), by `transformers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radloom.scores.adapters.base import MODEL, ImageAdapter, device, not_cached, uint8

if TYPE_CHECKING:
    import torch


class RadDino(ImageAdapter):
    """768 features: the class token of a ViT trained on X-rays alone."""

    name = "rad-dino"
    weights = "microsoft/rad-dino"
    package = "transformers"
    distribution = "transformers"
    install = "pip install 'transformers>=5'"

    @classmethod
    def missing(cls) -> list[str]:
        return not_cached(cls.weights, "config.json", "preprocessor_config.json", MODEL)

    def __init__(self) -> None:
        from transformers import AutoImageProcessor, AutoModel

        self._processor = AutoImageProcessor.from_pretrained(self.weights, backend="pil")
        self._network = AutoModel.from_pretrained(self.weights).to(device()).eval()

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        from PIL import Image

        pictures = [Image.fromarray(image.numpy()).convert("RGB") for image in uint8(pixels[:, 0]).cpu()]
        inputs = self._processor(pictures, return_tensors="pt").to(device())
        tokens: torch.Tensor = self._network(**inputs).last_hidden_state
        return tokens[:, 0]
