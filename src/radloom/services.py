"""What the services, `radloom serve` and `radloom listen`, have in common: who can reach them, and what they log."""

from __future__ import annotations

import ipaddress
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from radloom.errors import RadloomError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, allowed: bool, remedy: str) -> None:
    """Pass if only this machine can reach the service, or if others may.

    Args:
        host: what it listens on.
        allowed: whether others may reach it, for example because a token guards it.
        remedy: what to do else, as the rest of the error's text.

    Raises:
        RadloomError: others could use it.
    """
    if not (is_loopback(host) or allowed):
        raise RadloomError(f"On {host or 'every address'} others can reach the service{remedy}")


def place(error: BaseException) -> str:
    """Type of an exception and where it was raised, without its text, which may quote what a file says."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} in {where}"


@contextmanager
def logging_to_stderr(service: str, libraries: Sequence[str]) -> Iterator[None]:
    """Within, a service logs to stderr, and libraries nowhere: what they log quotes the headers of files.

    Nor does anything warn: what is odd about a request its answer says.

    Args:
        service: name of its logger.
        libraries: names of theirs.
    """
    log, others = logging.getLogger(service), [logging.getLogger(name) for name in libraries]
    level, propagated = log.level, [other.propagate for other in others]
    nowhere, handler = logging.NullHandler(), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    for other in others:
        other.propagate = False
        other.addHandler(nowhere)  # without any, Python writes warnings to stderr itself
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        for other, propagate in zip(others, propagated, strict=True):
            other.propagate = propagate
            other.removeHandler(nowhere)
