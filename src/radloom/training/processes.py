"""Several processes of one training, as a launcher starts them: what is done once, the first of them does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch

LONGEST = timedelta(days=2)
"""How long processes wait for the first one: it may have a whole corpus to read."""


@contextmanager
def first_process_first() -> Iterator[bool]:
    """Within, the first process is alone, and the others follow when it is through.

    Gives whether this is the first process. Without a launcher it is, and there is nothing to wait for.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield True
        return
    from accelerate import PartialState

    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=LONGEST)
    with state.main_process_first():
        yield state.is_main_process
