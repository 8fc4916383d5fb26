"""BioViL-T (Bannur et al. 2023, arXiv 2301.04558), by `hi-ml-multimodal`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.adapters.base import MODEL, TOKENIZER, ImageAdapter, cached, device, not_cached, running, uint8

if TYPE_CHECKING:
    import torch

_TAG = "v1.0"
_IMAGE_FILE = "biovil_t_image_model_proj_size_128.pt"
_WIDTH = 128


class BioVilT(ImageAdapter):
    """Images and texts in one space of 128 dimensions; vectors have length 1. No earlier image is given."""

    name = "biovil-t"
    weights = "microsoft/BiomedVLP-BioViL-T"
    package = "health_multimodal"
    distribution = "hi-ml-multimodal"
    install = "pip install hi-ml-multimodal==0.2.2"

    @classmethod
    def missing(cls) -> list[str]:
        return not_cached(cls.weights, "config.json", _IMAGE_FILE, TOKENIZER, MODEL, revision=_TAG)

    def __init__(self) -> None:
        from health_multimodal.image.data.transforms import create_chest_xray_transform_for_inference
        from health_multimodal.image.model import ImageEncoderType, ImageModel
        from health_multimodal.text import get_bert_inference

        # `get_image_inference` would download into the folder for temporary files; this is what it makes.
        network = ImageModel(
            img_encoder_type=ImageEncoderType.RESNET50_MULTI_IMAGE,
            joint_feature_size=_WIDTH,
            pretrained_model_path=cached(self.weights, _IMAGE_FILE, _TAG),
        )
        self._network = network.to(device()).eval()
        self._transform = create_chest_xray_transform_for_inference(resize=512, center_crop_size=448)
        self._texts = get_bert_inference()  # BioViL-T's is the default
        self._texts.model.to(device()).eval()

    def similarity(self, pixels: np.ndarray | torch.Tensor, texts: Sequence[str]) -> np.ndarray:
        """Cosine of each image with each text, (n, m).

        Args:
            pixels: (n, 1, h, w), floating, in [0, 1].
            texts: m of them.

        Raises:
            RadloomError: no texts; else as `features`.
        """
        if not texts:
            raise RadloomError("BioViL-T compares images with texts, got no text; give one or more.")
        return self.features(pixels) @ self._embeddings(texts).T

    def _embeddings(self, texts: Sequence[str]) -> np.ndarray:
        with running(self.name):
            parts = [
                self._texts.get_embeddings_from_prompt(list(texts[i : i + self.batch]), normalize=True, verbose=False)
                for i in range(0, len(texts), self.batch)
            ]
            rows = np.concatenate([part.float().cpu().numpy() for part in parts])
        return self._checked("text embeddings", rows, len(texts), _WIDTH)

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        import torch
        from health_multimodal.image.data.io import remap_to_uint8
        from PIL import Image

        pictures = [Image.fromarray(remap_to_uint8(image.numpy())) for image in uint8(pixels[:, 0]).cpu()]
        inputs = torch.stack([self._transform(picture) for picture in pictures]).to(device())
        return torch.nn.functional.normalize(self._network(inputs).projected_global_embedding, dim=-1)
