"""A tiny made-up corpus that every stage can be trained on, and a tiny random model that tests load once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

import radloom
import tiny
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import Manifest
from radloom.imaging import Transform


@pytest.fixture
def corpus(tmp_path: Path) -> Manifest:
    return tiny.write_corpus(tmp_path / "raw")


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
def any_to_any_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random model with both engines."""
    return tiny.make_model(tmp_path_factory.mktemp("models") / "both", completing=True)


@pytest.fixture(scope="session")
def any_to_any_model(any_to_any_folder: Path) -> radloom.Model:
    """The same, loaded."""
    return radloom.load(any_to_any_folder)


@pytest.fixture(scope="session")
def chest_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a made-up chest."""
    return tiny.write_chest(tmp_path_factory.mktemp("images") / "chest.png")
