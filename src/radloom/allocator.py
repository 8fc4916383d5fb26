"""The C library's allocator, told to keep the memory that it has.

A network's feature maps are tens of megabytes each. glibc gives blocks of that size back to the kernel as soon as they
are free, and the kernel clears every page of the next one: half of the time of a classifier on a CPU.
"""

from __future__ import annotations

import ctypes
import sys

# <malloc.h>
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_NEVER = 2**31 - 1
_STEP = 64 << 20


def keep_memory() -> bool:
    """Let this process keep freed memory for its next use; the peak stays about the same.

    The command line does so by itself. A Python program that runs models on a CPU may call it once, before it loads
    one; it is the process's own choice and never made by importing radloom.

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
