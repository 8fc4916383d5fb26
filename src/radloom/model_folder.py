"""A model as a folder: `model.json` and one checkpoint a part.

The parts are `classifier/`, `codec/` and `language/`, and where a model has them `signs/`, what is read of an X-ray
beside the 14 observations, and `any-to-any/`, its other engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch

from radloom.classifier.model import ClinicalClassifier, load_classifier
from radloom.codec.network import Codec, load_codec
from radloom.config import from_dict
from radloom.devices import usable
from radloom.errors import CheckpointError, did_you_mean
from radloom.imaging import Transform, dicom_view, read_image
from radloom.settings import Denoising, Sampling
from radloom.study import View

MODEL_FILE = "model.json"
FORMAT = 1
"""Version of `model.json`."""

PARTS = ("classifier", "codec", "language")
"""Folders of a model, one checkpoint each."""

SIGN_READER, ANY_TO_ANY = "signs", "any-to-any"
"""Folders of the parts that not every model has."""


@dataclass(frozen=True)
class ModelConfig:
    """Contents of `model.json`.

    Attributes:
        format: version of this layout.
        recipe: what trained it.
        about: in a sentence.
        image, text, answer: defaults of the language model for drawing, for writing reports and for answering.
        complete: defaults for denoising.
    """

    format: int
    recipe: str
    about: str
    image: Sampling = field(default_factory=lambda: Sampling(top_p=0.9))
    text: Sampling = field(default_factory=lambda: Sampling(temperature=0.6, top_p=0.9, candidates=8))
    answer: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    complete: Denoising = field(default_factory=Denoising)


def shipped() -> list[str]:
    """Names of the models inside the package."""
    root = Path(str(files("radloom"))) / "weights"
    return sorted(p.parent.relative_to(root).as_posix() for p in root.glob(f"**/{MODEL_FILE}"))


def locate(name: str | Path) -> Path:
    """The folder of a model: one inside the package, or a path.

    Raises:
        CheckpointError: there is none.
    """
    if str(name) in shipped():
        return Path(str(files("radloom"))) / "weights" / str(name)
    if (Path(name) / MODEL_FILE).is_file():
        return Path(name)
    raise CheckpointError(
        f"No model {str(name)!r}{did_you_mean(str(name), shipped())}: it is neither inside the package "
        f"({', '.join(shipped()) or 'none there'}) nor a folder with {MODEL_FILE}, as `radloom train` makes one."
    )


def model_name(name: str | Path) -> str:
    """What a model is called in tables: its name inside the package, or the last part of its folder."""
    return str(name) if str(name) in shipped() else Path(name).resolve().name


def load_vision(
    name: str | Path = "nano", *, codec: Path | str | None = None, device: str | torch.device = "cpu"
) -> tuple[Codec, ClinicalClassifier, Transform]:
    """The parts of a model that look at X-rays, without its language model.

    Args:
        name: of a model inside the package, or the folder of one.
        codec: folder of a codec to use instead of the model's.
        device: where they run.

    Raises:
        CheckpointError: no such model or codec, damaged ones, or ones with different transforms.
    """
    device = usable(device)
    folder = locate(name)
    classifier, transform = load_classifier(folder / "classifier")
    network, codec_transform = load_codec(codec or folder / "codec")
    if transform != codec_transform:
        raise CheckpointError(
            f"{codec or folder}: classifier and codec have different transforms; train them in one recipe."
        )
    return network.to(device), classifier.to(device), transform


def view_predictor(name: str | Path = "nano") -> Callable[[Path], View] | None:
    """Judges the view of a file: as its DICOM header states it, else by a model's classifier, loaded when first asked.

    Args:
        name: of a model inside the package, or the folder of one.

    Returns:
        File -> view; None where there is no such model.
    """
    try:
        folder = locate(name)
    except CheckpointError:
        return None
    vision = cache(lambda: load_vision(folder))

    def view_of(path: Path) -> View:
        if stated := dicom_view(path):
            return stated
        _, classifier, transform = vision()
        return classifier.views(transform(read_image(path))[None])[0]

    return view_of


def read_model_config(folder: Path) -> ModelConfig:
    """Contents of a model's `model.json`.

    Raises:
        CheckpointError: not JSON, or of another format.
    """
    path = folder / MODEL_FILE
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}); restore it from a whole copy.") from None
    found = head.get("format") if isinstance(head, dict) else None
    if found != FORMAT:
        raise CheckpointError(f"{path} has format {found}; this radloom reads format {FORMAT}. Train the model again.")
    return from_dict(ModelConfig, {k: v for k, v in head.items() if k != "parts"}, MODEL_FILE)
