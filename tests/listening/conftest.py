"""A spool, and a receiver of it in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")

from radloom.listening.receiving import Limits, Receiver
from radloom.listening.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool") as spool:
        yield spool


@pytest.fixture
def receive(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Starts a receiver, with some limits or allowed titles, and gives its port."""
    monkeypatch.setattr("radloom.listening.receiving._GRACE", 0.1)
    with ExitStack() as stack:

        def start(*allowed: str, **limits: Any) -> int:
            receiver = Receiver(spool, ("127.0.0.1", 0), "RADLOOM", allowed, Limits(**limits))
            stack.callback(receiver.stop)
            return receiver.port

        yield start
