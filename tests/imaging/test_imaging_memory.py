"""Files in memory are read as the same files on disk are, and PNG is written there."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radloom.errors import ImageError
from radloom.imaging import InMemory, png_bytes, read_image, write_png

WriteDicom = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_picture_in_memory_is_the_picture_on_disk(chest: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"chest{suffix}"
    Image.fromarray(np.rint(chest * 255).astype(np.uint8)).save(path)
    np.testing.assert_array_equal(read_image(InMemory(path.read_bytes())), read_image(path))


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.5"])  # plain, and run-length encoded
def test_a_dicom_file_in_memory_is_the_file_on_disk(
    chest: np.ndarray, write_dicom: WriteDicom, syntax: str | None
) -> None:
    path = write_dicom(np.rint(chest * 4095).astype(np.uint16), BitsStored=12, syntax=syntax)
    np.testing.assert_array_equal(read_image(InMemory(path.read_bytes())), read_image(path))


def test_without_a_preamble_the_suffix_says_that_it_is_dicom(chest: np.ndarray, write_dicom: WriteDicom) -> None:
    path = write_dicom(np.rint(chest * 255).astype(np.uint8))
    import pydicom

    stream, dataset = io.BytesIO(), pydicom.dcmread(path)
    bare = pydicom.Dataset({element.tag: element for element in dataset})
    bare.save_as(stream, implicit_vr=True, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_image(InMemory(stream.getvalue(), suffix=".dcm")), chest)
    with pytest.raises(ImageError, match="not an image"):
        read_image(InMemory(stream.getvalue()))


def test_errors_call_it_by_the_name_it_was_given(chest: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"^frontal is empty"):
        read_image(InMemory(b"", "frontal"))
    with pytest.raises(ImageError, match=r"^lateral is a text file"):
        read_image(InMemory(b"The heart is normal.", "lateral"))
    with pytest.raises(ImageError, match=r"^frontal cannot be decoded"):
        read_image(InMemory(png_bytes(chest)[:100], "frontal"))
    with pytest.raises(ImageError, match=r"^frontal has 40 x 48 pixels, over the limit of 1,000"):
        read_image(InMemory(png_bytes(chest), "frontal"), max_pixels=1000)


def test_png_bytes_are_what_write_png_writes(chest: np.ndarray, tmp_path: Path) -> None:
    text = {"Software": "radloom"}
    assert png_bytes(chest, text=text) == write_png(chest, tmp_path / "a.png", text=text).read_bytes()
    with pytest.raises(ImageError, match="scale them"):
        png_bytes(chest * 255)
