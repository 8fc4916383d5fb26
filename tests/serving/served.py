"""Models that are easy on tests of the service, files as bytes, and a client that leaves."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

import radloom
import tiny
from radloom.study import Report

CLEAR = Report("The lungs are clear.")


class Stub:
    """A model whose reports are all the same, made up without a look, and everything else a real one's."""

    def __init__(self, model: radloom.Model, report: Report = CLEAR) -> None:
        self.model, self.report = model, report

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def arrange(
        self, image: np.ndarray, lateral: np.ndarray | None = None, **_: Any
    ) -> tuple[radloom.Study, list[str]]:
        return radloom.Study(frontal=image, lateral=lateral), []

    def reports(self, studies: list[radloom.Study], **options: Any) -> list[Report]:
        return [self.report] * len(studies)


class Held(Stub):
    """A model whose answers are held back until `go` is set.

    Attributes:
        begun: set while a batch of questions is held.
        batches: the questions of each batch.
    """

    def __init__(self, model: radloom.Model) -> None:
        super().__init__(model)
        self.go, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[str]] = []

    def answers(self, images: list[np.ndarray], questions: list[str], **options: Any) -> list[str]:
        self.batches.append(questions)
        self.begun.set()
        while not self.go.wait(0.01):
            options["progress"](0, 1)
        return self.model.answers(images, questions, **options)


def wait_until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def encoded(kind: str = "PNG", seed: int = 0, size: tuple[int, int] = (80, 72)) -> bytes:
    """A picture of a made-up chest as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(tiny.draw_chest(seed, size)).save(stream, kind)
    return stream.getvalue()


def dicom(seed: int = 0, size: tuple[int, int] = (80, 72), **attributes: str) -> bytes:
    """The same as DICOM, or larger, with further attributes."""
    import pydicom
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    stored = tiny.draw_chest(seed, size)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3.4"
    dataset.Modality, dataset.PatientName = "DX", "Doe^Jane"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = stored.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "chest.png": encoded,
    "chest.jpg": lambda: encoded("JPEG"),
    "chest.tif": lambda: encoded("TIFF"),
    "chest.dcm": dicom,
}


def post(
    app: Any,
    path: str,
    parts: dict[str, bytes],
    receive: Callable[[], Any],
    *,
    whole: bool = True,
    headers: dict[str, str] | None = None,
) -> list[dict]:
    """Sends a form, or the beginning of one, to the application itself; then its client does what `receive` says.

    Gives the messages that the application sent.
    """
    boundary = b"fence"
    body = b"".join(
        b"--%s\r\nContent-Disposition: form-data; name=%s%s\r\n\r\n%s\r\n"
        % (boundary, name.encode(), b'; filename="a"' if name in ("frontal", "lateral") else b"", data)
        for name, data in parts.items()
    )
    body += b"--%s--\r\n" % boundary
    sent: list[dict] = []
    first = True

    async def given() -> dict:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": not whole}
        return await receive()

    async def send(message: dict) -> None:
        sent.append(message)

    named = {"content-type": "multipart/form-data; boundary=fence"} | (headers or {})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    asyncio.run(app(scope, given, send))
    return sent
