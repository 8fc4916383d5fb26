"""Seeds of sampling: which numbers they may be, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from radloom.errors import RadloomError

LIMIT = 2**60
"""What seeds stay below in size: generators take 64 bits, which have to hold small multiples of them."""


def as_seeds(seeds: Sequence[int] | None, count: int) -> list[int]:
    """A seed each: those given, or 0, 1, 2, ...

    Args:
        seeds: of sampling; None for the default.
        count: of the things that are made.

    Raises:
        RadloomError: another number of them, or one whose size is `LIMIT` or more.
    """
    found = list(range(count) if seeds is None else seeds)
    if len(found) != count:
        raise RadloomError(f"{len(found)} seeds are given for {count} items; give one each.")
    for seed in found:
        if not isinstance(seed, Integral) or isinstance(seed, bool) or abs(int(seed)) >= LIMIT:
            raise RadloomError(f"The seed {seed!r} is out of range; give a whole number between -2^60 and 2^60.")
    return [int(seed) for seed in found]  # those of NumPy overflow
