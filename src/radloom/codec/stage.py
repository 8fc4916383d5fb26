"""Training of the codec: reconstruction losses, then discriminators ramped in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radloom.classifier.network import PYRAMID
from radloom.classifier.saliency import as_pixels
from radloom.codec.discriminator import PatchDiscriminator, ProjectedDiscriminator, hinge, mean_logit
from radloom.codec.losses import Distiller, ReconstructionLoss, same_crop
from radloom.codec.network import Codec, save_codec
from radloom.corpora.images import XrayImages
from radloom.imaging import sheet
from radloom.scores.images import psnr, ssim
from radloom.training import Clock, LoopConfig, Loss, Stage, decay_groups

ADVERSARIES = ("adversarial", "projected")
"""Discriminators, by the names of their weights."""

JUDGED_LEVELS = 4
"""Feature maps that the projected discriminator sees: strides 2 to 16."""


class CodecStage(Stage):
    """Trains encoder, codebook, decoder and the discriminators whose weight is not 0.

    Args:
        codec: the network to train; with frozen codes its decoder alone.
        loss: reconstruction terms and all weights.
        train, val: X-rays.
        salient: number of an X-ray of `train` -> (h, w) weights of its cells in `l1` and commitment;
            None for even ones.
    """

    def __init__(
        self,
        codec: Codec,
        loss: ReconstructionLoss,
        train: XrayImages,
        val: XrayImages,
        salient: Callable[[int], Tensor] | None = None,
    ) -> None:
        self.train, self.val, self.loss, self.salient = train, val, loss, salient
        # a quarter faster on a CPU
        self.modules = {"codec": codec.to(memory_format=torch.channels_last)}  # type: ignore[call-overload]
        if loss.weights.distilled:
            self.modules["distiller"] = Distiller(codec.config.code_dim)
        if loss.weights.adversarial:
            self.modules["adversarial"] = PatchDiscriminator()
        if loss.weights.projected:
            self.modules["projected"] = ProjectedDiscriminator(PYRAMID[:JUDGED_LEVELS])

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {name: decay_groups(module, config.weight_decay) for name, module in self.modules.items()}

    def items(self) -> int:
        return len(self.train)

    def item(self, index: int, epoch: int) -> dict[str, Tensor]:
        cells = {} if self.salient is None else {"cells": self.salient(index)}
        return {"pixels": self.train[index], **cells}

    def collate(self, items: list[Any]) -> dict[str, Any]:
        return {key: torch.stack([item[key] for item in items]) for key in items[0]}

    def describe(self, index: int, epoch: int = 0) -> str:
        return self.train.name(index)

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        weights, pixels = self.loss.weights, batch["pixels"]
        self.loss.to(pixels.device)
        output = self.modules["codec"](pixels)
        cells = batch.get("cells")  # (b, h, w)
        total, terms = self.loss(pixels, output.pixels, None if cells is None else as_pixels(cells, pixels.shape[-1]))
        commitment = (output.commitment if cells is None else output.commitment * cells).mean()
        total = total + weights.commitment * commitment
        terms |= {"commitment": commitment, "used_in_batch": _share_used(output.codes, self._codes)}
        if "distiller" in self.modules and self.loss.classifier is not None:
            with torch.no_grad():
                target = self.loss.classifier.pyramid(pixels, pixels.shape[-1])[-1]
            terms["distilled"] = self.modules["distiller"](output.vectors, target)
            total = total + weights.distilled * terms["distilled"]
        done = clock.step / clock.steps - weights.adversarial_start
        adversaries = {k: v for k, v in self.modules.items() if k in ADVERSARIES} if done >= 0 else {}
        if not adversaries:
            yield Loss(total, terms)
            return
        ramp = min(1.0, done / max(weights.adversarial_ramp, 1e-9))
        real, fake = same_crop(pixels, output.pixels, weights.crop)
        seen = {name: self._seen(name, fake) for name in adversaries}
        for name, adversary in adversaries.items():
            adversary.requires_grad_(False)
            terms[name] = -mean_logit(adversary(seen[name]))
            adversary.requires_grad_(True)
            total = total + getattr(weights, name) * ramp * terms[name]
        yield Loss(total, terms)
        for name, adversary in adversaries.items():
            with torch.no_grad():
                real_seen = self._seen(name, real)
            judged = adversary(real_seen), adversary([m.detach() for m in seen[name]])
            loss = hinge(*judged)
            logged = (loss, *map(mean_logit, judged))
            yield Loss(loss, {f"{name}/{k}": v for k, v in zip(("discriminator", "real", "fake"), logged, strict=True)})

    def _seen(self, name: str, crop: Tensor) -> list[Tensor]:
        """The maps that a discriminator is shown of a crop: its pixels, or their features."""
        if name != "projected" or self.loss.imagenet is None:
            return [crop]
        return self.loss.imagenet.pyramid(crop.expand(-1, 3, -1, -1), JUDGED_LEVELS)

    @property
    def _codes(self) -> int:
        return len(self._codec.quantiser.codebook)

    @property
    def _codec(self) -> Codec:
        codec: Any = self.modules["codec"]
        return getattr(codec, "module", codec)

    def evaluate(self) -> dict[str, float]:
        """PSNR, SSIM and codebook usage over val."""
        totals, used, device = [], set(), next(self._codec.parameters()).device
        for start in range(0, len(self.val), 16):
            pixels = torch.stack([self.val[i] for i in range(start, min(start + 16, len(self.val)))])
            output = self.modules["codec"](pixels.to(device))
            used |= set(output.codes.unique().tolist())
            x, y = (pixels + 1) / 2, (output.pixels.cpu().clamp(-1, 1) + 1) / 2
            totals.append((np.asarray(psnr(x, y)), np.asarray(ssim(x, y))))
        peak, similarity = (np.concatenate(part) for part in zip(*totals, strict=True))
        return {"psnr": float(peak.mean()), "ssim": float(similarity.mean()), "codebook_usage": len(used) / self._codes}

    def sample(self) -> np.ndarray | None:
        """Originals above reconstructions."""
        picks = [self.val[i] for i in np.linspace(0, len(self.val) - 1, min(8, len(self.val))).astype(int)]
        pixels = torch.stack(picks).to(next(self._codec.parameters()).device)
        output = self.modules["codec"](pixels).pixels.clamp(-1, 1)
        images = [(p[0].float().cpu().numpy() + 1) / 2 for p in [*pixels, *output]]
        return sheet(images, columns=len(picks))

    def export(self, folder: Path) -> None:
        save_codec(self._codec, self.train.transform, folder)


def _share_used(codes: Tensor, size: int) -> Tensor:
    return torch.tensor(len(codes.unique()) / size)
