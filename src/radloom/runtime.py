"""What the process is told of memory and threads, so that networks run well on the CPUs of an ordinary computer.

A network's feature maps are tens of megabytes each. glibc gives blocks of that size back to the kernel as soon as they
are free, and the kernel clears every page of the next one: half of the time of a classifier on a CPU.

Threads of OpenMP wait for each other hundreds of times a second, and do so spinning. That is the fastest while they
have the cores for themselves, by a fifth on two of them. Where another program has one, a spinning thread keeps it from
the very thread that it waits for: drawings of 4 s took more than a minute.

Both are the process's own choice. The command line makes it; importing radloom never does.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

# <malloc.h>
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_NEVER = 2**31 - 1
_STEP = 64 << 20

_STAT = Path("/proc/stat")
_LOOK = 0.1  # seconds, ten ticks of the kernel's clock


def tune() -> None:
    """Keep memory, and sleep when waiting where the computer is busy. To be called before torch is imported."""
    keep_memory()
    if is_busy():
        sleep_when_waiting()


def is_busy() -> bool:
    """Whether other programs use a quarter of the cores or more at this moment, where that is known: on Linux."""
    before = _ticks()
    if before is None:
        return False
    time.sleep(_LOOK)
    after = _ticks() or before
    spent, idle = (now - then for now, then in zip(after, before, strict=True))
    return spent > 0 and idle < 0.75 * spent


def _ticks() -> tuple[int, int] | None:
    """Time that all cores had, and what of it they were idle, since the start; None where the kernel does not say."""
    try:
        numbers = [int(word) for word in _STAT.read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return sum(numbers), numbers[3] + numbers[4]


def keep_memory() -> bool:
    """Let this process keep freed memory for its next use; the peak stays about the same.

    Returns:
        Whether it took effect: with glibc, hence on most Linux systems.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    settings = ((_MMAP_THRESHOLD, _NEVER), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP))
    took = [mallopt(name, value) for name, value in settings]
    return all(took)


def sleep_when_waiting() -> bool:
    """Let threads that wait for others sleep instead of spin, in this process and those that it starts.

    It sets `OMP_WAIT_POLICY`, which OpenMP reads when torch loads it; one that is set already stays.

    Returns:
        Whether it can take effect, which it does not once torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return "torch" not in sys.modules
