"""A tiny made-up corpus that every stage can be trained on, a tiny random model, and what takes long to read.

What is the same for all tests is made or read once a session.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import documents
import radloom
import tiny
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import Manifest
from radloom.imaging import Transform
from radloom.input_check import shipped_check

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from radloom.scores.meteor import MeteorData


@pytest.fixture(autouse=True)
def undoubted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Toy chests pass for X-rays, but where a test is `doubting`."""
    if "doubting" not in request.keywords:
        monkeypatch.setattr(shipped_check(), "threshold", 0.0)


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
def reader(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, any_to_any_folder: Path) -> documents.Reader:
    """Who types what the documents say, all of it in one folder."""
    folder = tmp_path_factory.mktemp("reader")
    documents.write_inputs(folder)
    return documents.Reader(folder, tiny_model, any_to_any_folder)


@pytest.fixture(scope="session")
def chest_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a made-up chest."""
    return tiny.write_chest(tmp_path_factory.mktemp("images") / "chest.png")


@pytest.fixture(scope="session")
def smollm2() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The real one from its package."""
    import gguf

    from radloom.language.base import read_smollm2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gguf.GGUFReader", functools.cache(gguf.GGUFReader))  # transformers parses the file three times
        return read_smollm2()


@pytest.fixture
def smollm2_read_once(
    smollm2: tuple[PreTrainedModel, PreTrainedTokenizerBase], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it gets a copy."""
    monkeypatch.setattr("radloom.language.base.read_smollm2", lambda **_: copy.deepcopy(smollm2))


@pytest.fixture(scope="session")
def tables_of_meteor() -> list[MeteorData]:
    """Empty until they are read."""
    return []


@pytest.fixture(scope="module")
def meteor_read_once(tables_of_meteor: list[MeteorData]) -> Iterator[None]:
    """Every board takes the tables of English that the session's first one read, and with them its paraphrases."""
    from radloom.scores.meteor import meteor_data

    def read(texts: Iterable[str]) -> MeteorData:
        if not tables_of_meteor:
            tables_of_meteor.append(meteor_data(texts))
        return tables_of_meteor[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.evaluation.reports.meteor_data", read)
        yield
