"""A stage so small that the loop can be tested in milliseconds; as a script, it trains in a process of its own.

python toy_stage.py FOLDER '{"steps": 9}' '{"seconds": 0.1}'    # changes of `toy_config`, arguments of `ToyStage`
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from radloom.training import Clock, LoopConfig, Loss, Stage, decay_groups, fit


class Tied(nn.Module):
    """Two layers that share one weight, as the embeddings of many language models do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).tanh())


def dropout_network() -> nn.Module:
    """Everything that makes a resume hard: dropout, batch statistics and weights to average."""
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 1))


def plain_network() -> nn.Module:
    """Nothing random, and no member of a batch that another one notices."""
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"dropout": dropout_network, "plain": plain_network, "tied": Tied}


class ToyStage(Stage):
    """Regression on made-up numbers.

    Args:
        network: which of `NETWORKS` is trained.
        seed: of its first weights.
        count: items.
        nan_item, inf_item: an item whose input is NaN, or whose gradient is infinite.
        seconds: what an item takes.
    """

    def __init__(
        self,
        network: str = "dropout",
        seed: int = 0,
        count: int = 11,
        nan_item: int | None = None,
        inf_item: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        torch.manual_seed(seed)
        self.modules = {"net": NETWORKS[network]()}
        self.count, self.nan_item, self.inf_item, self.seconds = count, nan_item, inf_item, seconds
        self.seen: list[dict[str, Tensor]] = []
        self.modes: list[tuple[bool, bool]] = []
        self.exported: dict[str, Tensor] = {}

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {"net": decay_groups(self.modules["net"], config.weight_decay)}

    def items(self) -> int:
        return self.count

    def item(self, index: int, epoch: int) -> Tensor:
        time.sleep(self.seconds)
        x = torch.from_numpy(np.random.default_rng((index, epoch)).normal(size=6).astype(np.float32))
        return x * float("nan") if index == self.nan_item else x

    def collate(self, items: list[Any]) -> dict[str, Any]:
        return {"x": torch.stack(items)}

    def describe(self, index: int, epoch: int = 0) -> str:
        return f"item-{index} of epoch {epoch}"

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        self.seen.append(self.weights())
        x = batch["x"]
        y = self.modules["net"](x)
        if self.inf_item is not None and clock.epoch == 0 and self._holds(x, self.inf_item):
            y.register_hook(lambda gradient: torch.full_like(gradient, float("inf")))
        loss = (y.mean(1) - x.sum(1).sin()).square().mean()
        yield Loss(loss, {"mse": loss})

    def _holds(self, x: Tensor, index: int) -> bool:
        return bool((x == self.item(index, 0).to(x.device)).all(1).any())

    def weights(self) -> dict[str, Tensor]:
        return {k: v.detach().clone() for k, v in self.modules["net"].state_dict().items()}

    def evaluate(self) -> dict[str, float]:
        self.modes.append((self.modules["net"].training, torch.is_grad_enabled()))
        torch.rand(3)  # scores may draw; training must not notice
        return {"size": float(sum(v.float().abs().sum() for v in self.weights().values()))}

    def sample(self) -> np.ndarray:
        torch.rand(3)
        return np.zeros((4, 4), np.float32)

    def export(self, folder: Path) -> None:
        self.exported = self.weights()
        folder.mkdir(exist_ok=True)
        save_file(self.exported, folder / "model.safetensors")


def toy_config(steps: int = 9, **changes: Any) -> LoopConfig:
    """Three items a backward pass, two passes a step, averaged weights: an epoch is no whole number of steps."""
    settings = {"batch_size": 3, "accumulate": 2, "learning_rate": 1e-2, "warmup": 3, "ema": 0.9, "log_every": 1}
    return LoopConfig(steps=steps, **settings | changes)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of `log.jsonl` without the speed."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "items_per_s"} for line in lines]


if __name__ == "__main__":
    torch.set_num_threads(1)
    place, stage = Path(sys.argv[1]), ToyStage(**json.loads(sys.argv[3]))
    fit(stage, toy_config(**json.loads(sys.argv[2])), place)
    save_file(stage.weights(), place / f"end-{os.environ.get('RANK', 0)}.safetensors")
