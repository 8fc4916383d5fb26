"""Files of a request. They stay in memory: nothing of an upload touches the disk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Coroutine, Sequence
from io import BytesIO
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from fastapi import Request, Response, UploadFile
from fastapi.routing import APIRoute
from PIL import Image as PILImage
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from radloom.errors import ReportError, did_you_mean
from radloom.imaging import InMemory, Transform, as_image, dicom_view, noting, png_bytes, read_image
from radloom.interop import check_same_patient, says_synthetic
from radloom.serving.refusals import GONE, Refusal
from radloom.study import View

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_FILES, _FIELDS = 3, 16  # parts of a form, at most
_TEXTS = ("report", "question", "findings", "impression")
_LONGEST = 1000  # characters of any other field, whose names and numbers are short


class _Parser(MultiPartParser):
    """Starlette's, which would move a file of more than a megabyte to the disk. `Guard` bounds the whole body."""

    spool_max_size = sys.maxsize


class InMemoryRequest(Request):
    """A request whose form is read into memory, within the time that `Guard` allots it."""

    known: Collection[str] = ()
    """Fields that its route takes."""

    async def form(self, **limits: Any) -> FormData:  # type: ignore[override]
        """The form.

        Raises:
            Refusal: no form, one with too many parts, an unknown one, one twice or one too long, not sent in time, or
                given up by the client.
        """
        form = await self._read()
        seen = set()
        for name, value in form.multi_items():
            if name not in self.known:
                hint, fields = did_you_mean(name, self.known), ", ".join(self.known)
                raise Refusal(422, "unknown_field", f"Unknown field {name[:_LONGEST]!r}{hint}; fields: {fields}.")
            if name in seen:
                raise Refusal(422, "repeated_field", f"The field {name!r} was sent twice; send it once.")
            if isinstance(value, str) and len(value) > _LONGEST and name not in _TEXTS:
                raise Refusal(422, "too_long", f"The field {name!r} has more than {_LONGEST} characters; shorten it.")
            seen.add(name)
        return form

    async def _read(self) -> FormData:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _FORMS:
            raise Refusal(415, "no_form", f"The request is no form; send its fields as {_FORMS[0]}.")
        try:
            async with asyncio.timeout_at(self.state.deadline):
                if kind == _FORMS[1]:
                    return await super().form(max_fields=_FIELDS)
                return await _Parser(self.headers, self.stream(), max_files=_FILES, max_fields=_FIELDS).parse()
        except TimeoutError:
            raise Refusal(408, "upload_timeout", "The upload took too long; send a smaller file.") from None
        except ClientDisconnect:
            raise Refusal(GONE, "gone", "The client has left.") from None
        except MultiPartException as error:
            raise Refusal(400, "bad_request", f"The form cannot be read: {error.message}") from None


class InMemoryRoute(APIRoute):
    """A route whose forms are read into memory."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI's `APIRoute`."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            whole = InMemoryRequest(request.scope, request.receive)
            whole.known = [field.alias for field in self.dependant.body_params]
            return await handler(whole)

        return handle


async def in_memory(upload: UploadFile | None, name: str) -> InMemory | None:
    """A file that was sent.

    Args:
        upload: as FastAPI gives it; a form whose field was left empty sends one without name and bytes.
        name: what errors call it. The name it was sent with is never shown.
    """
    if upload is None or not (upload.filename or upload.size):
        return None
    data = await upload.read()
    await upload.close()  # a second copy that would wait with the request
    return InMemory(data, name, PurePath(upload.filename or "").suffix)


async def in_memory_text(upload: UploadFile | str | None, name: str) -> str | None:
    """A text that was sent as a field or as a file; see `in_memory`.

    Raises:
        ReportError: a file that is no text.
    """
    if upload is None or isinstance(upload, str):
        return upload
    file = await in_memory(upload, name)
    try:
        return None if file is None else file.data.decode()
    except UnicodeDecodeError:
        raise ReportError(f"The {name} is no text in UTF-8; send a text file, or the text itself.") from None


def to_png(file: InMemory, max_pixels: int, deep: bool = False) -> tuple[bytes, bool]:
    """A picture as browsers show it.

    Args:
        file: PNG, JPEG, TIFF or DICOM.
        max_pixels: refuse an image of more pixels before decoding it.
        deep: keep more than 8 bit, where the file has them.

    Returns:
        An 8-bit grey PNG of the picture's own size, upright and with bones bright, or a deep one, see `_deep_png`;
        whether the file says of itself that it is synthetic.

    Raises:
        ImageError: see `read_image`.
    """
    image = read_image(file, max_pixels=max_pixels)
    return (_deep_png(image) if deep else png_bytes(image)), says_synthetic(file)


def _deep_png(image: np.ndarray) -> bytes:
    """A PNG of 16-bit grey for browsers, whose canvas has 8 bit a colour: red is the high byte and green the low one.

    In an 8-bit grey PNG these are the same; that is what an image of no more than 8 bit becomes.
    """
    grey = np.rint(image * 65535).astype(np.uint16)
    high, low = (grey >> 8).astype(np.uint8), (grey & 255).astype(np.uint8)
    if np.array_equal(high, low):
        return png_bytes(image)
    stream = BytesIO()
    PILImage.fromarray(np.dstack([high, low, np.zeros_like(low)])).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def check_files(files: Sequence[InMemory]) -> list[str]:
    """Sentences on what is odd about files as those of one study.

    Raises:
        ImageError: they are of different patients; see `check_same_patient`.
    """
    with noting() as said:
        check_same_patient(files)
    return said


class Picture(NamedTuple):
    """An uploaded X-ray.

    Attributes:
        image: (R, R) float32 in [0, 1].
        remarks: sentences on what is odd about the file.
        view: the view that it states, if it is DICOM and does.
    """

    image: np.ndarray
    remarks: list[str]
    view: View | None


def to_model_size(file: InMemory, transform: Transform, max_pixels: int) -> Picture:
    """A picture at the size that the model sees, so that requests that wait are small.

    The model's transform leaves a picture of this size as it is: what comes of it, comes of the file.

    Args:
        file: PNG, JPEG, TIFF or DICOM.
        transform: the model's.
        max_pixels: refuse an image of more pixels before decoding it.

    Raises:
        ImageError: see `as_image`.
    """
    with noting() as said:
        picture = as_image(file, max_pixels=max_pixels)
    return Picture(transform.to_image(transform(picture)), said, dicom_view(file))
