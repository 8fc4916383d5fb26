"""Damaged X-ray files: valid ones of every kind, and mutations of them that a number decides.

A mutation flips bits, cuts, overwrites, removes, doubles or swaps pieces, or changes what a header says: sizes, depth,
frames, transfer syntax, counts and lengths.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames
from served import dicom, encoded

import tiny
from recode import recode

Mutation = Callable[[bytes, np.random.Generator], bytes]

EXTREME = (0, 1, 7, 15, 17, 255, 256, 4097, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1)
"""Numbers that headers do not hold as a rule."""

_GDCM = ("JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEGLSNearLossless", "JPEG2000", "JPEG2000Lossless")
_SYNTAXES = [uid.UID(syntax) for syntax in uid.AllTransferSyntaxes]
_ATTRIBUTES = (
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("PlanarConfiguration", "NumberOfFrames", "WindowWidth", "RescaleSlope"),
)


def valid_files(folder: Path) -> dict[str, bytes]:
    """A file of each kind that is read.

    Args:
        folder: where GDCM, which knows only files on disk, writes its own.
    """
    deep = Image.fromarray(tiny.draw_chest().astype(np.uint16) * 257)
    files = {kind.lower(): encoded(kind) for kind in ("PNG", "JPEG", "TIFF")}
    files |= {f"{kind.lower()}-16": _saved(deep, kind) for kind in ("PNG", "TIFF")}
    files["jpeg-progressive"] = _saved(Image.fromarray(tiny.draw_chest()), "JPEG", progressive=True)
    files["tiff-deflate"] = _saved(deep, "TIFF", compression="tiff_adobe_deflate")
    files["dicom"] = dicom()
    for syntax in (uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        files[f"dicom-{syntax.keyword}"] = _in_syntax(syntax)
    rle = pydicom.dcmread(io.BytesIO(dicom()))
    rle.compress(uid.RLELossless, generate_instance_uid=False)
    files["dicom-RLELossless"] = _written(rle)
    files["dicom-JPEGBaseline8Bit"] = _in_syntax(uid.JPEGBaseline8Bit, encapsulate([encoded("JPEG")]))
    (folder / "plain.dcm").write_bytes(dicom())
    for name in _GDCM:  # its own files have times and UIDs that are never the same
        coded = pydicom.dcmread(recode(folder / "plain.dcm", folder / "coded.dcm", name))
        files[f"dicom-{name}"] = _in_syntax(coded.file_meta.TransferSyntaxUID, coded.PixelData)
    return files


def mutate(name: str, data: bytes, random: np.random.Generator) -> bytes:
    """A damaged file.

    Args:
        name: of the file, as `valid_files` has it; it begins with its kind.
        data: the file.
        random: decides.
    """
    kind = name.partition("-")[0]
    mutations: tuple[Mutation, ...] = (*_ANY, *_OF[kind] * 3)
    return mutations[random.integers(len(mutations))](data, random)


# -- of any file -----------------------------------------------------------------------------------------------------


def _flip(data: bytes, random: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for position in random.integers(0, len(data), random.integers(1, 9)):
        damaged[position] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def _cut(data: bytes, random: np.random.Generator) -> bytes:
    return data[: random.integers(len(data))]


def _overwrite(data: bytes, random: np.random.Generator) -> bytes:
    start, end = _piece(data, random)
    filled = (bytes(end - start), b"\xff" * (end - start), random.bytes(end - start))
    return data[:start] + filled[random.integers(3)] + data[end:]


def _remove(data: bytes, random: np.random.Generator) -> bytes:
    start, end = _piece(data, random)
    return data[:start] + data[end:]


def _double(data: bytes, random: np.random.Generator) -> bytes:
    start, end = _piece(data, random)
    return data[:end] + data[start:]


def _swap(data: bytes, random: np.random.Generator) -> bytes:
    a, b, c, d = np.sort(random.integers(0, len(data), 4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _piece(data: bytes, random: np.random.Generator) -> tuple[int, int]:
    start = int(random.integers(len(data)))
    return start, min(len(data), start + int(random.integers(1, 65)))


# -- of one kind -----------------------------------------------------------------------------------------------------


def _png_header(data: bytes, random: np.random.Generator) -> bytes:
    """Another size, depth, colour type, compression, filter or interlacing, with the right checksum."""
    position, width = [(16, 4), (20, 4), (24, 1), (25, 1), (26, 1), (27, 1), (28, 1)][random.integers(7)]
    damaged = bytearray(data)
    damaged[position : position + width] = _number(random, width, ">")
    damaged[29:33] = struct.pack(">I", zlib.crc32(damaged[12:29]))
    return bytes(damaged)


def _png_chunks(data: bytes, random: np.random.Generator) -> bytes:
    """Chunks in another order, one left out, or one that gives a wrong length."""
    starts, position = [], 8
    while position < len(data):
        starts.append(position)
        position += 12 + int.from_bytes(data[position : position + 4])
    chunks = [bytearray(data[a:b]) for a, b in pairwise([*starts, len(data)])]
    which = int(random.integers(len(chunks)))
    change = random.integers(3)
    if change == 0:
        random.shuffle(chunks)  # type: ignore[arg-type]
    elif change == 1:
        del chunks[which]
    else:
        chunks[which][:4] = _number(random, 4, ">")
    return data[:8] + b"".join(chunks)


def _jpeg_segment(data: bytes, random: np.random.Generator) -> bytes:
    """One number of two bytes or one in a segment before the scan: its length, or what it says."""
    segments = list(_jpeg_segments(data))
    start, length = segments[random.integers(len(segments))]
    damaged = bytearray(data)
    if random.integers(3) == 0:
        damaged[start + 2 : start + 4] = _number(random, 2, ">")
    else:
        damaged[start + 4 + int(random.integers(max(1, length - 2)))] = int(random.choice(EXTREME)) & 255
    return bytes(damaged)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each segment after the first marker starts, and its length, up to the scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        length = int.from_bytes(data[position + 2 : position + 4])
        yield position, length
        if data[position + 1] == 0xDA:
            return
        position += 2 + length


def _tiff_entry(data: bytes, random: np.random.Generator) -> bytes:
    """Another tag, type, count or value of one entry of the first directory."""
    directory = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[directory : directory + 2], "little")
    entry = directory + 2 + 12 * int(random.integers(entries))
    offset, width = [(0, 2), (2, 2), (4, 4), (8, 4)][random.integers(4)]
    damaged = bytearray(data)
    damaged[entry + offset : entry + offset + width] = _number(random, width, "<")
    return bytes(damaged)


def _dicom_attribute(data: bytes, random: np.random.Generator) -> bytes:
    """Another value of what says how pixels are stored; the file is well-formed."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    keyword = _ATTRIBUTES[random.integers(len(_ATTRIBUTES))]
    if random.integers(4) == 0:
        dataset.PhotometricInterpretation = ("RGB", "YBR_FULL", "PALETTE COLOR", "MONOCHROME1", "")[random.integers(5)]
    elif random.integers(8) == 0 and keyword in dataset:
        delattr(dataset, keyword)
    else:
        value = int(random.choice(EXTREME[:10]))
        setattr(dataset, keyword, value)
    return _written(dataset)


def _dicom_syntax(data: bytes, random: np.random.Generator) -> bytes:
    """The name of another transfer syntax than the pixels have."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    old, new = dataset.file_meta.TransferSyntaxUID, _SYNTAXES[random.integers(len(_SYNTAXES))]
    return data.replace(_even(old), _even(new).ljust(len(_even(old)), b"\0")[: len(_even(old))], 1)


def _dicom_length(data: bytes, random: np.random.Generator) -> bytes:
    """A wrong length of one element after the preamble."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    elements = [element.file_tell for element in dataset if getattr(element, "file_tell", None)]
    position = int(elements[random.integers(len(elements))]) if elements else len(data)
    damaged = bytearray(data)
    damaged[position - 4 : position] = _number(random, 4, "<")
    return bytes(damaged)


def _dicom_pixels(data: bytes, random: np.random.Generator) -> bytes:
    """Any damage, and a changed number of a JPEG header, in the pixels alone; the file around them is well-formed."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        dataset.PixelData = _ANY[random.integers(len(_ANY))](dataset.PixelData, random)
        return _written(dataset)
    [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
    mutations = (*_ANY, *(_jpeg_segment,) * 4) if frame.startswith(b"\xff\xd8") else _ANY
    dataset.PixelData = encapsulate([mutations[random.integers(len(mutations))](frame, random) or b"\0\0"])
    return _written(dataset)


_ANY: tuple[Mutation, ...] = (_flip, _cut, _overwrite, _remove, _double, _swap)
_OF: dict[str, tuple[Mutation, ...]] = {
    "png": (_png_header, _png_chunks),
    "jpeg": (_jpeg_segment,),
    "tiff": (_tiff_entry,),
    "dicom": (_dicom_attribute, _dicom_syntax, _dicom_length, _dicom_pixels),
}


# -- parts -----------------------------------------------------------------------------------------------------------


def _number(random: np.random.Generator, width: int, order: str) -> bytes:
    """An extreme number in so many bytes."""
    value = int(random.choice(EXTREME)) % 256**width
    return value.to_bytes(width, "big" if order == ">" else "little")


def _even(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _in_syntax(syntax: uid.UID, pixels: bytes | None = None) -> bytes:
    """The DICOM file in another transfer syntax, with the pixels in it if these are compressed."""
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.file_meta.TransferSyntaxUID = syntax
    if pixels is not None:
        dataset.PixelData = pixels
        dataset["PixelData"].VR = "OB"
    return _written(dataset)


def _written(dataset: pydicom.Dataset) -> bytes:
    stream = io.BytesIO()
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.save_as(stream, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return stream.getvalue()
