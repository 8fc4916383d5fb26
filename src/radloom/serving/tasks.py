"""What can be asked for: a report, drawings, an answer; and how several of a kind are done at once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from radloom.study import Report, Study, View

if TYPE_CHECKING:
    from radloom.language.decoding import Progress
    from radloom.models import Model

Written = Callable[[list[dict[str, Any]]], None]
"""Called with the fields of every answer that are words, as far as these are written."""


@dataclass(frozen=True)
class How:
    """Settings of sampling that a request changes; None leaves the model's. See `models.Sampling`."""

    temperature: float | None = None
    top_p: float | None = None
    guidance: float | None = None


@dataclass(frozen=True)
class ReportAnswer:
    """A report.

    Attributes:
        findings, impression: its sections.
        remarks: sentences on what is odd about the images.
        seed: of sampling.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    findings: str
    impression: str
    remarks: list[str]
    seed: int
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Drawing:
    """A drawn X-ray: an 8-bit grey PNG, base64, whose metadata say that it is synthetic; and its seed."""

    png: str
    seed: int


@dataclass(frozen=True)
class ImageAnswer:
    """Drawn X-rays of one view."""

    images: list[Drawing]
    view: View
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class AskAnswer:
    """The answer to a question about an X-ray."""

    answer: str
    seed: int
    model: str
    seconds: float = 0.0


Answer = ReportAnswer | ImageAnswer | AskAnswer


@dataclass(frozen=True, eq=False)
class Read:
    """Write the report of a study.

    Attributes:
        frontal, lateral: arrays (H, W) in [0, 1]; at least one.
        seed: of sampling.
        how: settings of sampling.
    """

    frontal: np.ndarray | None
    lateral: np.ndarray | None
    seed: int = 0
    how: How = field(default_factory=How)
    kind: ClassVar[str] = "report"
    size: ClassVar[int] = 1

    @property
    def group(self) -> tuple[str, How]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(model: Model, tasks: Sequence[Read], progress: Progress, written: Written | None) -> list[ReportAnswer]:
        """Reports of several studies."""
        arranged = [
            (Study(lateral=task.lateral), "") if task.frontal is None else model.arrange(task.frontal, task.lateral)
            for task in tasks
        ]
        reports = model.reports(
            [study for study, _ in arranged],
            seeds=[task.seed for task in tasks],
            progress=progress,
            written=(lambda reports: written(list(map(_sections, reports)))) if written else None,
            **asdict(tasks[0].how),
        )
        return [
            ReportAnswer(**_sections(report), remarks=[remark] * bool(remark), seed=task.seed, model=model.fingerprint)
            for task, report, (_, remark) in zip(tasks, reports, arranged, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Draw:
    """Draw X-rays of a report.

    Attributes:
        report: what is to be seen.
        view: frontal or lateral.
        n: how many; they use seed, seed + 1, ...
        seed: of the first.
        how: settings of sampling.
    """

    report: Report
    view: View
    n: int = 1
    seed: int = 0
    how: How = field(default_factory=How)
    kind: ClassVar[str] = "image"

    @property
    def size(self) -> int:
        """Drawings."""
        return self.n

    @property
    def group(self) -> tuple[str, How]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(model: Model, tasks: Sequence[Draw], progress: Progress, written: Written | None) -> list[ImageAnswer]:
        """Drawings of several reports."""
        from radloom.imaging import png_bytes

        wanted = [(task, seed) for task in tasks for seed in range(task.seed, task.seed + task.n)]
        images = model.images(
            [task.report for task, _ in wanted],
            [task.view for task, _ in wanted],
            seeds=[seed for _, seed in wanted],
            progress=progress,
            **asdict(tasks[0].how),
        )
        drawn: dict[int, list[Drawing]] = {id(task): [] for task in tasks}
        for (task, seed), image in zip(wanted, images, strict=True):
            png = png_bytes(image, text=model.provenance(task.report, task.view, seed))
            drawn[id(task)].append(Drawing(base64.b64encode(png).decode(), seed))
        return [ImageAnswer(drawn[id(task)], task.view, model.fingerprint) for task in tasks]


@dataclass(frozen=True, eq=False)
class Ask:
    """Answer a question.

    Attributes:
        image: array (H, W) in [0, 1].
        question: about it.
        seed: of sampling.
        how: settings of sampling, without guidance.
    """

    image: np.ndarray
    question: str
    seed: int = 0
    how: How = field(default_factory=How)
    kind: ClassVar[str] = "ask"
    size: ClassVar[int] = 1

    @property
    def group(self) -> tuple[str, How]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(model: Model, tasks: Sequence[Ask], progress: Progress, written: Written | None) -> list[AskAnswer]:
        """Answers to several questions."""
        answers = model.answers(
            [task.image for task in tasks],
            [task.question for task in tasks],
            seeds=[task.seed for task in tasks],
            progress=progress,
            written=(lambda answers: written([{"answer": answer} for answer in answers])) if written else None,
            **asdict(tasks[0].how),
        )
        return [AskAnswer(answer, task.seed, model.fingerprint) for task, answer in zip(tasks, answers, strict=True)]


Task = Read | Draw | Ask


def _sections(report: Report) -> dict[str, Any]:
    return {"findings": report.findings, "impression": report.impression}
