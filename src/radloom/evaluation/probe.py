"""The probe: how much of the 14 observations a small network reads from codes alone.

What the codes do not say, no language model can read from them. The probe learns on the codes of train and is scored
on those of another split, beside the classifier, which sees the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.codec.network import Codec
from radloom.errors import RadloomError
from radloom.scores.classification import score_auroc
from radloom.scores.statistics import Interval
from radloom.study import OBSERVATIONS
from radloom.training.determinism import seeded

PROBE = "codes probe"
"""What made the scores, in their names."""


@dataclass(frozen=True)
class ProbeConfig:
    """Size and training of a probe.

    Attributes:
        hidden: width of its two convolutions.
        epochs, batch_size, learning_rate, weight_decay: of AdamW with a cosine to 0.
        dropout: of the pooled features.
        seed: of weights and order.
    """

    hidden: int = 96
    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    seed: int = 0


class Probe(nn.Module):
    """Two convolutions over codebook vectors and a pooled linear layer: (b, d, h, w) -> (b, 14) logits."""

    def __init__(self, dim: int, config: ProbeConfig) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(dim, config.hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(config.hidden, 2 * config.hidden, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(4 * config.hidden, len(OBSERVATIONS)))

    def forward(self, vectors: Tensor) -> Tensor:
        maps = self.maps(vectors)
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))  # type: ignore[no-any-return]


@torch.no_grad()
def codes_of(codec: Codec, images: Sequence[Tensor], progress: Callable[[int, int], None] | None = None) -> Tensor:
    """Codes (n, h, w) of pixels (1, R, R) each."""
    device, parts = next(codec.parameters()).device, []
    for start in range(0, len(images), 16):
        stop = min(start + 16, len(images))
        parts.append(codec.encode(torch.stack([images[i] for i in range(start, stop)]).to(device)).cpu())
        if progress:
            progress(stop, len(images))
    return torch.cat(parts)


def train_probe(
    codebook: Tensor, codes: Tensor, labels: np.ndarray, config: ProbeConfig | None = None
) -> Callable[[Tensor], np.ndarray]:
    """Learn to read observations from codes.

    Args:
        codebook: (entries, d).
        codes: (n, h, w).
        labels: (n, 14) 0, 1 or NaN for not known.
        config: of the probe.

    Returns:
        Codes (m, h, w) -> probabilities (m, 14).

    Raises:
        RadloomError: no label is known.
    """
    config = config or ProbeConfig()
    if np.isnan(labels).all():
        raise RadloomError("No label of the training images is known; a probe needs reports or labels in train.")
    codebook = codebook.detach().float().cpu()
    target, known = torch.from_numpy(np.nan_to_num(labels)).float(), torch.from_numpy(~np.isnan(labels)).float()

    def vectors(picks: Tensor) -> Tensor:
        return codebook[picks].permute(0, 3, 1, 2)

    with seeded(config.seed):
        probe = Probe(codebook.shape[1], config)
        optimizer = torch.optim.AdamW(probe.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        steps = config.epochs * -(-len(codes) // config.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(config.epochs):
            for picks in torch.randperm(len(codes)).split(config.batch_size):
                logits = probe(vectors(codes[picks]))
                each = F.binary_cross_entropy_with_logits(logits, target[picks], reduction="none") * known[picks]
                loss = each.sum() / known[picks].sum().clamp_min(1)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    probe.eval()

    @torch.no_grad()
    def read(given: Tensor) -> np.ndarray:
        return torch.cat([probe(vectors(part)).sigmoid() for part in given.split(256)]).numpy()

    return read


def score_probe(
    codebook: Tensor,
    train: tuple[Tensor, np.ndarray],
    held_out: tuple[Tensor, np.ndarray],
    config: ProbeConfig | None = None,
) -> dict[str, Interval | None]:
    """AUROC of each observation read from held-out codes, and their means, by names that end in `PROBE`.

    Args:
        codebook: (entries, d).
        train, held_out: codes (n, h, w) and labels (n, 14) each.
        config: of the probe.

    Raises:
        RadloomError: no label in train is known.
    """
    codes, labels = held_out
    return score_auroc(labels, train_probe(codebook, *train, config)(codes), OBSERVATIONS, PROBE)
