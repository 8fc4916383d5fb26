"""The SCP: what it takes is on the disk before it says so, and what it does not take gets a status and a sentence."""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nodes import associated, image, send
from pydicom import Dataset
from pydicom.uid import CTImageStorage, RLELossless, SecondaryCaptureImageStorage

from radloom.errors import RadloomError
from radloom.imaging import read_image
from radloom.listening.receiving import Receiver
from radloom.listening.reporting import CLASSES
from radloom.listening.spool import Spool, State

Receive = Callable[..., int]
GOOD = image("1.9")


def images(spool: Spool) -> list[Any]:
    return [path for key in spool.studies(State.RECEIVED) for path in spool.batch(key, State.RECEIVED).images]


def test_radiographs_are_taken_and_echoes_answered(spool: Spool, receive: Receive) -> None:
    sent = [image("1.2", number, SOPClassUID=sop_class) for number, sop_class in enumerate(CLASSES)]
    with associated(receive()) as association:
        assert association.send_c_echo().Status == 0
        assert [association.send_c_store(each).Status for each in sent * 2] == [0] * 2 * len(sent)
    for path, dataset in zip(images(spool), sent, strict=True):
        np.testing.assert_array_equal(np.rint(read_image(path) * 255), read_pixels(dataset))
    assert len(spool.studies(State.RECEIVED)) == 1


def read_pixels(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, np.uint8).reshape(dataset.Rows, dataset.Columns)


def test_compressed_images_are_kept_as_they_come(spool: Spool, receive: Receive) -> None:
    sent = image("1.2")
    pixels = read_pixels(sent)
    sent.compress(RLELossless, generate_instance_uid=False)
    with associated(receive(), syntax=RLELossless) as association:
        assert association.send_c_store(sent).Status == 0
    np.testing.assert_array_equal(np.rint(read_image(images(spool)[0]) * 255), pixels)
    assert sent.PixelData in images(spool)[0].read_bytes()


BAD = {
    "a CT image": (image("1.2", SOPClassUID=SecondaryCaptureImageStorage, Modality="CT"), 0xC000),
    "holds 3 frames": (image("1.2", NumberOfFrames=3), 0xC000),
    "no pixels": (image("1.2", PixelData=None), 0xC000),
    "an image": (image("1.2", Rows=None), 0xC000),
    "too few": (image("1.2", Rows=4), 0xC000),
    "StudyInstanceUID": (image("1.2", StudyInstanceUID=None), 0xC000),
    "SeriesInstanceUID": (image("1.2", SeriesInstanceUID=""), 0xC000),
}


def test_what_cannot_be_reported_is_refused(spool: Spool, receive: Receive, caplog: pytest.LogCaptureFixture) -> None:
    port = receive()
    for text, (bad, status) in BAD.items():
        caplog.clear()
        with associated(port) as association:
            answer = association.send_c_store(bad)
        assert (answer.Status, len(answer.ErrorComment) > 10) == (status, True)
        [line] = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
        assert text in line and "MODALITY" in line and not {"Jane", "P17"} & set(line.split())
    assert send(port, GOOD) == [0] and len(images(spool)) == 1


def test_instances_that_are_not_what_they_are_sent_as(
    spool: Spool, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = receive()
    with associated(port) as association:
        monkeypatch.setattr("pynetdicom.association.encode", lambda *_: b"\x08\x00\x18\x00UI\xff\xffno such length")
        assert association.send_c_store(image("1.2")).Status == 0xC000
    for bad, status in ((image("1.2", 2), 0xC000), (image("1.2", SOPClassUID=CTImageStorage), 0xA900)):
        monkeypatch.setattr("pynetdicom.association.encode", lambda *_, bad=bad: raw(bad))
        with associated(port) as association:
            assert association.send_c_store(image("1.2")).Status == status
    monkeypatch.undo()
    assert send(port, GOOD) == [0] and len(images(spool)) == 1


def raw(dataset: Dataset) -> bytes:
    """A data set without the head of a file."""
    from pynetdicom.dsutils import encode

    return encode(dataset, False, True) or b""


def test_other_classes_and_other_senders_are_refused(
    spool: Spool, receive: Receive, caplog: pytest.LogCaptureFixture
) -> None:
    port = receive("MODALITY")
    with associated(port) as association:
        assert CTImageStorage in {context.abstract_syntax for context in association.rejected_contexts}
    with associated(port, "STRANGER") as association:
        assert association.is_rejected
    assert "MODALITY also offers what is not taken: CT Image Storage" in caplog.text
    assert "association with STRANGER refused: its AE title is not among those that are allowed" in caplog.text


def test_what_is_too_much_is_refused(spool: Spool, receive: Receive, caplog: pytest.LogCaptureFixture) -> None:
    assert send(receive(free=2**60), GOOD) == [0xA700]
    port = receive(instance=200_000)
    with associated(port) as association:
        assert not association.send_c_store(image("1.2", Rows=1000, Columns=1000, PixelData=bytes(10**6)))
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(struct.pack(">BBL", 4, 0, 2**32 - 1))
        while connection.recv(100):  # until it hangs up, instead of reading so much
            pass
    assert "an instance is larger than" in caplog.text
    assert send(port, GOOD) == [0] and len(images(spool)) == 1


def test_connections_that_ask_for_nothing_give_way(
    spool: Spool, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radloom.listening.receiving.REQUEST_SECONDS", 0.5)
    port = receive(associations=2)
    with socket.create_connection(("127.0.0.1", port), 10) as one, socket.create_connection(("127.0.0.1", port), 10):
        assert one.recv(100) == b""  # after half a second it hangs up
        time.sleep(0.3)
        assert send(port, GOOD) == [0]


def test_a_disk_that_fails_is_told(spool: Spool, receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    port = receive()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert send(port, GOOD) == [0xA700] and images(spool) == []
    assert send(port, GOOD) == [0] and len(images(spool)) == 1


def test_a_port_that_is_taken_is_named(spool: Spool, receive: Receive) -> None:
    port = receive()
    for host, taken in (("127.0.0.1", port), ("192.0.2.1", 0)):
        with pytest.raises(RadloomError, match=rf"Cannot listen on {host}, port {taken}"):
            Receiver(spool, (host, taken), "RADLOOM")


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "radloom.listening")
