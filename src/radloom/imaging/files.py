"""Any common X-ray file -> one float32 array (H, W) in [0, 1] with bones bright.

PNG, JPEG and TIFF are decoded here by Pillow, DICOM in `radloom.imaging.dicom`. What a file is, its content decides,
not its name. The size is read from the header and checked before anything is decoded.

Grey values: 8-bit files are display-ready and divided by 255. Deeper integers are divided by the white of the
smallest bit depth that holds their maximum (see `full_scale`). Floats inside [0, 1] are taken as they are. Signed
integers and other floats state no black and white, so their own minimum and maximum become 0 and 1.
"""

from __future__ import annotations

import stat
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Literal

import numpy as np
from PIL import Image as PILImage
from PIL import ImageOps, TiffImagePlugin

from radloom.errors import ImageError
from radloom.imaging.array import check_array, full_scale, luminance, remark
from radloom.study import Image

MAX_PIXELS = 100_000_000
"""Largest height x width that is decoded: about five times the largest chest detectors."""
MIN_SIDE = 16
"""Smallest height and width that can show a chest."""

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_WHITE_IS_ZERO = 0  # TIFF 6.0, PhotometricInterpretation


@dataclass(frozen=True)
class InMemory:
    """The bytes of a file that is on no disk, such as an upload.

    Attributes:
        data: all of them.
        name: what errors and warnings call it.
        suffix: ending of its file name, with the dot, if it had one.
    """

    data: bytes = field(repr=False)
    name: str = "image"
    suffix: str = ""

    def __str__(self) -> str:
        return self.name

    def open(self, mode: Literal["rb"] = "rb") -> BytesIO:
        """A stream of the bytes, as `Path.open` gives one."""
        return BytesIO(self.data)


File = Path | InMemory
"""Where the bytes of an image are; as text, what errors and warnings call it."""


def as_image(source: Image | InMemory, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The array of an image given in any of the ways that a program may have one.

    Args:
        source: a path, the bytes of a file, a picture of Pillow, or an array (H, W) in [0, 1].
        max_pixels: refuse an image of more pixels before decoding it.

    Returns:
        (H, W) float32 in [0, 1], bones bright, at least 16 x 16.

    Raises:
        ImageError: see `read_image` and `check_array`; or one grey value everywhere: a model would report something
            of that, too.

    Warns:
        ImageWarning: see `read_image`; or a plain border, as pictures of a screen have it.
    """
    name: object = "image"
    if isinstance(source, (str, Path, bytes, InMemory)):
        name = InMemory(source) if isinstance(source, bytes) else source
        image = _read(name, max_pixels)
    elif isinstance(source, PILImage.Image):
        name = "picture"
        image = _of_pillow(source, max_pixels)
    else:
        image = check_array(source)
        check_size(name, image.shape, max_pixels)
    if shows_nothing(image):
        raise ImageError(f"{name} has one grey value everywhere and shows nothing; export it again.")
    if isinstance(source, np.ndarray):
        return image
    if min(image.shape) < _SMALL:
        remark(f"{name} has {image.shape[1]} x {image.shape[0]} pixels, too few to show more than an outline.")
    if (share := plain_border(image)) > _BORDER:
        remark(f"{name} has a plain border over {share:.0%} of a side; cut it off, since what is read changes with it.")
    return image


_SMALL = 32
"""Pixels of a side below which a picture is told of."""

_BORDER = 0.08
"""Share of a side above which a plain border is told of: of 120 of Indiana's images one has such a one."""


def plain_border(image: np.ndarray) -> float:
    """The widest border of one grey value, give or take two of 255, as a share of the image's height or width."""
    widest = 0.0
    for lines in (image, image[::-1], image.T, image.T[::-1]):
        plain = lines.max(1) - lines.min(1) <= 2 / 255
        widest = max(widest, 1.0 if plain.all() else float(plain.argmin()) / len(plain))
    return widest


def shows_nothing(image: np.ndarray) -> bool:
    """Whether an image (H, W) has one grey value everywhere."""
    return bool(image.min() == image.max())


def _of_pillow(picture: PILImage.Image, max_pixels: int) -> np.ndarray:
    name = InMemory(b"", "picture")
    check_size(name, (picture.height, picture.width), max_pixels)
    try:
        return _grey(name, picture)
    except ImageError:
        raise
    except Exception as error:  # a picture is decoded when it is used
        raise undecodable(name, error) from error


def read_image(source: File | str, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a PNG, JPEG, TIFF or DICOM file.

    Args:
        source: the file, by its path or in memory.
        max_pixels: refuse an image of more pixels before decoding it.

    Returns:
        (H, W) float32 in [0, 1], bones bright, upright as the file's metadata says.

    Raises:
        ImageError: missing, empty, damaged, not an image, too small, too large, several frames, non-finite pixels,
            or a DICOM object that is not a radiograph.

    Warns:
        ImageWarning: a picture of a single grey value, or what `read_dicom` warns of; a `ColourWarning` of a colour
            photo, read as greyscale.
    """
    image = _read(source, max_pixels)
    if shows_nothing(image):
        text = f"{source} has one grey value everywhere; it shows nothing, and what is made of it means nothing."
        remark(text)
    return image


def _read(source: File | str, max_pixels: int) -> np.ndarray:
    """`read_image` without a look at what the picture shows."""
    file = Path(source) if isinstance(source, str) else source
    head = read_head(file)
    if is_dicom(file, head):
        from radloom.imaging.dicom import read_dicom

        return read_dicom(file, max_pixels=max_pixels)
    format_name = _picture_format(head)
    if format_name is None:
        what = "is a text file, not an image" if _is_text(head) else "is not an image that radloom reads"
        raise ImageError(f"{file} {what}; give a PNG, JPEG, TIFF or DICOM file.")
    return _read_picture(file, format_name, max_pixels)


def read_head(file: File) -> bytes:
    """The first 1024 bytes of a regular file that is not empty, or an `ImageError` that says what is wrong."""
    try:
        mode = file.stat().st_mode if isinstance(file, Path) else stat.S_IFREG
        if stat.S_ISDIR(mode):
            raise ImageError(f"{file} is a folder; name one image file in it.")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{file} is not a regular file; give a PNG, JPEG, TIFF or DICOM file.")
        with file.open("rb") as stream:
            head = stream.read(1024)
    except FileNotFoundError:
        raise ImageError(f"{file} does not exist; check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise ImageError(f"{file} cannot be opened ({error}); check the path and its permissions.") from None
    if not head:
        raise ImageError(f"{file} is empty; copy or export it again.")
    return head


def is_dicom(file: File, head: bytes) -> bool:
    """Whether a file is DICOM: by its preamble (PS3.10 section 7.1), or by suffix where the preamble was left out."""
    if head[128:132] == b"DICM":
        return True
    return file.suffix.lower() in (".dcm", ".dicom") and _picture_format(head) is None and not _is_text(head)


def check_size(name: object, shape: tuple[int, ...], max_pixels: int) -> None:
    """Raise `ImageError` unless an image of this shape (H, W) is of a usable size."""
    height, width = shape
    if height * width > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} pixels, over the limit of {max_pixels:,}; scale it down first."
        )
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name} has {width} x {height} pixels, too few to show a chest; give at least {MIN_SIDE} x {MIN_SIDE}."
        )


def undecodable(file: File, error: Exception) -> ImageError:
    """The error for bytes that a decoder gave up on."""
    why = shorten(str(error), 200) or type(error).__name__
    return ImageError(f"{file} cannot be decoded ({why}): damaged, cut short or of a rare kind; export it again.")


def _read_picture(file: File, format_name: str, max_pixels: int) -> np.ndarray:
    try:
        # A stream, not a path: Pillow maps uncompressed TIFFs named by path and scrambles those stored on their side.
        with file.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)  # check_size decides
            with PILImage.open(stream, formats=(format_name,)) as picture:
                check_size(file, (picture.height, picture.width), max_pixels)
                if picture.format != "MPO" and getattr(picture, "is_animated", False):  # MPO: a photo and its preview
                    raise ImageError(f"{file} holds several frames; save the one to be read as a file of its own.")
                return _grey(file, picture)
    except ImageError:
        raise
    except PILImage.DecompressionBombError as error:
        raise ImageError(f"{file} is too large to be decoded safely ({error}); scale it down first.") from None
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        raise undecodable(file, error) from error


def _grey(file: File, picture: PILImage.Image) -> np.ndarray:
    """Decode: (H, W) float32 in [0, 1], orientation and polarity mended."""
    white_is_zero = isinstance(picture, TiffImagePlugin.TiffImageFile) and (
        picture.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    )
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("La", "RGBa"):  # colours that alpha was multiplied into already
        upright = upright.convert({"La": "LA", "RGBa": "RGBA"}[upright.mode])
    if upright.mode in ("1", "L", "LA"):
        return np.asarray(upright.convert("L"), np.float32) / 255  # Pillow has inverted these where white is zero
    if upright.mode in ("F", "I") or upright.mode.startswith("I;16"):
        image = _stretch(file, np.asarray(upright))
        return 1 - image if white_is_zero else image
    return luminance(np.asarray(upright.convert("RGB")), str(file))


def _stretch(file: File, values: np.ndarray) -> np.ndarray:
    """Numbers of more than 8 bits to [0, 1] as the module's docstring says."""
    if not np.isfinite(values).all():
        raise ImageError(f"{file} holds pixels that are NaN or infinite; export it again.")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind != "f" and low >= 0:
        return values.astype(np.float32) / np.float32(full_scale(int(high)))
    if low >= 0 and high <= 1:
        return values.astype(np.float32)
    return ((values.astype(np.float64) - low) / max(high - low, 1e-30)).astype(np.float32)


def _picture_format(head: bytes) -> str | None:
    return next((name for signature, name in _SIGNATURES.items() if head.startswith(signature)), None)


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
