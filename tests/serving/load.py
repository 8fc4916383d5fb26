"""Many clients at once on a service: `python tests/serving/load.py --model nano --requests 200 --clients 32`.

Reports, drawings, answers, checks and completions, mixed. Every answer is compared with the one that the model gives
alone with the same seed. The service has fewer places than there are clients, who come again when they are told to.
Then some drawings are asked for at once, and the same ones after another.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # run by itself, it finds `tiny` there as pytest does

import httpx2
import numpy as np
from process import Process, process, told_memory
from served import encoded

import radloom
import tiny
from radloom.imaging import ImageWarning, InMemory, read_image
from radloom.study import OBSERVATIONS, Study

KINDS = ("report", "image", "ask", "check", "complete")
TEXTS = ("The heart is enlarged.", "There is a large right pleural effusion.", "The lungs are clear.")
QUESTIONS = ("Is the heart enlarged?", "Is there a pleural effusion?")
BY_LANGUAGE = {"engine": "language", "temperature": "1"}
"""Every other drawing is by the language model, if the model does not draw all by it anyway."""

PICTURE, PROBABILITY = 0.02, 2e-4
"""Largest differences: the mean one of two pictures, and any one of two probabilities, which are sent rounded."""


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        kind: one of `KINDS`.
        seed: of sampling.
        fields: of its form.
        picture: the frontal view, but for drawings.
    """

    kind: str
    seed: int
    fields: dict[str, str]
    picture: bytes | None = None


@dataclass(frozen=True)
class Given:
    """What an answer holds.

    Attributes:
        text: report or answer.
        pictures: arrays (R, R) in [0, 1].
        probabilities: of the 14 observations.
    """

    text: str = ""
    pictures: Sequence[np.ndarray] = ()
    probabilities: Sequence[float] = ()

    def differs(self, other: Given) -> str:
        """In what it differs from another: text, picture or probability; `""` in nothing."""
        if self.text != other.text:
            return "text"
        if any(np.abs(a - b).mean() > PICTURE for a, b in zip(self.pictures, other.pictures, strict=True)):
            return "picture"
        pairs = zip(self.probabilities, other.probabilities, strict=True)
        return "probability" if any(abs(a - b) > PROBABILITY for a, b in pairs) else ""


@dataclass
class Came:
    """What came of it.

    Attributes:
        statuses: how often each, by kind.
        differences: how many answers differ from the model's alone, by kind and in what.
        wrong: what should not have happened, each with the number of its request.
        seconds: of each answer, by kind.
        megabytes: of the process at the start, in the middle and at the end.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    differences: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    megabytes: list[float] = field(default_factory=list)

    def table(self) -> Iterator[str]:
        """Lines for people."""
        columns = sorted({status for _, status in self.statuses})
        yield f"{'':10}" + "".join(f"{status:>7}" for status in columns) + "  other than alone   seconds (median, most)"
        for kind in KINDS:
            counted = "".join(f"{self.statuses[kind, status]:>7}" for status in columns)
            differences = ", ".join(f"{n} {what}" for (of, what), n in self.differences.items() if of == kind) or "none"
            seconds = self.seconds[kind] or [0.0]
            yield f"{kind:10}{counted}  {differences:17}  {np.median(seconds):7.1f}  {max(seconds):7.1f}"
        yield told_memory(self.megabytes)
        yield f"wrong: {len(self.wrong)}"
        yield from self.wrong


def requests(number: int) -> list[Asked]:
    """Requests of all kinds in turn, each with its own seed."""
    made = []
    for seed in range(number):
        kind, text, question = KINDS[seed % len(KINDS)], TEXTS[seed % len(TEXTS)], QUESTIONS[seed % len(QUESTIONS)]
        fields = {
            "image": {"report": text} | (BY_LANGUAGE if seed // len(KINDS) % 2 else {}),
            "ask": {"question": question, "temperature": "1"},
            "report": {"temperature": "1"},
            "complete": {"want": "lateral,report"},
        }.get(kind, {})
        made.append(Asked(kind, seed, fields, None if kind == "image" else encoded(seed=seed, size=(256, 240))))
    return made


def load(service: Process, asked: Sequence[Asked], clients: int) -> tuple[Came, list[Given | None]]:
    """Send requests from several clients at once.

    Args:
        service: of its own process.
        asked: what is sent, in this order.
        clients: that take the next request each as soon as they have an answer.

    Returns:
        What came of it, and the answers; None for one that is missing.
    """
    came = Came(megabytes=[service.megabytes()])
    afresh = httpx2.Limits(max_keepalive_connections=0)  # the service may close an idle one as it is used again
    with (
        httpx2.Client(base_url=service.url, timeout=None, limits=afresh) as client,
        ThreadPoolExecutor(clients) as threads,
    ):
        coming = [threads.submit(send, client, one, came) for one in asked]
        answers = []
        for number, answer in enumerate(coming):
            answers.append(answer.result())
            if number == len(asked) // 2:
                came.megabytes.append(service.megabytes())
    came.megabytes.append(service.megabytes())
    return came, answers


def send(client: httpx2.Client, asked: Asked, came: Came) -> Given | None:
    """Send a request until there is room for it, and note what came."""
    start = time.perf_counter()
    while True:
        try:
            answer = client.post(
                f"/v1/{asked.kind}",
                files={"frontal": asked.picture} if asked.picture else None,
                data=asked.fields | ({} if asked.kind == "check" else {"seed": str(asked.seed)}),
            )
        except httpx2.TransportError as error:
            came.wrong.append(f"{asked.seed}: {asked.kind} got no answer, {type(error).__name__}")
            return None
        came.statuses[asked.kind, answer.status_code] += 1
        if answer.status_code == 200:
            came.seconds[asked.kind].append(time.perf_counter() - start)
            return given(asked.kind, answer.json())
        if answer.status_code != 429:
            came.wrong.append(f"{asked.seed}: {asked.kind} gave {answer.status_code}, {answer.text}")
            return None
        time.sleep(float(answer.headers["retry-after"]))


def given(kind: str, answer: dict[str, Any]) -> Given:
    """What an answer of the service holds."""
    if kind == "complete":
        [sample] = answer["samples"]
        return Given(_sections(**sample["report"]), [_picture(sample["lateral"])])
    if kind == "report":
        return Given(_sections(**answer))
    if kind == "image":
        return Given(pictures=[_picture(drawing) for drawing in answer["images"]])
    if kind == "ask":
        return Given(answer["answer"])
    return Given(probabilities=[answer["observations"][name] for name in OBSERVATIONS])


def alone(model: radloom.Model, asked: Asked) -> Given:
    """What the model gives for a request without a service."""
    image = read_image(InMemory(asked.picture)) if asked.picture else None
    if asked.kind == "image":
        how = {"engine": "language", "temperature": 1.0} if "engine" in asked.fields else {}
        return Given(pictures=model.image(asked.fields["report"], seed=asked.seed, **how))
    if asked.kind == "ask":
        return Given(model.ask(image, asked.fields["question"], seed=asked.seed, temperature=1.0))
    if asked.kind == "check":
        found = model.check(image)
        return Given(probabilities=[found[name] for name in OBSERVATIONS])
    if asked.kind == "report":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageWarning)  # made-up chests may look lateral
            return Given(_sections(**asdict(model.report(image, seed=asked.seed, temperature=1.0))))
    study = model.complete(Study(frontal=image), ["lateral", "report"], seed=asked.seed)
    return Given(_sections(**asdict(study.report)), [study.lateral])


def compare(model: radloom.Model, asked: Sequence[Asked], answers: Sequence[Given | None], came: Came) -> None:
    """Note which answers are others than the model gives alone."""
    for one, answer in zip(asked, answers, strict=True):
        if answer is not None and (what := answer.differs(alone(model, one))):
            came.differences[one.kind, what] += 1


def pace(service: Process, drawings: int, clients: int) -> float:
    """Drawings a minute, with so many clients at once."""
    asked = [Asked("image", seed, {"report": TEXTS[0]}) for seed in range(drawings)]
    start = time.perf_counter()
    came, _ = load(service, asked, clients)
    assert not came.wrong, came.wrong
    return 60 * drawings / (time.perf_counter() - start)


def _sections(findings: str, impression: str, **others: Any) -> str:
    return f"{findings}\n{impression}"


def _picture(drawing: dict[str, Any]) -> np.ndarray:
    return read_image(InMemory(base64.b64decode(drawing["png"])))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name or folder; by default a tiny random one of both engines")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--places", type=int, default=24, help="requests that the service takes at once")
    parser.add_argument("--drawings", type=int, default=8, help="drawings by which the pace is measured")
    parser.add_argument("--max-seconds", default="120", help="the service's limit for a request")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model or tiny.make_model(folder / "tiny", completing=True)
        limits = ("--max-queue", str(options.places), "--max-seconds", options.max_seconds)
        asked = requests(options.requests)
        with process(model, folder, *limits) as service:
            came, answers = load(service, asked, options.clients)
            together, single = pace(service, options.drawings, options.drawings), pace(service, options.drawings, 1)
        compare(radloom.load(model), asked, answers, came)
    print(*came.table(), sep="\n")
    print(f"drawings a minute: {together:.1f} together, {single:.1f} one by one, {together / single:.1f} times")
    sys.exit(bool(came.wrong))


if __name__ == "__main__":
    main()
