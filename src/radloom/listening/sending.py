"""The Storage SCU (DICOM PS3.4, annex B): reports of the spool go to another application entity, until it takes them.

While it cannot be reached, it is tried again after 1, 2, 4, ... seconds, after five minutes at most; so is a report
that it refuses, while others are sent. A report whose answer was lost is sent again and is the same one, by its UID.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from radloom.errors import RadloomError
from radloom.listening.spool import Spool, State

if TYPE_CHECKING:
    from pynetdicom import Association

log = logging.getLogger("radloom.listening")

TAKEN = (0x0000, 0xB000, 0xB006, 0xB007)
"""Success, and warnings with which an instance was stored (PS3.4, table B.2-1)."""

LONGEST_DELAY = 300.0
"""Seconds between two tries."""

_LONGEST_TITLE = 16
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Peer:
    """An application entity that reports are sent to."""

    title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read `TITLE@HOST:PORT`.

        Raises:
            RadloomError: it is not of that form.
        """
        title, _, address = text.rpartition("@")
        host, _, port = address.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
            raise RadloomError(f"{text!r} is not of the form TITLE@HOST:PORT, as in PACS@10.0.0.7:104.")
        return cls(check_title(title), host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"{self.title} at {self.host}, port {self.port}"


def check_title(title: str) -> str:
    """An AE title without the spaces around it (PS3.5, section 6.2).

    Raises:
        RadloomError: it is empty, too long or has other characters than the standard allows.
    """
    stripped = title.strip()
    if not (0 < len(stripped) <= _LONGEST_TITLE and stripped.isascii() and stripped.isprintable()) or "\\" in stripped:
        raise RadloomError(f"{title!r} is no AE title; give 1 to 16 ASCII characters without a backslash.")
    return stripped


class Backoff:
    """When to try again what failed: after 1, 2, 4, ... seconds."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}  # how many, and when to try again

    now = staticmethod(time.monotonic)

    def ready(self, name: str) -> bool:
        """Whether it may be tried now."""
        return self.now() >= self._failures.get(name, (0, 0.0))[1]

    def fail(self, name: str) -> float:
        """Note a failure: seconds until the next try."""
        failures = self._failures.get(name, (0, 0.0))[0]
        delay = min(2.0**failures, LONGEST_DELAY)
        self._failures[name] = (failures + 1, self.now() + delay)
        return delay

    def succeed(self, name: str) -> None:
        """Forget its failures."""
        self._failures.pop(name, None)


class _UnreachableError(Exception):
    """There is no association, or none any more."""


class Sender:
    """Sends reports.

    Args:
        peer: where to.
        title: AE title of the sender.
        spool: where the reports are.
        stop: once it is set, no further report is begun.
    """

    def __init__(self, peer: Peer, title: str, spool: Spool, stop: Event) -> None:
        self.peer, self.spool, self.stop = peer, spool, stop
        self.reaching, self.storing = Backoff(), Backoff()
        self.entity = AE(title)
        self.entity.connection_timeout = _CONNECT_SECONDS
        self.entity.add_requested_context(BasicTextSRStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])

    def step(self) -> bool:
        """Send the reports that are to be tried now; False, since there is no hurry to look for more."""
        keys = [key for key in self.spool.studies(State.REPORTED) if self.storing.ready(key)]
        if keys and self.reaching.ready(self.peer.title):
            try:
                with self._association() as association:
                    self.reaching.succeed(self.peer.title)
                    for key in keys:
                        if not self.stop.is_set():
                            self._send(association, key)
            except _UnreachableError:
                delay = self.reaching.fail(self.peer.title)
                log.warning("%s takes no reports, %d wait; next try in %d s", self.peer, len(keys), delay)
        return False

    @contextmanager
    def _association(self) -> Iterator[Association]:
        try:
            association = self.entity.associate(self.peer.host, self.peer.port, ae_title=self.peer.title)
        except OSError:  # the host has no address now
            raise _UnreachableError from None
        if not association.is_established:
            raise _UnreachableError
        try:
            yield association
        finally:
            association.release()

    def _send(self, association: Association, key: str) -> None:
        try:
            batch = self.spool.batch(key, State.REPORTED)
            if not batch.sent.exists():
                status = self._store(association, batch.report)
                if status not in TAKEN:
                    delay = self.storing.fail(key)
                    log.warning("report of study %s refused (0x%04X); next try in %d s", key, status, delay)
                    return
        except FileNotFoundError:  # the study got another image just now
            return
        self.spool.mark_sent(batch)
        self.storing.succeed(key)
        log.info("report of study %s sent to %s", key, self.peer.title)

    def _store(self, association: Association, report: Path) -> int:
        """Status that the peer answers with."""
        try:
            answer = association.send_c_store(report)
        except RuntimeError:  # pynetdicom's word for an association that has ended
            raise _UnreachableError from None
        if "Status" not in answer:
            raise _UnreachableError
        return int(answer.Status)
