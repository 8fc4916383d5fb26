"""Writing PNG files and contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radloom.errors import ImageError
from radloom.imaging import read_image, sheet, write_png


def test_what_is_written_is_read_back(chest: np.ndarray, tmp_path: Path) -> None:
    path = write_png(chest, tmp_path / "new" / "folder" / "a.png")
    np.testing.assert_array_equal(read_image(path), chest)
    with Image.open(path) as picture:
        assert picture.mode == "L"


def test_colour_is_kept(tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.float32)
    picture[1, 2] = (1.0, 0.5, 0.0)
    with Image.open(write_png(picture, tmp_path / "x.png")) as written:
        assert written.mode == "RGB"
        assert np.asarray(written)[1, 2].tolist() == [255, 128, 0]
    with pytest.raises(ImageError):
        write_png(np.zeros((4, 6, 2), np.float32), tmp_path / "x.png")


def test_provenance_is_in_the_file(chest: np.ndarray, tmp_path: Path) -> None:
    text = {"Software": "radloom", "Description": "synthetic X-ray, ¬ real – drawn from text"}
    with Image.open(write_png(chest, tmp_path / "a.png", text=text)) as picture:
        picture.load()
        assert picture.text == text  # type: ignore[attr-defined]


def test_writing_is_deterministic_and_replaces(chest: np.ndarray, tmp_path: Path) -> None:
    path = write_png(chest, tmp_path / "a.png", text={"Seed": "1"})
    before = path.read_bytes()
    write_png(1 - chest, path)
    assert path.read_bytes() != before
    write_png(chest, path, text={"Seed": "1"})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    "image",
    [
        np.full((20, 20), 1.01, np.float32),
        np.full((20, 20), -0.5, np.float32),
        np.full((20, 20), 128, np.uint8),
        np.full((20, 20), np.nan, np.float32),
        np.zeros((1, 20, 20), np.float32),
    ],
)
def test_a_wrong_array_leaves_no_file(image: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        write_png(image, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_rounding_beyond_the_range_is_forgiven(tmp_path: Path) -> None:
    image = np.tile(np.float32([-5e-4, 1 + 5e-4]), (16, 8))
    np.testing.assert_array_equal(read_image(write_png(image, tmp_path / "a.png")), image.round())


def test_a_place_that_cannot_be_written_is_named(chest: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "a.png", tmp_path / "folder.png"):
        with pytest.raises(ImageError, match="cannot be written") as caught:
            write_png(chest, path)
        assert str(path) in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.png"]


def test_only_png(chest: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"does not end in \.png"):
        write_png(chest, tmp_path / "a.jpg")


def test_a_sheet_shows_each_picture_once_in_reading_order(chest: np.ndarray) -> None:
    pictures = [chest, chest / 2, chest / 4]
    page = sheet(pictures, columns=2)
    assert page.shape == (2 * 48 + 3 * 4, 2 * 40 + 3 * 4)
    np.testing.assert_array_equal(page[4:52, 4:44], pictures[0])
    np.testing.assert_array_equal(page[4:52, 48:88], pictures[1])
    np.testing.assert_array_equal(page[56:104, 4:44], pictures[2])
    assert np.ptp(page[56:104, 48:88]) == 0


def test_captions_differ_and_cover_no_picture(chest: np.ndarray) -> None:
    one, other = (sheet([chest, chest], 2, [label, "b"]) for label in ("seed 1", "seed 2"))
    np.testing.assert_array_equal(one[4:52, 4:44], chest)
    assert (one[52:66, 4:44] != other[52:66, 4:44]).any()
    np.testing.assert_array_equal(one[:, 44:], other[:, 44:])


def test_long_captions_stay_in_their_cell(chest: np.ndarray) -> None:
    page = sheet([chest, chest], 2, ["a label far longer than forty pixels\nwith a second line", ""])
    plain = sheet([chest, chest], 2, ["", ""])
    np.testing.assert_array_equal(page[:, 44:], plain[:, 44:])
    assert page.max() <= 1


def test_pictures_of_different_sizes_are_centred(chest: np.ndarray) -> None:
    small = np.ones((16, 16), np.float32)
    page = sheet([chest, small], 5)
    assert page.shape == (56, 92)
    np.testing.assert_array_equal(page[20:36, 60:76], small)


@pytest.mark.parametrize(("count", "columns", "labels"), [(0, 2, None), (2, 0, None), (2, 2, ["one"])])
def test_an_impossible_sheet_is_refused(count: int, columns: int, labels: list[str] | None) -> None:
    with pytest.raises(ImageError, match="sheet"):
        sheet([np.zeros((20, 20), np.float32)] * count, columns, labels)
