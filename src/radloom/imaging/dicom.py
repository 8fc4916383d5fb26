"""DICOM radiographs -> float32 array (H, W) in [0, 1] with bones bright.

Section numbers are those of DICOM PS3.3. Grey values go through the standard's pipeline: stored values -> modality
LUT or rescale (C.11.1) -> VOI LUT or window (C.11.2) -> inversion of MONOCHROME1 (C.7.6.3.1.2). Compressed transfer
syntaxes are decoded by pydicom's plug-ins (GDCM's in a process of its own, see `radloom.imaging.apart`).

Orientation: Patient Orientation (C.7.6.1.1.1) names the anatomical directions of the stored rows and columns; where
it is present the picture is turned so that the head is up, and a frontal picture so that the patient's left is on
its right-hand side. Field of View Rotation and Horizontal Flip (C.8.11.4) are not applied: they record what was
done to the stored pixels already, relative to the detector.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PILImage

from radloom.errors import ImageError
from radloom.imaging.apart import decode_apart
from radloom.imaging.array import full_scale, luminance, remark
from radloom.imaging.files import MAX_PIXELS, File, check_size, is_dicom, read_head, undecodable
from radloom.study import View

if TYPE_CHECKING:
    from pydicom import Dataset

_NOT_RADIOGRAPHY = {
    "CT": "a CT image",
    "MR": "a magnetic resonance image",
    "PT": "a PET image",
    "NM": "a nuclear medicine image",
    "US": "an ultrasound image",
    "IVUS": "an intravascular ultrasound image",
    "OCT": "an optical coherence tomogram",
    "XA": "an angiogram",
    "MG": "a mammogram",
    "SM": "a microscopy image",
    "SEG": "a segmentation",
    "RTDOSE": "a dose map",
}
_VIEWS = {
    "PA": View.FRONTAL,
    "AP": View.FRONTAL,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LATERAL": View.LATERAL,
}
_VIEW_CODES = {
    "399033003": View.FRONTAL,
    "272479007": View.FRONTAL,  # postero-anterior
    "399348003": View.FRONTAL,  # antero-posterior
    "399067008": View.LATERAL,
    "399173006": View.LATERAL,  # left lateral
    "399198007": View.LATERAL,  # right lateral
}
"""SNOMED CT codes of PS3.16, CID 4010."""

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
_PERCENTILES = (0.5, 99.5)  # become black and white where the file states no window: lead markers must not set white
_META = 2  # group of the file meta information
_OTHERS = 2**24  # bytes that attributes beside the pixels may take
_CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000: SOC and SIZ
_BOXED = b"\0\0\0\x0cjP  "  # JPEG 2000 in a file of its own: the signature box
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # JPEG and JPEG-LS: SOF markers
_SCAN = 0xDA  # SOS
_SQUARE = 0.01  # pixels whose sides differ by less are square


_CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "HEART", "TORSO", "TRUNK", "BODY")
"""Words in BodyPartExamined (PS3.16 annex L) of images that may show a chest."""


def read_dicom(file: File, *, max_pixels: int) -> np.ndarray:
    """Read a DICOM file that `files.read_head` has found to be there.

    Args:
        file: its path, or its bytes in memory.
        max_pixels: refuse an image of more pixels before decoding it.

    Returns:
        (H, W) float32 in [0, 1], bones bright, head up, square pixels.

    Raises:
        ImageError: damaged, not a radiograph, several frames, no pixels, too small or too large.

    Warns:
        ImageWarning: a colour image, an unprocessed detector image, another part of the body, or a window that leaves
            nothing to see.
    """
    try:
        header = read_header(file, max_pixels=max_pixels)
        check_header(file, header, max_pixels)
        if header.get("PresentationIntentType") == "FOR PROCESSING":
            remark(f"{file} is an unprocessed detector image (FOR PROCESSING); prefer a FOR PRESENTATION one.")
        part = " ".join(str(header.get("BodyPartExamined") or "").split()).upper()
        if part and not any(word in part for word in _CHEST):
            remark(f"{file} says that it shows the {part.lower()[:64]}; radloom knows chests alone.")
        dataset = _parse(file)
        if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            raise ImageError(f"{file} is a DICOM file without pixels; give the image object of the study.")
        image = _display(file, dataset)
        image = _upright(_square(image, dataset), dataset.get("PatientOrientation"))
    except ImageError:
        raise
    except Exception as error:  # pydicom and its decoders raise a dozen types on damaged bytes
        raise undecodable(file, error) from error
    check_size(file, image.shape, max_pixels)
    return image


def dicom_view(file: File | str) -> View | None:
    """The view that View Position (0018,5101) or else View Code Sequence (0054,0220) states.

    Args:
        file: of any kind; its path, or its bytes in memory.

    Returns:
        None where neither states one that is known, or the file is not DICOM.

    Raises:
        ImageError: missing, empty or damaged file.
    """
    file = Path(file) if isinstance(file, str) else file
    if not is_dicom(file, read_head(file)):
        return None
    try:
        header = read_header(file)
        position = str(header.get("ViewPosition")).strip().upper()
        codes = [str(item.get("CodeValue")) for item in header.get("ViewCodeSequence") or ()]
    except Exception as error:
        raise undecodable(file, error) from error
    return _VIEWS.get(position) or next((_VIEW_CODES[code] for code in codes if code in _VIEW_CODES), None)


def transfer_syntaxes() -> list[str]:
    """UIDs of the transfer syntaxes whose pixels this installation decodes, those without compression first."""
    from pydicom.pixels import decoders
    from pydicom.pixels.decoders.base import Decoder
    from pydicom.uid import AllTransferSyntaxes

    readable = {one.UID for one in vars(decoders).values() if isinstance(one, Decoder) and one.is_available}
    return [syntax for syntax in AllTransferSyntaxes if syntax in readable]


def read_header(file: File, tags: Sequence[str] | None = None, *, max_pixels: int = MAX_PIXELS) -> Dataset:
    """The attributes of a DICOM file without its pixels.

    Args:
        file: its path, or its bytes in memory.
        tags: keywords of those that are read; all by default.
        max_pixels: a file that is deflated as a whole is inflated no further than an image of so many goes.

    Raises:
        ImageError: it holds more than that. Of other damage, whatever pydicom raises.
    """
    _check_inflated(file, max_pixels)
    return _parse(file, stop_before_pixels=True, tags=tags)


def _parse(file: File, stop_before_pixels: bool = False, tags: Sequence[str] | None = None) -> Dataset:
    import pydicom

    stream = file if isinstance(file, Path) else file.open()
    wanted: list[Any] | None = None if tags is None else list(tags)
    dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=stop_before_pixels, specific_tags=wanted)
    if "TransferSyntaxUID" not in dataset.file_meta:  # a file without preamble
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = (
            pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
        )
    return dataset


def _check_inflated(file: File, max_pixels: int) -> None:
    """Pass if a data set that is deflated as a whole does not hold more than an image of so many pixels.

    Raises:
        ImageError: it does.
    """
    from pydicom.filereader import read_dataset, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with file.open("rb") as stream:
        read_preamble(stream, force=True)
        meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != _META)  # as pydicom reads it
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        room = 8 * max_pixels + _OTHERS
        if len(zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(), room)) == room:
            raise ImageError(f"{file} is deflated, and larger than {room} bytes without that; export it again.")


def _check_stream(file: File, dataset: Dataset) -> None:
    """Pass if a compressed image is as large as its attributes say: it is decoded only then.

    Raises:
        ImageError: it is not.
    """
    from pydicom.encaps import generate_frames

    stated = (int(dataset.Rows), int(dataset.Columns))
    for size in _stream_sizes(next(generate_frames(dataset.PixelData, number_of_frames=1))):
        if size != stated:
            raise ImageError(
                f"{file} says that it has {stated[0]} x {stated[1]} pixels, but its compressed image has "
                f"{size[0]} x {size[1]}; export it again."
            )


def _stream_sizes(stream: bytes) -> Iterator[tuple[int, int]]:
    """Rows and columns as every header of a JPEG, JPEG-LS or JPEG 2000 stream has them; nothing of other streams."""
    if stream.startswith((_CODESTREAM, _BOXED)):
        at = stream.index(_CODESTREAM)
        width, height, left, top = struct.unpack_from(">4I", stream, at + len(_CODESTREAM) + 4)
        yield height - top, width - left
    if not stream.startswith(b"\xff\xd8\xff"):
        return
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != _SCAN:
        if stream[at + 1] in _FRAMES:
            yield struct.unpack_from(">2H", stream, at + 5)
        at += 1 if stream[at + 1] == 0xFF else 2 + int.from_bytes(stream[at + 2 : at + 4], "big")


def check_header(name: object, header: Dataset, max_pixels: int = MAX_PIXELS) -> None:
    """Pass if a DICOM object can be a radiograph, as far as it says without its pixels.

    Args:
        name: what errors call it.
        header: all of its attributes but the pixels.
        max_pixels: the largest image.

    Raises:
        ImageError: of another modality, several frames, no image, or one that is too small or too large.
    """
    modality = str(header.get("Modality") or "").strip().upper()
    if modality in _NOT_RADIOGRAPHY:
        raise ImageError(
            f"{name} is {_NOT_RADIOGRAPHY[modality]} (modality {modality}), not a chest radiograph; "
            "give a CR or DX image."
        )
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ImageError(
            f"{name} (modality {modality or 'not stated'}) holds {header.NumberOfFrames} frames; "
            "give a single radiograph."
        )
    if "Rows" not in header or "Columns" not in header:
        raise ImageError(f"{name} is a DICOM file without an image; give the image object of the study.")
    check_size(name, (int(header.Rows), int(header.Columns)), max_pixels)


def _display(file: File, dataset: Dataset) -> np.ndarray:
    """Stored pixels to display values: (rows, columns) float32 in [0, 1], bones bright."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

    plugin = _decoder(file, dataset)
    if plugin:
        _check_stream(file, dataset)
    stored = decode_apart(file) if plugin == "gdcm" else pixel_array(dataset, decoding_plugin=plugin)
    photometric = str(dataset.PhotometricInterpretation).strip()
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.ndim == 3:
        return luminance(stored[..., :3], str(file))
    if not photometric.startswith("MONOCHROME"):
        raise ImageError(f"{file} has photometric interpretation {photometric!r}; export it as MONOCHROME2.")

    values = apply_modality_lut(stored, dataset)
    if np.array_equal(values, stored):  # slope 1, intercept 0
        values = stored
    if not np.isfinite(values).all():
        raise ImageError(f"{file} holds pixels that are NaN or infinite; export it again.")
    real = ~_padding(stored, dataset)
    image = _apply_voi(file, values, real, dataset)
    if photometric == "MONOCHROME1":
        image = 1 - image
    image[~real] = 0
    return image


def _decoder(file: File, dataset: Dataset) -> str:
    """The pydicom plug-in that decodes a compressed image; `""` for one that is not compressed.

    GDCM comes last, though pydicom would take it first: on some damaged streams it aborts the whole process, where
    the others raise. It alone decodes lossless JPEG and JPEG-LS, and does so in a process of its own. Lossy JPEG of 12
    bits only libjpeg's plug-in decodes, which is under the GPL and so the user's own to install.

    Raises:
        ImageError: lossy JPEG of 12 bits where that plug-in is missing.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return ""
    available = get_decoder(syntax).available_plugins
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
        if "pylibjpeg" not in available:
            raise ImageError(
                f"{file} is compressed as lossy JPEG of 12 bits, which needs one more package (GPL-3.0); run: "
                "pip install pylibjpeg-libjpeg"
            )
        return "pylibjpeg"
    jpeg = syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes)  # the same, whether libjpeg's is there or not
    plugins = ("pillow",) if jpeg else ("pydicom", "pylibjpeg", "pillow")
    return next((plugin for plugin in plugins if plugin in available), "gdcm")


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Mask of the pixels that only fill the rectangle (C.7.5.1.1.2): they are background, so black."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((first, first if last is None else last))
    return np.asarray((stored >= low) & (stored <= high))


def _apply_voi(file: File, values: np.ndarray, real: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Values of interest (C.11.2) to float32 in [0, 1]: the first VOI LUT, else the first window, else a default.

    Without either, 8-bit images are display-ready (C.11.2: identity); deeper ones are stretched between two
    percentiles of the pixels that are not padding.
    """
    if dataset.get("VOILUTSequence"):
        return _voi_lut(values, dataset)
    window = _window(dataset)
    if window is not None:
        image = _windowed(values, *window)
        if not real.any() or np.ptp(image[real]) > 0 or np.ptp(values[real]) == 0:
            return image
        remark(f"{file}: its window (center {window[0]:g}, width {window[1]:g}) shows nothing and is not used.")
    elif values.dtype.kind == "u" and dataset.BitsStored <= 8 and values.max() < 2**dataset.BitsStored:
        return values.astype(np.float32) / np.float32(2**dataset.BitsStored - 1)
    return _stretched(values, values[real] if real.any() else values)


def _voi_lut(values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Look values up in the first VOI LUT (C.11.2.1.1), to float32 in [0, 1].

    Written out because pydicom 3.0's `apply_voi` overflows where a table of 8-bit entries has more than 256 of them.
    """
    lut = dataset.VOILUTSequence[0]
    entries, first, bits = (int(value) for value in lut.LUTDescriptor)
    entries = entries or 2**16  # as 16 bits cannot say it
    table = lut.LUTData
    if isinstance(table, bytes):  # VR OW: 16-bit words, or packed bytes
        packed = bits <= 8 and len(table) < 2 * entries
        table = np.frombuffer(table, "u1" if packed else "<u2" if dataset.original_encoding[1] else ">u2")
    table = np.asarray(table, np.float32)
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return np.asarray(table[index] / np.float32(full_scale(int(table.max()))))


def _window(dataset: Dataset) -> tuple[float, float, str] | None:
    """Center, width and function of the first window, if there is a usable one."""
    center, width = _first_number(dataset.get("WindowCenter")), _first_number(dataset.get("WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if center is None or width is None or width < (1 if function == "LINEAR" else math.ulp(0.0)):
        return None
    return center, width, function


def _windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """The window functions of C.11.2.1.2 and C.11.2.1.3, to float32 in [0, 1]."""
    x = values.astype(np.float32)
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (x - center) / width, -80, 80))), np.float32)
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return np.asarray(x > center, np.float32)
    return np.asarray(np.clip((x - center) / width + 0.5, 0, 1), np.float32)


def _stretched(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    low, high = np.percentile(reference, _PERCENTILES)
    if low == high:
        low, high = reference.min(), reference.max()
    if low == high:
        return np.zeros(values.shape, np.float32)
    return np.asarray(np.clip((values.astype(np.float32) - low) / (high - low), 0, 1), np.float32)


def _square(image: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Shrink the finer axis where pixels are not square (C.7.6.3.1.7 and 10.7: row spacing, then column spacing)."""
    keywords = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
    stated = next((pair for keyword in keywords if len(pair := _several(dataset.get(keyword))) == 2), None)
    if stated is None:
        return image
    vertical, horizontal = (float(side) for side in stated)
    if not (vertical > 0 and horizontal > 0) or abs(vertical / horizontal - 1) < _SQUARE:
        return image
    rows, columns = image.shape
    if vertical < horizontal:
        rows = max(1, round(rows * vertical / horizontal))
    else:
        columns = max(1, round(columns * horizontal / vertical))
    resized = PILImage.fromarray(image).resize((columns, rows), PILImage.Resampling.BICUBIC)
    return np.asarray(resized).clip(0, 1)


def _upright(image: np.ndarray, orientation: Any) -> np.ndarray:
    """Turn the picture by Patient Orientation: head up, and in a frontal view the patient's left on the right.

    The two values name where the end of a row (its right) and of a column (its bottom) point in the patient; the
    first letter is the main direction. A lateral view is turned but never mirrored: patients face either way.
    """
    directions = _several(orientation)
    if len(directions) != 2:
        return image
    right, bottom = (str(direction).strip().upper()[:1] for direction in directions)
    if right in _OPPOSITE and bottom in _OPPOSITE:
        if right == "H" and bottom not in "HF":
            image, right, bottom = np.rot90(image), bottom, "F"  # counter-clockwise: the right edge goes up
        elif right == "F" and bottom not in "HF":
            image, right, bottom = np.rot90(image, -1), _OPPOSITE[bottom], "F"
        elif bottom == "H" and right not in "HF":
            image, right, bottom = np.rot90(image, 2), _OPPOSITE[right], "F"
        if right == "R" and bottom == "F":
            image = np.fliplr(image)
    return np.ascontiguousarray(image)


def _first_number(value: Any) -> float | None:
    """The first of one or several decimal strings, if it is a finite number."""
    values = _several(value) or [value]
    return float(values[0]) if isinstance(values[0], int | float) and math.isfinite(values[0]) else None


def _several(value: Any) -> list[Any]:
    """The values of an element that has several, else none."""
    from pydicom.multival import MultiValue

    return list(value) if isinstance(value, MultiValue) else []
