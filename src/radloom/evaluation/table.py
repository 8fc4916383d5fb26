"""The table of scores: what a system gets in a measure, with its interval, as data, as Markdown and as files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.statistics import Difference, Interval, difference
from radloom.study import OBSERVATIONS

FORMAT = 1
"""Version of `scores.json`."""

SCORES, DRAWS = "scores.json", "draws.npz"

CONSTANT = "constant"
"""The same for every study: the most typical training report, the commonest answer, one training image."""
CONSTANT_LABELS = "constant labels"
"""The same observations stated for every study: those that score highest in train."""
RANDOM = "random"
"""What belongs to a training study drawn at random."""
NEIGHBOUR = "nearest neighbour"
"""What belongs to the training study most like this one."""
SHUFFLED = "shuffled"
"""The model, shown what belongs to another study."""
GAP = "shuffle gap"
"""Model less shuffled, paired: what the score owes to looking at the input."""
REAL = "real"
"""The real images of the same studies in place of drawings; for distances between sets, real against real."""
LESS_REAL = "less real"
"""A training less the one on all real images, paired."""
GAIN = "gain"
"""A training with synthetic images less its counterpart without them, paired."""

JUDGE = "radloom-classifier"
"""What the names of scores call the classifier that judges; the signature of a board has its fingerprint."""

FEW = 30
"""Studies below which intervals and p-values are not to be trusted."""

UNDEFINED = "unavailable: these rows are all of one class; score more studies"

SYSTEMS = (SHUFFLED, GAP, CONSTANT, CONSTANT_LABELS, RANDOM, NEIGHBOUR, REAL, LESS_REAL, GAIN)
"""Columns of the table after the model's own."""


@dataclass(frozen=True)
class Score:
    """What one system gets in one measure.

    Attributes:
        task: what was done: classifier, codec, report, question, image, autoencoder, complete, utility or privacy.
        name: the measure and what made it.
        system: the model's name or one of `SYSTEMS`.
        n: studies, images or questions it is taken over.
        interval: value, 95 % interval over patients and draws; None where there is no value.
        studies: digest of the studies and of their order; scores over the same ones can be paired.
        why: where there is no value: `unavailable: ...` or `error: ...`.
        detail: whether it is for those who look closer: of one observation, or of one type of question.
    """

    task: str
    name: str
    system: str
    n: int
    interval: Interval | None
    studies: str = ""
    why: str = ""
    detail: bool = False

    def __str__(self) -> str:
        if self.interval is None:
            return self.why
        if self.name.startswith("different_"):
            return f"{self.interval.value:.0f}"
        value, low, high = (_number(x) for x in (self.interval.value, self.interval.low, self.interval.high))
        return f"{value} [{low}, {high}]" if len(self.interval.draws) > 1 else value


Results = Mapping[str, "Interval | str | None"]
"""By name of the measure: an interval, why there is none, or None where these rows leave it undefined."""

Row = tuple[str, int, dict[str, Score]]
"""Of a table: a measure's name, what it is taken over, and the score of each system."""


@dataclass
class Tally:
    """Gathers the scores of one task over the same rows.

    Attributes:
        task: its name.
        model: name of the model.
        studies: the study of each row, in order.
        detail: whether the scores are for those who look closer; those of single observations always are.
        scores: what was gathered.
    """

    task: str
    model: str
    studies: Sequence[str]
    detail: bool = False
    scores: list[Score] = field(default_factory=list)

    def add(self, system: str, results: Results) -> None:
        """What a system gets, by name of the measure.

        Args:
            system: its column.
            results: an interval; or why there is none, `unavailable: ...` or `error: ...`; or None for a score that is
                undefined for these rows.
        """
        digest = study_digest(self.studies)
        for name, result in results.items():
            interval = result if isinstance(result, Interval) else None
            why = result if isinstance(result, str) else "" if interval else UNDEFINED
            detail = self.detail or _is_detail(name)
            self.scores.append(Score(self.task, name, system, len(self.studies), interval, digest, why, detail))

    def count(self, system: str, name: str, value: float) -> None:
        """A plain count, which has no interval."""
        self.add(system, {name: Interval(value, value, value, np.full(1, value))})

    def find(self, name: str, system: str) -> Interval | None:
        """What a system got in a measure; None where it has no value."""
        return next((s.interval for s in self.scores if (s.name, s.system) == (name, system)), None)

    def gaps(self) -> None:
        """The shuffle gap of every measure that both the model and the shuffled model have."""
        for name in [score.name for score in self.scores if score.system == self.model]:
            ours, other = self.find(name, self.model), self.find(name, SHUFFLED)
            if ours and other and len(ours.draws) > 1:
                self.add(GAP, {name: difference(ours, other)})


@dataclass(frozen=True)
class Board:
    """All scores of a run.

    Attributes:
        model: name of the model, as in the scores' `system`.
        scores: in the order of the table.
        signature: what made them: versions, weights, transform, sections, rules.
        warnings: what a reader must know before the numbers.
    """

    model: str
    scores: tuple[Score, ...]
    signature: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def tasks(self) -> list[str]:
        return list(dict.fromkeys(score.task for score in self.scores))

    def systems(self, task: str) -> list[str]:
        """The columns of a task's table: the model, then those of `SYSTEMS` that have a score."""
        found = {score.system for score in self.scores if score.task == task}
        return [system for system in (self.model, *SYSTEMS) if system in found]

    def rows(self, task: str) -> Iterator[Row]:
        """Name, number and the score of each system, a row a measure."""
        rows: dict[str, dict[str, Score]] = {}
        for score in self.scores:
            if score.task == task:
                rows.setdefault(score.name, {})[score.system] = score
        for name, cells in rows.items():
            yield name, next(iter(cells.values())).n, cells

    def split_rows(self, task: str) -> tuple[list[Row], list[Row]]:
        """The rows that everybody reads, and the detail: single observations and types of question."""
        rows = list(self.rows(task))
        detail = {name for name, _, cells in rows if any(score.detail for score in cells.values())}
        return [row for row in rows if row[0] not in detail], [row for row in rows if row[0] in detail]

    def find(self, name: str, system: str | None = None) -> Score | None:
        """The score of that name; the model's where no system is named."""
        wanted = (name, system or self.model)
        return next((score for score in self.scores if (score.name, score.system) == wanted), None)

    def markdown(self, brief: bool = False) -> str:
        """A heading and a table a task; without the detail where it is to be brief."""
        parts = [f"> {warning}\n" for warning in self.warnings]
        for task in self.tasks():
            systems = self.systems(task)
            lines = [f"## {task}\n", f"| score | n | {' | '.join(systems)} |", "|---|---|" + "---|" * len(systems)]
            main, detail = self.split_rows(task)
            for name, n, cells in main if brief else main + detail:
                row = " | ".join(str(cells.get(system, "")) for system in systems)
                lines.append(f"| {name} | {n} | {row} |")
            parts.append("\n".join(lines) + "\n")
        return "\n".join(parts)

    def write(self, folder: Path) -> None:
        """Write `scores.json`, `draws.npz` (the draws of every score, for paired differences) and `scores.md`."""
        draws = [s.interval.draws for s in self.scores if s.interval is not None and len(s.interval.draws) > 1]
        named: dict[str, Any] = {str(i): d.astype(np.float32) for i, d in enumerate(draws)}
        with (folder / DRAWS).open("wb") as file:
            np.savez_compressed(file, **named)
        plain = self.plain() | {"draws": _digest(folder / DRAWS)}
        text = json.dumps(plain, indent=1, ensure_ascii=False)
        (folder / SCORES).write_text(text + "\n", encoding="utf-8")
        (folder / "scores.md").write_text(self.markdown(), encoding="utf-8")

    def plain(self) -> dict[str, Any]:
        """The board as plain data; `draws` of a score is its place in `draws.npz`."""
        lines, place = [], 0
        for score in self.scores:
            line: dict[str, Any] = {"task": score.task, "name": score.name, "system": score.system, "n": score.n}
            if score.detail:
                line["detail"] = True
            if score.interval is None:
                line["why"] = score.why
            else:
                line |= {"value": score.interval.value, "low": score.interval.low, "high": score.interval.high}
                if isinstance(score.interval, Difference):
                    line["p"] = score.interval.p
                if len(score.interval.draws) > 1:
                    line |= {"studies": score.studies, "draws": place}
                    place += 1
            lines.append(line)
        head = {"format": FORMAT, "model": self.model, "signature": dict(self.signature)}
        return head | {"warnings": list(self.warnings), "scores": lines}

    @classmethod
    def read(cls, path: Path) -> Board:
        """Read `scores.json` and the draws beside it.

        Raises:
            RadloomError: no such file, not one of these, of another format, or without its draws.
        """
        path = path / SCORES if path.is_dir() else path
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RadloomError(f"{path} cannot be read ({error.strerror}); name a {SCORES}.") from None
        except ValueError:
            raise RadloomError(f"{path} is not JSON; name a {SCORES} that `radloom evaluate` wrote.") from None
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise RadloomError(f"{path} is not a {SCORES} of this version; evaluate again with this radloom.")
        try:
            if _digest(path.with_name(DRAWS)) != plain["draws"]:
                raise ValueError("it was written by another call")
            with np.load(path.with_name(DRAWS)) as file:
                draws = {int(name): file[name].astype(np.float64) for name in file.files}
            scores = tuple(_score(line, draws) for line in plain["scores"])
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise RadloomError(
                f"{path.with_name(DRAWS)} does not fit {path.name} ({error}); keep the two files together."
            ) from None
        return cls(plain["model"], scores, plain["signature"], tuple(plain["warnings"]))


def study_digest(studies: Iterable[str]) -> str:
    """12 hex digits of the studies of the rows, in order."""
    return hashlib.sha256("\n".join(studies).encode()).hexdigest()[:12]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _is_detail(name: str) -> bool:
    """Precision and recall, which F1 sums up, and single observations."""
    if name.startswith(("precision_micro", "precision_macro", "recall_")):
        return True
    return any(part in OBSERVATIONS for part in name.partition("[")[2].rstrip("]").split(", "))


def _score(line: Mapping[str, Any], draws: Mapping[int, np.ndarray]) -> Score:
    head = (line["task"], line["name"], line["system"], line["n"])
    if "value" not in line:
        return Score(*head, None, why=line["why"], detail=line.get("detail", False))
    value, low, high = line["value"], line["low"], line["high"]
    drawn = draws[line["draws"]] if "draws" in line else np.full(1, value)
    interval = Difference(value, low, high, drawn, line["p"]) if "p" in line else Interval(value, low, high, drawn)
    return Score(*head, interval, line.get("studies", ""), detail=line.get("detail", False))


def _number(value: float) -> str:
    digits = 3 if abs(value) < 10 else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no -0.000
