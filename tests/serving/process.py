"""A `radloom serve` process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from served import wait_until

START = 300.0
"""Seconds in which it listens and has loaded its model, on a busy machine."""


@dataclass(frozen=True)
class Process:
    """A service that listens.

    Attributes:
        url: where.
        log: file of what it says.
        running: the process.
    """

    url: str
    log: Path
    running: subprocess.Popen[bytes]

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8")

    def megabytes(self) -> float:
        """Memory that it holds (resident set size)."""
        return psutil.Process(self.running.pid).memory_info().rss / 2**20


@contextmanager
def process(model: str | Path, folder: Path, *options: str, **environment: str) -> Iterator[Process]:
    """A service that has loaded its model; told to stop at the end, it stops as it should unless it has ended before.

    Args:
        model: name of a model inside the package, or its folder.
        folder: where its log is written.
        options: of `radloom serve`.
        environment: variables that are set for it.
    """
    command = [sys.executable, "-m", "radloom", "serve", "--port", "0", "--model", str(model), *options]
    log = folder / "log"
    with log.open("wb") as stream:
        running = subprocess.Popen(command, stdout=stream, stderr=stream, env=os.environ | environment)
    try:
        wait_until(lambda: b"/docs" in log.read_bytes() or running.poll() is not None, START)
        [url] = re.findall(r"radloom: serving \S+ on (http://127\.0\.0\.1:\d+), described at", log.read_text())
        with httpx2.Client(base_url=url, timeout=START) as client:
            wait_until(lambda: client.get("/ready").status_code == 200, START)
        yield Process(url, log, running)
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait()


def told_memory(megabytes: Sequence[float]) -> str:
    """A line on the memory of a process as it went, for people."""
    places = ("at the start", "in the middle", "at the end")
    return "memory: " + ", ".join(f"{held:.0f} MB {place}" for held, place in zip(megabytes, places, strict=False))
