"""The prompt space: frontal view, lateral view and report as vectors of one space.

CLIP (Radford et al. 2021, arXiv 2103.00020) as MedCoDi-M uses it (Molino et al. 2025, arXiv 2501.04614, section 3.1):
one tower for both views, one for reports, symmetric InfoNCE with a learned temperature. Two things differ. The image
tower stands on the frozen clinical classifier, since a few thousand studies do not teach a vision transformer; and
reports are read whole, not cut at 77 tokens.

Shapes: pixels (b, 1, R, R) in [-1, 1] -> regions (b, 4, 1280) -> vectors (b, width) of length 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.classifier.model import ClinicalClassifier
from radloom.classifier.network import FEATURES
from radloom.diffusion.text import PAD
from radloom.study import OBSERVATIONS, View

REGIONS = 4
"""Quarters of an image whose features are pooled apart, so that left and right stay apart."""


_HOTTEST = math.log(100.0)  # CLIP's bound of the logit scale


@dataclass(frozen=True)
class AlignmentConfig:
    """Sizes of the towers.

    Attributes:
        vocabulary: tokens of the report tokenizer.
        width: of the shared space.
        image_width, image_layers: of the image tower.
        text_width, text_layers: of the report tower.
        heads: of both.
        longest: most tokens of a report.
        dropout: of both towers, in training.
    """

    vocabulary: int = 2048
    width: int = 256
    image_width: int = 256
    image_layers: int = 1
    text_width: int = 192
    text_layers: int = 1
    heads: int = 4
    longest: int = 192
    dropout: float = 0.2

    def build(self) -> Alignment:
        return Alignment(self)


@torch.no_grad()
def regions(classifier: ClinicalClassifier, pixels: Tensor) -> Tensor:
    """The classifier's features of the quarters of images: (b, 1, R, R) -> (b, 4, 1280)."""
    maps = F.adaptive_avg_pool2d(classifier.pyramid(pixels)[-1], 2)
    return maps.flatten(2).transpose(1, 2)


class ImageTower(nn.Module):
    """Regions of an image and its view -> a vector."""

    def __init__(self, config: AlignmentConfig) -> None:
        super().__init__()
        width = config.image_width
        self.enter = nn.Sequential(nn.LayerNorm(FEATURES), nn.Dropout(config.dropout), nn.Linear(FEATURES, width))
        self.place = nn.Parameter(torch.randn(REGIONS, width) * 0.02)
        self.view = nn.Embedding(len(View), width)
        self.mix = _layer(width, config)
        self.deeper = nn.ModuleList(_layer(width, config) for _ in range(config.image_layers - 1))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.width))

    def forward(self, features: Tensor, view: Tensor) -> Tensor:
        """Regions (b, 4, 1280) and views (b,) by number -> (b, width)."""
        x = self.enter(features) + self.place + self.view(view)[:, None]
        for layer in (self.mix, *self.deeper):
            x = layer(x)
        return F.normalize(self.leave(x.mean(1)), dim=1)


class ReportTower(nn.Module):
    """Token ids of a report -> a vector."""

    def __init__(self, config: AlignmentConfig) -> None:
        super().__init__()
        width = config.text_width
        self.token = nn.Embedding(config.vocabulary, width, padding_idx=PAD)
        self.place = nn.Parameter(torch.randn(config.longest, width) * 0.02)
        self.drop = nn.Dropout(config.dropout)
        self.mix = nn.ModuleList(_layer(width, config) for _ in range(config.text_layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.width))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (b, n), padded -> (b, width)."""
        there = ids != PAD
        x = self.drop(self.token(ids) + self.place[: ids.shape[1]])
        for layer in self.mix:
            x = layer(x, src_key_padding_mask=~there)
        pooled = (x * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return F.normalize(self.leave(pooled), dim=1)


class Alignment(nn.Module):
    """Both towers, the temperature, and a reading of the 14 observations from any vector."""

    def __init__(self, config: AlignmentConfig) -> None:
        super().__init__()
        self.config = config
        self.images, self.reports = ImageTower(config), ReportTower(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.observations = nn.Linear(config.width, len(OBSERVATIONS))

    @property
    def scale(self) -> Tensor:
        """The inverse temperature."""
        return self.logit_scale.clamp(max=_HOTTEST).exp()

    def forward(self, features: Tensor, view: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of images and of reports."""
        return self.images(features, view), self.reports(ids)


def contrastive_loss(vectors: Sequence[Tensor], there: Sequence[Tensor], scale: Tensor) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al. 2018, arXiv 1807.03748), averaged over all pairs of modalities.

    Args:
        vectors: of each modality, (b, width) of length 1; rows belong together.
        there: of each modality, (b,) whether the row has it; the others neither attract nor repel.
        scale: inverse temperature.

    Returns:
        A scalar; 0 where no pair has two rows to tell apart.
    """
    losses = []
    for (a, has_a), (b, has_b) in combinations(zip(vectors, there, strict=True), 2):
        both = has_a & has_b
        if both.sum() < 2:
            continue
        logits = scale * a[both] @ b[both].T
        target = torch.arange(len(logits), device=logits.device)
        losses.append((F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2)
    return torch.stack(losses).mean() if losses else scale.sum() * 0.0


def mixed(vectors: Sequence[Tensor], weights: Sequence[float | Tensor]) -> Tensor:
    """The prompt of several given parts: the weighted mean of their vectors, scaled to length 1.

    Args:
        vectors: (b, width) each.
        weights: one each, none negative and not all 0; a tensor is (b,).
    """
    total = sum(torch.as_tensor(w, device=v.device).view(-1, 1) * v for v, w in zip(vectors, weights, strict=True))
    return F.normalize(torch.as_tensor(total), dim=1)


def recall_at(queries: Tensor, targets: Tensor, ranks: Sequence[int] = (1, 5, 10)) -> dict[int, float]:
    """Share of queries (n, width) whose own target (n, width) is among the nearest 1, 5, 10; ties count against it."""
    similar = queries @ targets.T
    own = similar.diagonal()[:, None]
    better = (similar >= own).sum(1) - 1
    return {rank: float((better < rank).float().mean()) for rank in ranks}


def _layer(width: int, config: AlignmentConfig) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        width, config.heads, 4 * width, config.dropout, "gelu", batch_first=True, norm_first=True
    )
    layer.self_attn.dropout = 0.0  # no fused kernel of a CPU drops attention weights
    return layer
