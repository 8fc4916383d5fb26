"""The Storage SCP (DICOM PS3.4, annex B) and Verification SCP (annex A): instances come in and go to the spool.

An instance is acknowledged once it is on the disk. What is refused gets a status of PS3.4, table B.2-1, and a sentence
in the log and, as far as it fits, in the answer. The log names application entities and hashes of studies, never
patients.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, cast

from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from radloom.errors import ImageError, RadloomError
from radloom.imaging.dicom import check_header, transfer_syntaxes
from radloom.interop.common import IDENTIFIERS, plain, short
from radloom.listening.reporting import CLASSES
from radloom.listening.spool import Spool, short_hash
from radloom.services import place

if TYPE_CHECKING:
    from pynetdicom.transport import ThreadedAssociationServer

log = logging.getLogger("radloom.listening")

Event = Any
"""An event of pynetdicom, whose own type leaves open what each kind of them always has."""

STORED = 0x0000
OUT_OF_RESOURCES = 0xA700
WRONG_CLASS = 0xA900
NOT_UNDERSTOOD = 0xC000

REQUEST_SECONDS = 5.0
"""How long a connection may be silent before it asks for an association; meanwhile it counts as one."""

_PDU = 128 * 2**10  # bytes of a PDU that senders are told to keep to
_LONGEST_PDU = 2**20  # of one that is read at all; requests for an association can be long
_LONGEST_UID = 64
_GRACE = 5.0  # seconds that senders have to end when it stops


@dataclass(frozen=True)
class Limits:
    """What is taken.

    Attributes:
        instance: bytes of an instance.
        free: bytes that stay free on the disk.
        associations: at once; each holds an instance in memory while it comes.
    """

    instance: int = 256 * 2**20
    free: int = 2**30
    associations: int = 8


class _RefusedError(Exception):
    """An instance that is not taken: its status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """Listens from its making until `stop`.

    Args:
        spool: where instances go.
        address: host and port; port 0 is any that is free.
        title: AE title; senders may call it by any.
        allowed: AE titles of those that may send; all of them if there is none.
        limits: what is taken.

    Attributes:
        port: where it listens.

    Raises:
        RadloomError: the address is not this machine's, or the port is taken.
    """

    def __init__(
        self,
        spool: Spool,
        address: tuple[str, int],
        title: str,
        allowed: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self.spool, self.allowed, self.limits = spool, allowed, limits or Limits()
        self.entity = AE(title)
        self.entity.maximum_pdu_size = _PDU
        self.entity.maximum_associations = self.limits.associations
        self.entity.acse_timeout = REQUEST_SECONDS
        self.entity.require_calling_aet = list(allowed)
        self.entity.add_supported_context(Verification)
        # A deflated instance of a few bytes can hold gigabytes.
        syntaxes = [syntax for syntax in transfer_syntaxes() if syntax != DeflatedExplicitVRLittleEndian]
        for sop_class in CLASSES:
            self.entity.add_supported_context(sop_class, syntaxes)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_OPEN, _bound_pdus),
            (evt.EVT_PDU_RECV, self._bound_instance),
            (evt.EVT_ESTABLISHED, _tell_what_is_not_taken),
            (evt.EVT_REJECTED, self._tell_rejection),
        ]
        host, port = address
        try:
            server = self.entity.start_server(address, block=False, evt_handlers=handlers)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RadloomError(f"Cannot listen on {host}, port {port} ({reason}); choose others.") from None
        self._server = cast("ThreadedAssociationServer", server)  # None only where it blocks
        self.port = int(self._server.server_address[1])

    def stop(self) -> None:
        """Take no more associations, wait a little for those that there are, and abort what is left then."""
        self._server.shutdown()
        end = time.monotonic() + _GRACE
        while self.entity.active_associations and time.monotonic() < end:
            time.sleep(0.01)
        self.entity.shutdown()

    def _store(self, event: Event) -> int | Dataset:
        """Called with each instance: its status, with a comment where it is refused."""
        try:
            study, new = self._take(event)
        except _RefusedError as error:
            answer, why = error.status, str(error)
        except OSError as error:
            answer, why = OUT_OF_RESOURCES, f"The spool does not take it ({place(error)})."
        except Exception as error:  # damaged instances raise a dozen types
            answer, why = NOT_UNDERSTOOD, f"It cannot be decoded ({place(error)})."
        else:
            log.info("study %s %s from %s", study, "got an image" if new else "has an image already", _sender(event))
            return STORED
        log.warning("an image from %s is refused (0x%04X). %s", _sender(event), answer, why)
        status = Dataset()
        status.Status, status.ErrorComment = answer, short(why)
        return status

    def _take(self, event: Event) -> tuple[str, bool]:
        """Name of the study, and whether the instance is new."""
        content = event.encoded_dataset()
        header = _check(event)
        if shutil.disk_usage(self.spool.folder).free - len(content) < self.limits.free:
            raise _RefusedError(OUT_OF_RESOURCES, "The disk is nearly full; make room on it.")
        study = str(header.StudyInstanceUID)
        return short_hash(study), self.spool.add(study, str(header.SOPInstanceUID), content)

    def _bound_instance(self, event: Event) -> None:
        """Called with each PDU: end an association that sends too large an instance, before memory does."""
        coming = event.assoc.dimse.message
        if coming and coming.data_set.tell() + coming.encoded_command_set.tell() > self.limits.instance:
            limit = self.limits.instance // 2**20
            log.warning("association with %s ended: an instance is larger than %d MB", _sender(event), limit)
            event.assoc.abort()

    def _tell_rejection(self, event: Event) -> None:
        sender = _sender(event)
        unknown = self.allowed and sender not in self.allowed
        why = "its AE title is not among those that are allowed" if unknown else "there are too many associations"
        log.warning("association with %s refused: %s", sender, why)


def _check(event: Event) -> Dataset:
    """The instance, once it is known to be one that can be reported."""
    request, header = event.request, event.dataset
    for keyword in IDENTIFIERS:
        if not 0 < len(str(header.get(keyword) or "")) <= _LONGEST_UID:
            raise _RefusedError(NOT_UNDERSTOOD, f"It has no usable {keyword}.")
    if header.SOPClassUID != request.AffectedSOPClassUID or header.SOPClassUID not in CLASSES:
        raise _RefusedError(WRONG_CLASS, "It is not of the SOP class under which it was sent.")
    if header.SOPInstanceUID != request.AffectedSOPInstanceUID:
        raise _RefusedError(NOT_UNDERSTOOD, "It is another instance than the request says.")
    try:
        check_header("It", header)
    except ImageError as error:
        raise _RefusedError(NOT_UNDERSTOOD, str(error)) from None
    if not header.get("PixelData"):
        raise _RefusedError(NOT_UNDERSTOOD, "It has no pixels.")
    return header


def _bound_pdus(event: Event) -> None:
    """Called with each connection: pynetdicom would read a PDU of any length that it states, up to 4 GB."""
    socket = event.assoc.dul.socket
    receive = socket.recv

    def bounded(length: int) -> bytearray:
        if length > _LONGEST_PDU:
            raise OSError(f"a PDU of {length} bytes")  # pynetdicom ends the connection
        return receive(length)

    socket.recv = bounded


def _tell_what_is_not_taken(event: Event) -> None:
    names = dict.fromkeys(plain(str(context.abstract_syntax.name)) for context in event.assoc.rejected_contexts)
    if names:
        log.warning("%s also offers what is not taken: %s", _sender(event), shorten(", ".join(names), 200))


def _sender(event: Event) -> str:
    return plain(str(event.assoc.requestor.ae_title))
