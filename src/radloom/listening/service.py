"""Receiving, reporting and sending beside each other, until they are told to stop."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

from radloom.listening.receiving import Receiver
from radloom.listening.reporting import Reporter
from radloom.listening.sending import Sender
from radloom.services import logging_to_stderr, place

log = logging.getLogger("radloom.listening")

_PAUSE = 0.2  # seconds between two looks at the spool
_LONG_PAUSE = 10.0  # after an error that nothing is known of


def listen(receiver: Receiver, reporter: Reporter, sender: Sender | None, stop: Event) -> None:
    """Receive, report and send until `stop` is set; what is worked on then is finished.

    Args:
        receiver: that listens already; it is stopped at the end.
        reporter: reports what comes.
        sender: sends reports on, if they are sent.
        stop: ends it.
    """
    steps = [reporter.step, *([sender.step] if sender else [])]
    threads = [Thread(target=_repeat, args=[step, stop], name="radloom-listening") for step in steps]
    with logging_to_stderr("radloom.listening", ["pydicom", "pynetdicom"]):
        for thread in threads:
            thread.start()
        stop.wait()
        receiver.stop()
        for thread in threads:
            thread.join()


def _repeat(step: Callable[[], bool], stop: Event) -> None:
    """Make steps; between those that find nothing to do, there is a pause."""
    while not stop.is_set():
        try:
            if not step():
                stop.wait(_PAUSE)
        except Exception as error:  # nothing that a study or a disk does may end the service
            log.error(place(error))
            stop.wait(_LONG_PAUSE)


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """An event that SIGTERM and Ctrl-C set."""
    stop = Event()

    def set_it(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, set_it) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
