"""The clinical classifier: 14 observations and the view from one X-ray.

Its pooled features are phi of the codec's clinical loss, its feature maps a part of the perceptual loss, its logits
the yardstick for what reconstructions and drawn images show.

Shapes: pixels (b, 1, R, R) in [-1, 1] -> logits (b, 15): `OBSERVATIONS` in order, then "lateral".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom import checkpoint
from radloom.classifier.network import FEATURES, EfficientNetLite, load_imagenet
from radloom.config import from_dict, to_dict
from radloom.imaging import Transform
from radloom.study import OBSERVATIONS, Mention, View

OUTPUTS = (*OBSERVATIONS, "lateral")


@dataclass(frozen=True)
class ClassifierConfig:
    """Sizes of the classifier.

    Attributes:
        size: side in pixels that images are scaled to.
        dropout: of the pooled features, in training.
    """

    size: int = 224
    dropout: float = 0.2

    def build(self) -> ClinicalClassifier:
        return ClinicalClassifier(self)


class ClinicalClassifier(nn.Module):
    """EfficientNet-Lite0 with one logit for each observation and one for the lateral view."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.network = EfficientNetLite()
        self.head = nn.Linear(FEATURES, len(OUTPUTS))

    @classmethod
    def from_imagenet(cls, config: ClassifierConfig) -> ClinicalClassifier:
        """A network with ImageNet weights and a fresh head."""
        model = cls(config)
        load_imagenet(model.network)
        nn.init.zeros_(model.head.weight)
        nn.init.zeros_(model.head.bias)
        return model

    def pyramid(self, pixels: Tensor, size: int | None = None) -> list[Tensor]:
        """Feature maps at strides 2, 4, 8, 16 and 32 of the image scaled to `size` (default: the training size)."""
        size = size or self.config.size
        if pixels.shape[-1] != size:
            pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return self.network.pyramid(pixels.expand(-1, 3, -1, -1))

    def features(self, pixels: Tensor) -> Tensor:
        """Pooled features (b, 1280)."""
        return self.pyramid(pixels)[-1].mean((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        features = F.dropout(self.features(pixels), self.config.dropout, self.training)
        return self.head(features).float()

    @torch.no_grad()
    def probabilities(self, pixels: Tensor) -> Tensor:
        """(b, 15) in [0, 1]: `OUTPUTS` in order."""
        return self(pixels).sigmoid()

    def views(self, pixels: Tensor) -> list[View]:
        """The view of each image, as the network sees it."""
        return [View.LATERAL if p > 0.5 else View.FRONTAL for p in self.probabilities(pixels)[:, -1].tolist()]


def targets(labels: dict[str, Mention], *, has_report: bool, view: View) -> tuple[Tensor, Tensor]:
    """Targets (15,) in {0, 1} and weights (15,) of an image.

    Uncertain mentions weigh nothing. An observation that a report does not mention counts as absent; without a report
    (labels that come as a list of classes) it weighs nothing.
    """
    values = [float(labels.get(o) is Mention.POSITIVE) for o in OBSERVATIONS] + [float(view is View.LATERAL)]
    weights = []
    for observation in OBSERVATIONS:
        mention = labels.get(observation)
        known = mention in (Mention.POSITIVE, Mention.NEGATIVE) or (mention is None and has_report)
        weights.append(float(known))
    return torch.tensor(values), torch.tensor([*weights, 1.0])


def save_classifier(model: ClinicalClassifier, transform: Transform, folder: Path, card: str | None = None) -> Path:
    """Write classifier and transform as a checkpoint folder."""
    return checkpoint.save(
        folder, "classifier", to_dict(model.config), model.state_dict(), transform=transform.to_dict(), card=card
    )


def load_classifier(folder: Path | str) -> tuple[ClinicalClassifier, Transform]:
    """Read classifier (eval mode) and transform back, strictly.

    Raises:
        CheckpointError: no classifier there, or one that does not fit.
    """
    config = from_dict(ClassifierConfig, checkpoint.read_config(folder, "classifier"), "config")
    transform = Transform.from_dict(checkpoint.read_transform(folder))
    with torch.device("meta"):
        model = config.build()
    model = model.to_empty(device="cpu")
    checkpoint.load_state(model, folder)
    return model.eval(), transform
