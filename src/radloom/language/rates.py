"""What of a language model is trained, and how fast: MAViLT's hierarchical tuning (arXiv 2502.05926).

Its stages go from coarse to fine: new tokens learn to stand among a frozen model's, then the whole model learns, with
learning rates that fall towards the bottom so that what the layers near the words know of language lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from radloom.errors import RecipeError
from radloom.language.vocabulary import TokenIds
from radloom.training.stage import decay_groups


class Trained(StrEnum):
    """All weights, or the rows of the added tokens alone."""

    ALL = "all"
    ADDED_TOKENS = "added-tokens"


@dataclass(frozen=True)
class RatesConfig:
    """What is trained and how fast.

    Attributes:
        trained: see `Trained`.
        layer_decay: from each layer down to the one below it, the learning rate is multiplied by so much; the top
            layer, the embedding and the head have the whole rate. 1 is the same rate everywhere.
    """

    trained: Trained = Trained.ALL
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1:
            raise RecipeError(f"rates.layer_decay is {self.layer_decay}; give more than 0 and at most 1.")


def freeze(model: PreTrainedModel, ids: TokenIds, rates: RatesConfig) -> None:
    """Let gradients reach only what is trained; called once, before training."""
    if rates.trained is Trained.ALL:
        return
    model.requires_grad_(False)
    added = torch.zeros(len(_embedding(model)), 1)
    added[ids.added] = 1.0

    def keep(gradient: Tensor) -> Tensor:
        return gradient * added.to(gradient)

    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    for table in {id(t.weight): t.weight for t in tables}.values():  # type: ignore[union-attr]
        table.requires_grad_(True)  # type: ignore[operator]
        table.register_hook(keep)  # type: ignore[operator]


def parameter_groups(model: PreTrainedModel, rates: RatesConfig, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for the optimizer, with the `lr_scale` of their layer."""
    # decay would reach rows that no gradient does
    groups = decay_groups(model, weight_decay if rates.trained is Trained.ALL else 0.0)
    if rates.layer_decay == 1:
        return groups
    layers = _layers(model)
    scales = {
        id(parameter): rates.layer_decay ** (len(layers) - 1 - depth)
        for depth, layer in enumerate(layers)
        for parameter in layer.parameters()
    }
    split: dict[tuple[int, float], dict[str, Any]] = {}
    for number, group in enumerate(groups):
        for parameter in group["params"]:
            scale = scales.get(id(parameter), 1.0)
            split.setdefault((number, scale), {**group, "params": [], "lr_scale": scale})["params"].append(parameter)
    return list(split.values())


def _layers(model: PreTrainedModel) -> nn.ModuleList:
    """The model's layers: the longest list of modules in it."""
    return max((m for m in model.base_model.modules() if isinstance(m, nn.ModuleList)), key=len)


def _embedding(model: PreTrainedModel) -> Tensor:
    table: Any = model.get_input_embeddings()
    return table.weight  # type: ignore[no-any-return]
