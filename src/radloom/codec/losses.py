"""Reconstruction losses of the codec, each a named term.

- `l1`: mean |x - x'|; with saliency, weighed pixel by pixel.
- `gradient`: mean ||grad x - grad x'||^2 over horizontal and vertical differences (MAViLT, arXiv 2502.05926).
- `perceptual`: squared distance of channel-normalised feature maps, as LPIPS without its learned weights (Zhang et al.
  2018, arXiv 1801.03924), over several layers of an ImageNet network, on a random crop at full resolution.
- `lpips`: LPIPS itself, with the package `lpips` and its VGG weights where they are on the machine; off by default.
- `clinical`: the same over several layers of the clinical classifier, on the whole image.
- `distilled`: 1 - cosine between the classifier's last feature map and what a small head makes of the codes for it, as
  in VQ-KD (BEiT v2, Peng et al. 2022, arXiv 2208.06366): codes that must tell what the classifier sees.
- `phi`: squared distance of the classifier's pooled features, LLM-CXR's clinical-information-preserving loss
  (arXiv 2305.11490, section 3.1), as a mean over features.

Pixels are (b, 1, R, R) in [-1, 1].
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.classifier.model import ClinicalClassifier
from radloom.classifier.network import FEATURES, EfficientNetLite
from radloom.errors import MissingPackageError, RecipeError

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; a term of weight 0 is not computed.

    Attributes:
        adversarial, projected: weight of the generator's hinge loss against the discriminator of pixels and of ImageNet
            features, once it is ramped in.
        adversarial_start, adversarial_ramp: shares of training at which the discriminators start, and over which the
            generator's weights rise from 0.
        crop: side in pixels of the random crop that the ImageNet network, LPIPS and the discriminators see.
        clinical_size: side to which the image is scaled for the clinical network.
    """

    l1: float = 1.0
    gradient: float = 1.0
    commitment: float = 0.25
    perceptual: float = 1.0
    lpips: float = 0.0
    clinical: float = 1.0
    phi: float = 1.0
    adversarial: float = 0.1
    projected: float = 0.0
    distilled: float = 0.0
    adversarial_start: float = 0.25
    adversarial_ramp: float = 0.25
    crop: int = 128
    clinical_size: int = 160


def gradient_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference of the images' horizontal and vertical first differences."""
    d = x - y
    return (d[..., 1:] - d[..., :-1]).square().mean() + (d[..., 1:, :] - d[..., :-1, :]).square().mean()


def feature_distance(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """Mean over layers of the squared distance of feature maps (b, c, h, w) normalised along channels."""
    terms = []
    for a, b in zip(ours, theirs, strict=True):
        terms.append((_unit(a) - _unit(b)).square().sum(1).mean())
    return torch.stack(terms).mean()


class ReconstructionLoss(nn.Module):
    """The reconstruction terms; its two networks are frozen and not part of its state.

    Args:
        weights: of each term.
        imagenet: for `perceptual` and the projected discriminator; None needs their weights to be 0.
        classifier: for `clinical` and `phi`; None needs their weights to be 0.
        lpips: for `lpips`, two batches (b, 3, R, R) -> one distance each; None needs its weight to be 0.

    Raises:
        RecipeError: a weight is not 0 and its network is None.
    """

    def __init__(
        self,
        weights: LossWeights,
        imagenet: EfficientNetLite | None = None,
        classifier: ClinicalClassifier | None = None,
        lpips: nn.Module | None = None,
    ) -> None:
        super().__init__()
        needed = (
            ("perceptual", imagenet),
            ("projected", imagenet),
            ("clinical", classifier),
            ("phi", classifier),
            ("distilled", classifier),
            ("lpips", lpips),
        )
        for name, network in needed:
            if getattr(weights, name) and network is None:
                raise RecipeError(f"The codec's loss {name!r} has a weight but no network; name one, or set it to 0.")
        self.weights = weights
        self.imagenet = _frozen(imagenet)
        self.classifier = _frozen(classifier)
        self.lpips = _frozen(lpips)

    def forward(
        self, pixels: Tensor, output: Tensor, salient: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted total and the unweighted terms.

        Args:
            pixels, output: original and reconstruction, (b, 1, R, R).
            salient: (b, R, R) weight of each pixel in `l1`; 1 for all if None.
        """
        w = self.weights
        terms: dict[str, Tensor] = {}
        if w.l1:
            error = (output - pixels).abs()
            terms["l1"] = (error if salient is None else error * salient[:, None]).mean()
        if w.gradient:
            terms["gradient"] = gradient_loss(output, pixels)
        if self.imagenet is not None and w.perceptual:
            ours, theirs = same_crop(output, pixels, w.crop)
            with torch.no_grad():
                target = self.imagenet.pyramid(theirs.expand(-1, 3, -1, -1), 4)
            terms["perceptual"] = feature_distance(self.imagenet.pyramid(ours.expand(-1, 3, -1, -1), 4), target)
        if self.lpips is not None and w.lpips:
            ours, theirs = (crop.expand(-1, 3, -1, -1) for crop in same_crop(output, pixels, w.crop))
            terms["lpips"] = self.lpips(ours, theirs).float().mean()
        if self.classifier is not None and (w.clinical or w.phi):
            with torch.no_grad():
                target = self.classifier.pyramid(pixels, w.clinical_size)
            ours_maps = self.classifier.pyramid(output, w.clinical_size)
            if w.clinical:
                terms["clinical"] = feature_distance(ours_maps[1:], target[1:])
            if w.phi:
                terms["phi"] = (_pooled(ours_maps[-1]) - _pooled(target[-1])).square().mean()
        total = sum((getattr(w, name) * term for name, term in terms.items()), start=output.new_zeros(()))
        return total, terms


class Distiller(nn.Module):
    """From codebook vectors (b, d, h, w) to the classifier's last feature map at half of that side."""

    def __init__(self, dim: int, features: int = FEATURES, hidden: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(dim, hidden, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2), nn.Conv2d(hidden, features, 1)
        )

    def forward(self, vectors: Tensor, target: Tensor) -> Tensor:
        """Mean of 1 - cosine over places; the target (b, features, h', w') is pooled to the same side."""
        told = self.layers(vectors).float()
        target = F.adaptive_avg_pool2d(target.float(), told.shape[-2:])
        return (1 - F.cosine_similarity(told, target, dim=1)).mean()


def load_lpips() -> nn.Module:
    """LPIPS with VGG-16 (Zhang et al. 2018, arXiv 1801.03924), from the package `lpips`; nothing is downloaded.

    Raises:
        MissingPackageError: the package, or VGG's weights in torch's cache, are not on this machine.
    """
    weights = Path(torch.hub.get_dir()) / "checkpoints" / "vgg16-397923af.pth"
    if importlib.util.find_spec("lpips") is None or not weights.is_file():
        raise MissingPackageError(
            f"The codec's loss 'lpips' needs the package lpips (`pip install lpips`) and {weights}; put them there, or "
            "set loss.lpips to 0."
        )
    network: nn.Module = importlib.import_module("lpips").LPIPS(net="vgg", verbose=False)
    return network


def same_crop(x: Tensor, y: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """A square of `side` pixels at a random place, the same of both images."""
    top, left = (int(torch.randint(0, n - min(side, n) + 1, ())) for n in x.shape[-2:])
    return x[..., top : top + side, left : left + side], y[..., top : top + side, left : left + side]


def _unit(x: Tensor) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().sum(1, keepdim=True) + 1e-6)


def _pooled(x: Tensor) -> Tensor:
    return x.float().mean((2, 3))


def _frozen(module: M | None) -> M | None:
    if module is None:
        return None
    return module.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
