"""A progress line on stderr with the time left; plain lines when stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

_HIDDEN = ("step", "epoch", "lr", "items_per_s")


class ProgressLine:
    """Shows step, speed, time left and a few losses."""

    def __init__(self, name: str, start: int, total: int, *, enabled: bool = True) -> None:
        self.name, self.start, self.total, self.enabled = name, start, total, enabled
        self.began, self.shown = time.monotonic(), 0.0
        self.terminal = sys.stderr.isatty()

    def update(self, step: int, line: dict[str, Any]) -> None:
        """Show `step`; when not on a terminal, at most every 20 seconds."""
        now = time.monotonic()
        if not self.enabled or (not self.terminal and step < self.total and now - self.shown < 20):
            return
        self.shown = now
        left = (now - self.began) / max(1, step - self.start) * (self.total - step)
        terms = "  ".join(f"{k} {v:.4g}" for k, v in line.items() if k not in _HIDDEN and not k.startswith("norm/"))
        text = f"{self.name}  {step}/{self.total}  {duration(left)} left  {line['items_per_s']:.1f} items/s  {terms}"
        print(f"\r\033[K{text}" if self.terminal else text, end="" if self.terminal else "\n", file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        if self.enabled and self.terminal:
            print(file=sys.stderr)


def duration(seconds: float) -> str:
    """Seconds as `1 h 02 min`, `4 min 10 s` or `9 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
