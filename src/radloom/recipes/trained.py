"""Parts of trained models that a recipe goes on from, or takes as they are: `nano/codec`, `runs/own/model/language`."""

from __future__ import annotations

from pathlib import Path

from radloom.checkpoint import read_transform
from radloom.errors import CheckpointError, RecipeError, did_you_mean
from radloom.imaging import Transform


def is_trained(name: str) -> bool:
    """Whether a name is of a part of a trained model; those of stages have no slash."""
    return "/" in name


def trained_part(name: str, transform: Transform) -> Path:
    """The folder of a part of a trained model.

    Args:
        name: of a model inside the package or the path of one, a slash, and the part.
        transform: of the recipe, which has to be that of the part.

    Raises:
        RecipeError: no such model or part, or one that sees other pixels.
    """
    from radloom.model_folder import locate

    model, _, part = name.rpartition("/")
    try:
        place = locate(model)
        parts = sorted(folder.name for folder in place.iterdir() if folder.is_dir())
        if part not in parts:
            raise RecipeError(f"{name}: {model} has no part {part!r}{did_you_mean(part, parts)}; {', '.join(parts)}.")
        if (place / part / "transform.json").is_file():
            own = Transform.from_dict(read_transform(place / part))
            if own != transform:
                raise RecipeError(f"{name} sees X-rays by {own}; give the recipe that transform, not {transform}.")
    except CheckpointError as error:
        raise RecipeError(f"{name}: {error}") from None
    return place / part
