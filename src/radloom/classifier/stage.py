"""Training of the clinical classifier from ImageNet weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from radloom.classifier.augment import augment
from radloom.classifier.model import OUTPUTS, ClinicalClassifier, save_classifier, targets
from radloom.corpora.images import XrayImages
from radloom.scores.classification import auroc
from radloom.training import Clock, LoopConfig, Loss, Stage, decay_groups


class ClassifierStage(Stage):
    """Fine-tunes a classifier on the labels of reports and label lists.

    Args:
        classifier: what is tuned; `ClinicalClassifier.from_imagenet` makes a new one.
        train, val: images with their studies' labels.
        seed: of the augmentation.
    """

    def __init__(self, classifier: ClinicalClassifier, train: XrayImages, val: XrayImages, seed: int = 0) -> None:
        self.train, self.val, self.seed = train, val, seed
        # a step of eight takes half as long on a CPU, one of 32 two thirds
        self.modules = {"classifier": classifier.to(memory_format=torch.channels_last)}  # type: ignore[call-overload]

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {"classifier": decay_groups(self.modules["classifier"], config.weight_decay)}

    def items(self) -> int:
        return len(self.train)

    def item(self, index: int, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        return augment(self.train[index], self.seed, epoch, index), *_targets(self.train, index)

    def collate(self, items: list[Any]) -> dict[str, Any]:
        pixels, values, weights = (torch.stack(part) for part in zip(*items, strict=True))
        return {"pixels": pixels, "targets": values, "weights": weights}

    def describe(self, index: int, epoch: int = 0) -> str:
        return self.train.name(index)

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        logits = self.modules["classifier"](batch["pixels"])
        each = F.binary_cross_entropy_with_logits(logits, batch["targets"], reduction="none") * batch["weights"]
        observations = each[:, :-1].sum() / batch["weights"][:, :-1].sum().clamp_min(1)
        view = each[:, -1].mean()
        yield Loss(observations + 0.1 * view, {"observations": observations, "view": view})

    def evaluate(self) -> dict[str, float]:
        """AUROC of every output that has both classes in val, and the mean over those that are observations."""
        predicted, values, weights = predict(self.modules["classifier"], self.val)
        scores = {}
        for i, name in enumerate(OUTPUTS):
            known = weights[:, i] > 0
            value = auroc(values[known, i].numpy(), predicted[known, i].numpy())
            if value is not None:
                scores[f"auroc[{name}]"] = value
        observations = [v for k, v in scores.items() if k != "auroc[lateral]"]
        mean = {"auroc[mean]": sum(observations) / len(observations)} if observations else {}
        return mean | scores

    def export(self, folder: Path) -> None:
        model: Any = self.modules["classifier"]
        save_classifier(getattr(model, "module", model), self.train.transform, folder)


@torch.no_grad()
def predict(model: Any, images: XrayImages, batch_size: int = 32) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, targets and weights (n, 15) of the images; `model` should be in eval mode."""
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(images), batch_size):
        indices = range(start, min(start + batch_size, len(images)))
        logits = model(torch.stack([images[i] for i in indices]).to(device)).float().cpu()
        values, weights = (torch.stack(part) for part in zip(*(_targets(images, i) for i in indices), strict=True))
        parts.append((logits, values, weights))
    logits, values, weights = (torch.cat(part) for part in zip(*parts, strict=True))
    return logits, values, weights


def _targets(images: XrayImages, index: int) -> tuple[Tensor, Tensor]:
    _, row, ref = images.entries[index]
    return targets(row.labels, has_report=bool(row.report), view=ref.view)
