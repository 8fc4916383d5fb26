"""What a trainable stage gives to the loop: modules, data, losses; the loop knows nothing of X-rays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import Tensor, nn

from radloom.errors import RecipeError


class Loss(NamedTuple):
    """One backward pass.

    Attributes:
        total: the scalar that is differentiated.
        terms: every part of it by name, detached or not; all are logged.
    """

    total: Tensor
    terms: dict[str, Tensor]


class Clock(NamedTuple):
    """Where training stands: optimizer steps done, of how many, and the epoch."""

    step: int
    steps: int
    epoch: int


LOSSES = ("loss", "nats")
"""What the names of scores begin with of which the lowest is the best."""

CHANGEABLE = ("log_every", "save_minutes", "workers")
"""Settings of a loop that may be others when it is gone on with: the weights are the same."""


@dataclass(frozen=True)
class LoopConfig:
    """How a stage is trained.

    Attributes:
        steps: optimizer steps.
        batch_size: items a process and backward pass.
        learning_rate: at its peak.
        warmup: steps of linear warm-up; a cosine falls to `final` x the peak after it.
        accumulate: backward passes an optimizer step.
        betas, weight_decay: of AdamW; norms, biases and embeddings are not decayed.
        clip: largest gradient norm.
        ema: decay of the exponential moving average of the weights, or None.
        precision: of the networks; weights and optimizer are always float32. `"bf16"` runs under autocast, `"fp32"`
            without, `"auto"` is bf16 where the hardware multiplies it.
        seed: of the data order and everything else random.
        log_every, save_minutes: how often a log line and a checkpoint are written.
        evaluate_every, sample_every: steps between evaluations and sample pictures; 0 is only at the end.
        best: a score of the stage's evaluations; the weights that had the best are exported, not the last.
        highest_is_best: whether the highest of it is the best; by default of all but losses (`LOSSES`).
        workers: processes that load data; 0 is in the training process.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 100
    final: float = 0.05
    accumulate: int = 1
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float | None = None
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0
    log_every: int = 20
    save_minutes: float = 2.0
    evaluate_every: int = 0
    sample_every: int = 0
    best: str | None = None
    highest_is_best: bool | None = None
    workers: int = 0

    @property
    def keeps_highest(self) -> bool:
        """Whether the highest value of `best` is kept."""
        loss = bool(self.best) and str(self.best).startswith(LOSSES)
        return not loss if self.highest_is_best is None else self.highest_is_best

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "log_every"):
            if getattr(self, name) < 1:
                raise RecipeError(f"train.{name} is {getattr(self, name)}; give 1 or more.")
        if not self.learning_rate > 0:
            raise RecipeError(f"train.learning_rate is {self.learning_rate}; give more than 0.")
        if self.best and not self.evaluate_every:
            raise RecipeError(
                f"train.best is {self.best!r}, but nothing is evaluated before the end; set evaluate_every."
            )


class Stage(ABC):
    """One trainable part of a recipe.

    Subclasses fill `modules`, whose members are trained or carried along with the training state; everything else
    they hold is frozen. The loop replaces the members of `modules` by their wrapped selves (DDP, FSDP), so losses call
    them as `self.modules["codec"](...)` and through `forward` alone.
    """

    modules: dict[str, nn.Module]

    @abstractmethod
    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        """Parameter groups of each optimizer, by its name; a group may set `lr_scale` and `weight_decay`."""

    @abstractmethod
    def items(self) -> int:
        """How many items an epoch has."""

    @abstractmethod
    def item(self, index: int, epoch: int) -> Any:
        """Item `index` of `epoch`: a pure function of both, whatever randomness it has."""

    @abstractmethod
    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Items -> a batch of tensors."""

    @abstractmethod
    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        """The losses of a batch; the loop runs backward on each before it asks for the next.

        Gradients of all losses add up and every optimizer steps once after the last, so a loss that must not move a
        module (the discriminator, when the generator learns) freezes it while it is computed.
        """

    def lengths(self) -> Sequence[int] | None:
        """Length of each item, if batches should be of similar lengths."""
        return None

    def describe(self, index: int, epoch: int = 0) -> str:
        """Name of an item as it is in an epoch, for error messages."""
        return str(index)

    def evaluate(self) -> dict[str, float]:
        """Scores on held-out data with the modules as they stand (the averaged weights, if there are any)."""
        return {}

    def sample(self) -> np.ndarray | None:
        """A picture (H, W) in [0, 1] that shows how far training is, or None."""
        return None

    @abstractmethod
    def export(self, folder: Path) -> None:
        """Write the finished checkpoint."""


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: matrices and kernels decayed, norms, biases and embeddings not."""
    embeddings = {id(p) for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in module.parameters():
        if parameter.requires_grad:
            (free if parameter.ndim < 2 or id(parameter) in embeddings else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return [g for g in groups if g["params"]]
