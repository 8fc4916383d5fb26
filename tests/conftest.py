"""A tiny made-up corpus that every stage can be trained on, and a tiny random model that tests load once a session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import radloom
import tiny
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.imaging import Transform
from radloom.study import Mention, Report, View


def write_corpus(root: Path, name: str = "made-up") -> Manifest:
    """Six train and four val studies of two views, every second one with a large heart that its report mentions."""
    rows = []
    for i, split in enumerate(["train"] * 6 + ["val"] * 4):
        images = []
        for view in View:
            rng = np.random.default_rng((i, view is View.LATERAL))
            pixels = rng.normal(60, 12, (40, 36))
            pixels[12:30, 16 : 24 + 6 * (i % 2)] += 120  # the heart, on the right of the picture
            path = root / f"{i}-{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
            images.append(ImageRef(path.name, view))
        size = "enlarged" if i % 2 else "normal in size"
        rows.append(
            Row(
                uid=f"s{i}",
                patient=f"p{i}",
                split=split,
                images=tuple(images),
                report=Report(findings=f"The heart is {size}. The lungs are clear."),
                labels={"Cardiomegaly": Mention.POSITIVE if i % 2 else Mention.NEGATIVE},
                corpus=name,
            )
        )
    return Manifest(rows, root, name)


@pytest.fixture
def corpus(tmp_path: Path) -> Manifest:
    return write_corpus(tmp_path / "raw")


@pytest.fixture
def xrays(corpus: Manifest) -> dict[str, XrayImages]:
    """Its images at 32 x 32, by split."""
    return {split: XrayImages([corpus.split(split)], Transform(32)) for split in ("train", "val")}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random model; copy it to change it."""
    return tiny.make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def model(tiny_model: Path) -> radloom.Model:
    """The same, loaded."""
    return radloom.load(tiny_model)


@pytest.fixture(scope="session")
def chest_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a made-up chest."""
    return tiny.write_chest(tmp_path_factory.mktemp("images") / "chest.png")
