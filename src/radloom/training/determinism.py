"""Seeding without side effects on the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, torch draws from `seed`; afterwards its random state is as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
