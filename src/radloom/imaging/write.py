"""Pictures out: PNG files that say where they come from, and contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from radloom.errors import ImageError
from radloom.files import write_whole
from radloom.imaging.array import check_array

_GAP = 4  # pixels between the pictures of a sheet
_CAPTION = 14  # height of a caption, in pixels
_PAPER = 0.15  # grey value of a sheet's background


def write_png(image: np.ndarray, path: Path | str, *, text: Mapping[str, str] | None = None) -> Path:
    """Write an 8-bit PNG, grey or in colour, whole or not at all; its folder is made if need be.

    Args:
        image: (H, W) or (H, W, 3) in [0, 1].
        path: the file to write; ends in `.png`.
        text: provenance, stored as PNG text chunks (keyword of 1 to 79 Latin-1 characters -> text).

    Returns:
        The path written.

    Raises:
        ImageError: another suffix, an array outside [0, 1], or a folder that cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ImageError(f"{path} does not end in .png; radloom writes PNG files only.")
    return write_whole(path, png_bytes(image, text=text), ImageError)


def png_bytes(image: np.ndarray, *, text: Mapping[str, str] | None = None) -> bytes:
    """What `write_png` writes: an 8-bit PNG, grey or in colour.

    Args:
        image: (H, W) or (H, W, 3) in [0, 1].
        text: provenance, stored as PNG text chunks (keyword of 1 to 79 Latin-1 characters -> text).

    Raises:
        ImageError: an array outside [0, 1].
    """
    rows = check_array(image.reshape(len(image), -1) if image.ndim == 3 and image.shape[2] == 3 else image)
    picture = Image.fromarray(np.rint(rows.reshape(image.shape) * 255).astype(np.uint8))
    info = PngInfo()
    for keyword, value in (text or {}).items():
        info.add_text(keyword, value)
    stream = BytesIO()
    picture.save(stream, format="PNG", pnginfo=info)
    return stream.getvalue()


def sheet(images: Sequence[np.ndarray], columns: int, labels: Sequence[str] | None = None) -> np.ndarray:
    """A contact sheet, row by row; smaller pictures are centred in their cells.

    Args:
        images: arrays (H, W) in [0, 1], not necessarily of one size.
        columns: pictures in a row.
        labels: one caption a picture, cut to the width of its cell.

    Returns:
        (H', W') float32 in [0, 1].

    Raises:
        ImageError: no images, no columns, or not one label an image.
    """
    if not images or columns < 1:
        raise ImageError(f"a sheet of {len(images)} images in {columns} columns is empty; give at least one of each.")
    if labels is not None and len(labels) != len(images):
        raise ImageError(f"a sheet of {len(images)} images got {len(labels)} labels; give one for each.")
    pictures = [check_array(image, f"image {index}") for index, image in enumerate(images)]
    columns = min(columns, len(pictures))
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    pitch_y, pitch_x = height + _GAP + (_CAPTION if labels else 0), width + _GAP
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * pitch_y + _GAP, columns * pitch_x + _GAP), _PAPER, np.float32)
    for index, picture in enumerate(pictures):
        top, left = _GAP + index // columns * pitch_y, _GAP + index % columns * pitch_x
        h, w = picture.shape
        y, x = top + (height - h) // 2, left + (width - w) // 2
        canvas[y : y + h, x : x + w] = picture
        if labels:
            caption = canvas[top + height : top + height + _CAPTION, left : left + width]
            caption[:] = np.maximum(caption, _caption(labels[index], width))
    return canvas


def _caption(label: str, width: int) -> np.ndarray:
    """White text on black, (_CAPTION, width) float32; text that does not fit ends in dots."""
    font = ImageFont.load_default(size=_CAPTION - 4)
    label = " ".join(label.split())
    if font.getlength(label) > width:
        while label and font.getlength(label + "...") > width:
            label = label[:-1]
        label += "..."
    strip = Image.new("L", (width, _CAPTION))
    ImageDraw.Draw(strip).text((0, 0), label, fill=255, font=font)
    return np.asarray(strip, np.float32) / 255
