"""Send damaged files to a service: `python tests/serving/fuzz.py --mutations 2000`.

Whatever is sent, the answer is 200 or 4xx and comes in time, the process goes on, and its memory stays. A mutation is
decided by the seed and its number alone, so that one that is found can be sent again (`--first`, `--mutations 1`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # run by itself, it finds `tiny` there as pytest does

import httpx2
import numpy as np
from damage import mutate, valid_files
from process import Process, process, told_memory

import tiny

SECONDS = 30.0
"""Longest time for an answer."""

ROUTES = (
    ("check", {}),
    ("view", {}),
    ("view", {"deep": "true"}),
    ("report", {}),
    ("document", {"format": "json", "findings": "The lungs are clear."}),
)
"""Paths below /v1 that read files, and what else they are sent."""

_SUFFIX = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}


@dataclass
class Found:
    """What came of it.

    Attributes:
        statuses: how often each, by file.
        wrong: what should not have happened, each with the number of its mutation.
        slowest: seconds of the slowest answer.
        megabytes: of the process at the start, in the middle and at the end.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    megabytes: list[float] = field(default_factory=list)

    def table(self) -> Iterator[str]:
        """Lines for people."""
        columns = sorted({status for _, status in self.statuses})
        yield f"{'':34}" + "".join(f"{status:>7}" for status in columns)
        for name in sorted({name for name, _ in self.statuses}):
            yield f"{name:34}" + "".join(f"{self.statuses[name, status]:>7}" for status in columns)
        yield told_memory(self.megabytes)
        yield f"slowest answer: {self.slowest:.2f} s"
        yield f"wrong: {len(self.wrong)}"
        yield from self.wrong


def fuzz(service: Process, files: dict[str, bytes], numbers: range, seed: int = 0) -> Found:
    """Send mutations to a service, up to one that ends it.

    Args:
        service: of its own process.
        files: those that are not damaged, see `valid_files`.
        numbers: of the mutations.
        seed: of them all.

    Raises:
        AssertionError: a file that is not damaged is refused, before or after.
    """
    found, middle = Found(), numbers[len(numbers) // 2]
    with httpx2.Client(base_url=service.url, timeout=SECONDS) as client:
        check_valid(client, files)
        found.megabytes.append(service.megabytes())
        for number in numbers:
            if number == middle:
                found.megabytes.append(service.megabytes())
            try:
                send(client, files, number, seed, found)
            except httpx2.TransportError as error:
                found.wrong.append(f"{number}: no answer, {type(error).__name__}")
            if service.running.poll() is not None:
                found.wrong.append(f"{number}: the process ended with {service.running.returncode}")
                return found
        check_valid(client, files)
        found.megabytes.append(service.megabytes())
    return found


def send(client: httpx2.Client, files: dict[str, bytes], number: int, seed: int, found: Found) -> None:
    """Send one mutation and note what came."""
    random = np.random.default_rng((seed, number))
    name = list(files)[number % len(files)]
    route, fields = ROUTES[random.integers(len(ROUTES))]
    answer = post(client, route, name, mutate(name, files[name], random), fields)
    found.statuses[name, answer.status_code] += 1
    found.slowest = max(found.slowest, answer.elapsed.total_seconds())
    if answer.status_code != 200 and not 400 <= answer.status_code < 500:
        found.wrong.append(f"{number}: {name} to {route} gave {answer.status_code}")


def check_valid(client: httpx2.Client, files: dict[str, bytes]) -> None:
    """Pass if every file that is not damaged is read."""
    for name, data in files.items():
        answer = post(client, "check", name, data)
        assert answer.status_code == 200, f"{name}: {answer.text}"


def post(
    client: httpx2.Client, route: str, name: str, data: bytes, fields: dict[str, str] | None = None
) -> httpx2.Response:
    """Send a file as the frontal view."""
    upload = (f"chest{_SUFFIX[name.partition('-')[0]]}", data)
    return client.post(f"/v1/{route}", files={"frontal": upload}, data=fields or {})


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name or folder; by default a tiny random one")
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = range(options.first, options.first + options.mutations)
        with process(options.model or tiny.make_model(folder / "tiny"), folder) as service:
            found = fuzz(service, valid_files(folder), numbers, options.seed)
    print(*found.table(), sep="\n")
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
