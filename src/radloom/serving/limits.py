"""What the service takes, and how long and for how many."""

from __future__ import annotations

from dataclasses import dataclass, fields

from radloom.errors import RadloomError


@dataclass(frozen=True)
class Limits:
    """Limits of the service.

    Attributes:
        body: bytes of a request, its pictures included.
        pixels: height x width of a picture; more are refused before they are decoded.
        text: characters of a report or a question.
        images: drawings, or completions, of one request.
        queue: requests that are there at once, be they sent, waiting or worked on. Those above are told to come again.
        batch: reports, drawings, answers or completions that are made together.
        wait: seconds that the first request of a batch waits for others to join it.
        seconds: from the start of a request to its answer.
    """

    body: int = 64 * 2**20
    pixels: int = 50_000_000
    text: int = 4000
    images: int = 4
    queue: int = 32
    batch: int = 8
    wait: float = 0.02
    seconds: float = 120.0

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value < 0 or (value == 0 and limit.name != "wait"):
                raise RadloomError(f"The limit {limit.name} is {value}; give more than 0.")
