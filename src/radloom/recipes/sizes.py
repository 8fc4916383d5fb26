"""How large the networks of a recipe are: built on torch's meta device, without weights, data or training."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from radloom.recipes.recipe import Recipe
from radloom.recipes.trained import is_trained

Sizes = Mapping[str, Mapping[str, int]]
"""Part of the finished model -> network -> its parameters."""


def sizes(recipe: Recipe) -> Sizes:
    """Parameters of every network of the finished model that the recipe trains.

    A vocabulary that is made from texts counts as large as the recipe lets it become; the language model's, which has
    no bound, does not count.

    Raises:
        RecipeError: a stage that uses one of another kind, or goes on from a trained model.
        MissingPackageError: SmolLM2 is not installed, whose architecture is read from its package.
    """
    stages = {stage.name: stage for stage in recipe.stages}
    with torch.device("meta"):
        own = {part: stages[name] for part, name in recipe.model.items() if not is_trained(name)}
        parts = {part: stage.networks(stages) for part, stage in own.items()}
    return {
        part: {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
        for part, networks in parts.items()
    }


def total(found: Sizes) -> int:
    """Parameters of the finished model."""
    return sum(sum(networks.values()) for networks in found.values())


def size_lines(found: Sizes) -> list[str]:
    """One line a network, and the sum."""
    rows = [(name, count) for networks in found.values() for name, count in networks.items() if count]
    return [f"{name:<32}{count:>14,}" for name, count in [*rows, ("all", total(found))]]
