"""How far a piece of work is: a function that is told."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called after each step with steps done and steps in all."""


def share(progress: Progress | None, nth: int, of: int) -> Progress | None:
    """What is told of the `nth` of so many pieces of work, where `progress` is told of all.

    Pieces count alike however many steps they have, so that the quotient of what `progress` is told only grows.
    """
    return progress and (lambda done, total: progress(nth * total + done, of * total))
