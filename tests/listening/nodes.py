"""DICOM objects to send, a model that does not look, a node that sends and one that takes reports, and a listener.

Run as a program, it is a listener in a process of its own that tests may kill: `python nodes.py SPOOL PORT`, where PORT
is that of the node that takes its reports. It reads no study while there is a file `hold` in the spool.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from radloom.interop import Maker
from radloom.listening.receiving import Receiver
from radloom.listening.reporting import CLASSES, Reporter
from radloom.listening.sending import Peer, Sender
from radloom.listening.service import listen
from radloom.listening.spool import Spool
from radloom.study import Report, Study, View

pynetdicom = pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")


class Stub:
    """A model that writes the same report of every study and takes every image for a frontal view.

    Attributes:
        seen: the studies it was shown.
    """

    config, fingerprint = Maker("tiny", "0123", 0), "0123"

    def __init__(self, hold: Path | None = None) -> None:
        self.hold, self.seen = hold, list[Study]()

    def view(self, image: Path) -> View:
        return View.FRONTAL

    def reports(self, studies: Sequence[Study], **_: Any) -> list[Report]:
        while self.hold and self.hold.exists():
            time.sleep(0.005)
        self.seen += studies
        return [Report("The lungs are clear.", "Normal.")] * len(studies)


def image(study: str, number: int = 1, *, view: str = "PA", **attributes: Any) -> Dataset:
    """A DX image of a study; keywords set or, with None, remove attributes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, f"{study}.7.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.7"
    dataset.PatientName, dataset.PatientID, dataset.Modality, dataset.ViewPosition = "Doe^Jane", "P17", "DX", view
    dataset.Rows, dataset.Columns = 32, 24
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = np.random.default_rng(number).integers(0, 256, (32, 24), np.uint8).tobytes()
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def encoded(dataset: Dataset) -> bytes:
    """The same as a file."""
    from radloom.interop.common import dicom_bytes

    return dicom_bytes(dataset)


@contextmanager
def associated(port: int, title: str = "MODALITY", syntax: str = ExplicitVRLittleEndian) -> Iterator[Any]:
    """An association of a node that sends radiographs, CT images and echoes."""
    from pynetdicom.sop_class import CTImageStorage, Verification

    entity = pynetdicom.AE(title)
    for sop_class in (*CLASSES, CTImageStorage, Verification):
        entity.add_requested_context(sop_class, syntax)
    association = entity.associate("127.0.0.1", port)
    try:
        yield association
    finally:
        association.release()


def send(port: int, *images: Dataset) -> list[int]:
    """Statuses with which images are taken."""
    with associated(port) as association:
        return [association.send_c_store(each).Status for each in images]


@contextmanager
def taking(answer: Callable[[Dataset], int] = lambda report: 0) -> Iterator[tuple[int, list[Dataset]]]:
    """Port of a node that takes reports as `answer` says, and the reports that it was sent."""
    from pydicom.uid import BasicTextSRStorage

    reports: list[Dataset] = []

    def store(event: Any) -> int:
        reports.append(event.dataset)
        return answer(event.dataset)

    entity = pynetdicom.AE("PACS")
    entity.add_supported_context(BasicTextSRStorage)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_STORE, store)])
    try:
        yield server.server_address[1], reports
    finally:
        entity.shutdown()


def wait_until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def _listen(folder: Path, peer: int) -> None:
    stop = Event()
    with Spool(folder) as spool:
        receiver = Receiver(spool, ("127.0.0.1", 0), "RADLOOM")
        print(receiver.port, flush=True)
        model: Any = Stub(hold=folder / "hold")
        sender = Sender(Peer("PACS", "127.0.0.1", peer), "RADLOOM", spool, stop)
        listen(receiver, Reporter(model, spool, 0.0), sender, stop)


if __name__ == "__main__":
    _listen(Path(sys.argv[1]), int(sys.argv[2]))
