"""The network that is shipped, on the drawings of the page and on what is no X-ray."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from radloom.errors import CheckpointError
from radloom.imaging import read_image
from radloom.input_check import InputCheck, Look, doubt, shipped_check

pytestmark = pytest.mark.doubting

DRAWN = sorted(str(file) for file in files("radloom").joinpath("serving/page").iterdir() if file.name.endswith(".png"))


def page_of_text() -> np.ndarray:
    picture = Image.new("L", (300, 400), 255)
    for row in range(20, 380, 14):
        ImageDraw.Draw(picture).text((20, row), "The lungs are clear. No effusion is seen.", fill=0)
    return np.asarray(picture, np.float32) / 255


@pytest.mark.parametrize("file", DRAWN)
def test_upright_chest_xrays_are_not_doubted(file: str) -> None:
    assert doubt(read_image(file)) == ""


@pytest.mark.parametrize("file", DRAWN)
def test_turned_and_inverted_ones_are(file: str) -> None:
    image = read_image(file)
    for changed, look in (
        (1 - image, Look.INVERTED),
        (np.rot90(image, 2), Look.UPSIDE_DOWN),
        (np.rot90(image, 3), Look.TURNED_RIGHT),
        (np.rot90(image, 1), Look.TURNED_LEFT),
    ):
        assert shipped_check().look([np.ascontiguousarray(changed)]) == [look]


def test_the_sentence_names_the_picture_and_what_it_looks_like() -> None:
    image = np.ascontiguousarray(1 - read_image(DRAWN[0]))
    assert doubt(image, "The lateral image").startswith("The lateral image looks inverted, with dark bones; if it is")


def test_pictures_of_other_things_are_doubted() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:200, 0:160].astype(np.float32)
    for picture in (
        page_of_text(),
        1 - page_of_text(),
        rng.random((200, 160), np.float32),
        (y / 200),
        ((x // 20 + y // 20) % 2),
        np.zeros((64, 64), np.float32),
    ):
        assert "does not look like a chest X-ray" in doubt(picture)


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    file, image = tmp_path / "input-check.safetensors", read_image(DRAWN[0])
    made = InputCheck(threshold=0.125).eval()
    made.save(file)
    read = InputCheck.load(file)
    assert read.threshold == 0.125 and read.look([image]) == made.look([image])


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone.safetensors is not the file of an input check"):
        InputCheck.load(tmp_path / "gone.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not one")
    with pytest.raises(CheckpointError, match=r"bad.safetensors is not the file of an input check"):
        InputCheck.load(tmp_path / "bad.safetensors")
