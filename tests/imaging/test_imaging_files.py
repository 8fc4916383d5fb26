"""Reading PNG, JPEG and TIFF: polarity, orientation, bit depths, colour, and files that cannot be read."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from radloom.errors import ImageError
from radloom.imaging import ImageWarning, as_image, read_image


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def png_header(width: int, height: int, bits: int = 8) -> bytes:
    """A PNG that states its size and holds no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


class TestTheSamePictureFromEveryFile:
    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp.PNG"])
    def test_8_bit(self, chest: np.ndarray, tmp_path: Path, name: str) -> None:
        picture = Image.fromarray(np.rint(chest * 255).astype(np.uint8))
        path = save(picture, tmp_path / name, format="TIFF" if name.endswith("tif") else "PNG")
        image = read_image(path)
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, chest)

    def test_jpeg(self, chest: np.ndarray, tmp_path: Path) -> None:
        picture = Image.fromarray(np.rint(chest * 255).astype(np.uint8))
        np.testing.assert_allclose(read_image(save(picture, tmp_path / "a.jpg", quality=100)), chest, atol=0.02)

    @pytest.mark.parametrize("name", ["a.png", "a.tiff"])
    def test_16_bit(self, chest: np.ndarray, tmp_path: Path, name: str) -> None:
        picture = Image.fromarray(np.rint(chest * 65535).astype(np.uint16))
        np.testing.assert_allclose(read_image(save(picture, tmp_path / name)), chest, atol=1e-4)

    @pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
    def test_float_tiff(self, chest: np.ndarray, tmp_path: Path, compression: str | None) -> None:
        path = save(Image.fromarray(chest), tmp_path / "a.tif", compression=compression)
        np.testing.assert_array_equal(read_image(path), chest)

    def test_a_picture_of_hardly_any_pixels_is_told_of(self, chest: np.ndarray) -> None:
        small = Image.fromarray(np.rint(chest[:30, :20] * 255).astype(np.uint8))
        with pytest.warns(ImageWarning, match="has 20 x 30 pixels, too few"):
            as_image(small)

    def test_colours_multiplied_by_alpha(self, chest: np.ndarray) -> None:
        grey = Image.fromarray(np.rint(chest * 255).astype(np.uint8))
        for mode in ("La", "RGBa"):
            picture = grey.convert("RGBA" if mode == "RGBa" else "LA").convert(mode)
            np.testing.assert_allclose(as_image(picture), chest, atol=0.01)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
    def test_grey_stored_as_colour_or_with_alpha(self, chest: np.ndarray, tmp_path: Path, mode: str) -> None:
        grey = Image.fromarray(np.rint(chest * 255).astype(np.uint8))
        picture = grey.convert(mode)
        if "A" in mode:
            picture.putalpha(100)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(read_image(save(picture, tmp_path / "a.png")), chest, atol=1e-6)

    def test_one_bit(self, tmp_path: Path) -> None:
        mask = np.zeros((20, 20), bool)
        mask[:5] = True
        np.testing.assert_array_equal(read_image(save(Image.fromarray(mask), tmp_path / "a.png")), mask)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    @pytest.mark.parametrize("compression", [None, "tiff_lzw"])
    def test_tiff_where_white_is_zero(
        self, chest: np.ndarray, tmp_path: Path, dtype: type, compression: str | None
    ) -> None:
        white = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
        negative = np.rint((1 - chest) * white) if white > 1 else 1 - chest
        picture = Image.fromarray(negative.astype(dtype))
        # Pillow inverts 8-bit pixels itself when it writes this tag
        if dtype is np.uint8:
            picture = Image.fromarray(np.rint(chest * 255).astype(np.uint8))
        path = save(picture, tmp_path / "a.tif", tiffinfo={262: 0}, compression=compression)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-4)

    @pytest.mark.parametrize(
        ("name", "options"),
        [("a.jpg", {}), ("a.png", {}), ("a.tif", {}), ("a.tif", {"compression": "tiff_lzw"})],
        ids=["jpeg", "png", "tiff", "tiff-lzw"],
    )
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(
        self, chest: np.ndarray, tmp_path: Path, name: str, options: dict[str, str], orientation: int
    ) -> None:
        # What a camera stores so that undoing the tag gives the upright picture (EXIF 2.3, tag 274).
        stored = {
            1: chest,
            2: np.fliplr(chest),
            3: np.rot90(chest, 2),
            4: np.flipud(chest),
            5: chest.T,
            6: np.rot90(chest),
            7: np.rot90(chest, 2).T,
            8: np.rot90(chest, -1),
        }[orientation]
        exif = Image.Exif()
        exif[274] = orientation
        picture = Image.fromarray(np.ascontiguousarray(np.rint(stored * 255).astype(np.uint8)))
        path = save(picture, tmp_path / name, exif=exif, **options)
        np.testing.assert_allclose(read_image(path), chest, atol=0.2)

    def test_content_decides_not_the_name(self, chest: np.ndarray, tmp_path: Path) -> None:
        picture = Image.fromarray(np.rint(chest * 255).astype(np.uint8))
        np.testing.assert_array_equal(read_image(save(picture, tmp_path / "a.dcm", format="PNG")), chest)


class TestGreyScale:
    @pytest.mark.parametrize("bits", [10, 12, 14, 16])
    def test_fewer_bits_in_a_16_bit_file_are_not_nearly_black(
        self, chest: np.ndarray, tmp_path: Path, bits: int
    ) -> None:
        picture = Image.fromarray(np.rint(chest * (2**bits - 1)).astype(np.uint16))
        np.testing.assert_allclose(read_image(save(picture, tmp_path / "a.png")), chest, atol=2e-3)

    def test_one_brighter_pixel_does_not_change_the_rest(self, chest: np.ndarray, tmp_path: Path) -> None:
        stored = np.rint(chest * 3000).astype(np.uint16)
        before = read_image(save(Image.fromarray(stored), tmp_path / "a.png"))
        stored[0, 0] = 4000
        after = read_image(save(Image.fromarray(stored), tmp_path / "b.png"))
        np.testing.assert_array_equal(before[1:], after[1:])

    def test_a_dark_8_bit_picture_stays_dark(self, tmp_path: Path) -> None:
        assert read_image(save(Image.new("L", (20, 20), 10), tmp_path / "a.png")).max() == pytest.approx(10 / 255)

    @pytest.mark.parametrize("dtype", [np.int16, np.float32])
    def test_numbers_without_a_stated_range_are_stretched(self, chest: np.ndarray, tmp_path: Path, dtype: type) -> None:
        stored = (chest * 2000 - 1000).astype(dtype)
        picture = Image.fromarray(stored.astype(np.int32) if dtype is np.int16 else stored)
        np.testing.assert_allclose(read_image(save(picture, tmp_path / "a.tif")), chest, atol=1e-3)

    @pytest.mark.parametrize("value", [0.0, -3.0, 900.0])
    def test_a_constant_picture_gives_no_nan(self, tmp_path: Path, value: float) -> None:
        path = save(Image.fromarray(np.full((20, 20), value, np.float32)), tmp_path / "a.tif")
        with pytest.warns(ImageWarning, match=r"a\.tif has one grey value everywhere"):
            assert (read_image(path) == 0).all()
        for source in (path, path.read_bytes(), Image.open(path)):
            with pytest.raises(ImageError, match="one grey value everywhere and shows nothing"):
                as_image(source)


class TestColour:
    def test_a_photo_becomes_luminance_with_a_warning(self, tmp_path: Path) -> None:
        path = save(Image.new("RGB", (20, 20), (255, 0, 0)), tmp_path / "photo.png")
        with pytest.warns(ImageWarning, match=r"photo\.png is a colour image"):
            image = read_image(path)
        np.testing.assert_allclose(image, 0.299, atol=1e-3)

    def test_a_cmyk_jpeg(self, tmp_path: Path) -> None:
        path = save(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), tmp_path / "a.jpg")
        with pytest.warns(ImageWarning):
            assert read_image(path).shape == (20, 20)

    def test_a_grey_jpeg_in_colour_is_no_photo(self, chest: np.ndarray, tmp_path: Path) -> None:
        picture = Image.fromarray(np.rint(chest * 255).astype(np.uint8)).convert("RGB")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_image(save(picture, tmp_path / "a.jpg", quality=60))


class TestFilesThatCannotBeRead:
    """Each gives one `ImageError` that names the file."""

    def refused(self, path: Path, says: str) -> None:
        with pytest.raises(ImageError, match=says) as caught:
            read_image(path)
        message = str(caught.value)
        assert str(path) in message
        assert "\n" not in message

    def test_missing(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "none.png", "does not exist")

    def test_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path, "is a folder")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        self.refused(tmp_path / "a.png", "is empty")

    def test_not_a_regular_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.png")
        self.refused(tmp_path / "a.png", "not a regular file")

    def test_impossible_path(self) -> None:
        with pytest.raises(ImageError, match="cannot be opened"):
            read_image("a\0.png")

    @pytest.mark.parametrize("name", ["a.png", "a.dcm"])
    def test_text_named_as_an_image(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("Heart size is normal.\n")
        self.refused(tmp_path / name, "is a text file")

    def test_unsupported_format(self, tmp_path: Path) -> None:
        self.refused(save(Image.new("L", (20, 20)), tmp_path / "a.gif"), "give a PNG, JPEG, TIFF or DICOM")

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
    @pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
    def test_truncated(self, tmp_path: Path, name: str, kept: float) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
        path = save(Image.fromarray(noise), tmp_path / name)
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        self.refused(path, "cannot be decoded")

    @pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
    def test_too_small(self, tmp_path: Path, size: tuple[int, int]) -> None:
        self.refused(save(Image.new("L", size), tmp_path / "a.png"), "too few")

    @pytest.mark.parametrize("side", [12_000, 20_000, 60_000])
    def test_too_large_is_seen_before_decoding(self, tmp_path: Path, side: int) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png_header(side, side))
        self.refused(path, "scale it down")

    def test_the_limit_can_be_chosen(self, chest: np.ndarray, tmp_path: Path) -> None:
        path = save(Image.fromarray(np.rint(chest * 255).astype(np.uint8)), tmp_path / "a.png")
        with pytest.raises(ImageError, match="40 x 48"):
            read_image(path, max_pixels=1000)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_non_finite(self, chest: np.ndarray, tmp_path: Path, bad: float) -> None:
        chest[3, 3] = bad
        self.refused(save(Image.fromarray(chest), tmp_path / "a.tif"), "NaN or infinite")

    @pytest.mark.parametrize("name", ["a.tif", "a.png"])
    def test_several_frames(self, tmp_path: Path, name: str) -> None:
        frames = [Image.new("L", (20, 20), shade) for shade in (0, 100)]
        self.refused(save(frames[0], tmp_path / name, save_all=True, append_images=frames[1:]), "several frames")


class TestAsImage:
    def test_a_file_or_an_array(self, chest: np.ndarray, tmp_path: Path) -> None:
        path = save(Image.fromarray(np.rint(chest * 255).astype(np.uint8)), tmp_path / "a.png")
        np.testing.assert_array_equal(as_image(path), as_image(chest))
        np.testing.assert_array_equal(as_image(str(path)), as_image(chest))

    @pytest.mark.parametrize("shape", [(1, 1), (3, 64, 64)])
    def test_a_wrong_array_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ImageError):
            as_image(np.zeros(shape, np.float32))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("samples")
    noise = np.random.default_rng(0).integers(0, 65536, (24, 20), np.uint16)
    grey = Image.fromarray((noise >> 8).astype(np.uint8))
    deep = Image.fromarray(noise)
    return [
        save(grey, folder / "a.png"),
        save(deep, folder / "b.png"),
        save(grey, folder / "c.jpg"),
        save(deep, folder / "d.tif"),
        save(grey.convert("RGB"), folder / "e.tif", compression="tiff_adobe_deflate"),
    ]


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_give_an_image_or_an_image_error(
    samples: list[Path], tmp_path: Path, data: st.DataObject
) -> None:
    source = data.draw(st.sampled_from(samples))
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    path = tmp_path / source.name
    path.write_bytes(content)
    try:
        image = read_image(path, max_pixels=10_000)
    except ImageError as error:
        assert str(path) in str(error)
    else:
        assert image.ndim == 2
        assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize("side", range(4))
def test_a_plain_border_is_told_of(chest: np.ndarray, tmp_path: Path, side: int) -> None:
    grey = np.rint(chest * 255).astype(np.uint8)

    def framed(share: float) -> Path:
        width = [(0, 0), (0, 0)]
        axis, end = divmod(side, 2)
        pixels = round(share / (1 - share) * grey.shape[axis])
        width[axis] = (pixels, 0) if end else (0, pixels)
        return save(Image.fromarray(np.pad(grey, width, constant_values=3)), tmp_path / "framed.png")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_image(framed(0.05))
        as_image(read_image(framed(0.2)))  # an array may be padded to a shape
    for source in (framed(0.2), framed(0.2).read_bytes(), Image.open(framed(0.2))):
        with pytest.warns(ImageWarning, match=r"plain border over \d\d% of a side; cut it off"):
            as_image(source)
