"""What can be asked for, a report, drawings, an answer and so on, and how several of a kind are done at once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from radloom.completion import Engine, given, remarks, too_long
from radloom.reports.labeller import label
from radloom.serving.answers import (
    AskAnswer,
    CheckAnswer,
    CompleteAnswer,
    Completion,
    Drawing,
    ImageAnswer,
    MadeReport,
    ReportAnswer,
    SaliencyAnswer,
)
from radloom.study import OBSERVATIONS, Part, Report, Study, View

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
    candidates: int | None = None


@dataclass(frozen=True)
class HowComplete:
    """What is completed and how.

    Attributes:
        plan: the parts that are made, and the engine that makes each.
        weights: of parts that are given.
        denoising: fields of `completion.Denoising` that are set.
    """

    plan: tuple[tuple[Part, Engine], ...]
    weights: tuple[tuple[Part, float], ...] = ()
    denoising: tuple[tuple[str, Any], ...] = ()


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
            ReportAnswer(
                **_sections(report),
                mentions=label(report),
                remarks=[remark] * bool(remark),
                seed=task.seed,
                model=model.fingerprint,
            )
            for task, report, (_, remark) in zip(tasks, reports, arranged, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Draw:
    """Draw X-rays of a report.

    Attributes:
        report: what is to be seen.
        view: frontal or lateral.
        how: the engine and its settings, the items of `Model.drawing_settings`.
        n: how many; they use seed, seed + 1, ...
        seed: of the first.
        dicom: they are wanted as DICOM too.
    """

    report: Report
    view: View
    how: tuple[tuple[str, Any], ...]
    n: int = 1
    seed: int = 0
    dicom: bool = False
    kind: ClassVar[str] = "image"

    @property
    def size(self) -> int:
        """Drawings."""
        return self.n

    @property
    def group(self) -> tuple[str, tuple[tuple[str, Any], ...]]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(model: Model, tasks: Sequence[Draw], progress: Progress, written: Written | None) -> list[ImageAnswer]:
        """Drawings of several reports."""
        how = dict(tasks[0].how)
        engine = how["engine"]
        wanted = [(task, seed) for task in tasks for seed in range(task.seed, task.seed + task.n)]
        images = model.images(
            [task.report for task, _ in wanted],
            [task.view for task, _ in wanted],
            seeds=[seed for _, seed in wanted],
            progress=progress,
            **how,
        )
        drawn: dict[int, list[Drawing]] = {id(task): [] for task in tasks}
        for (task, seed), image in zip(wanted, images, strict=True):
            drawn[id(task)].append(_drawing(model, image, task.report, task.view, seed, engine, task.dicom))
        return [
            ImageAnswer(
                images=drawn[id(task)],
                view=task.view,
                engine=engine,
                remarks=_too_long(model, task.report, [engine]),
                model=model.fingerprint,
            )
            for task in tasks
        ]


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


@dataclass(frozen=True, eq=False)
class Check:
    """Find the 14 observations and the view.

    Attributes:
        image: array (H, W) in [0, 1].
    """

    image: np.ndarray
    kind: ClassVar[str] = "check"
    size: ClassVar[int] = 1
    group: ClassVar[str] = kind

    @staticmethod
    def run(model: Model, tasks: Sequence[Check], progress: Progress, written: Written | None) -> list[CheckAnswer]:
        """What is found in several X-rays."""
        answers = []
        for done, task in enumerate(tasks):
            progress(done, len(tasks))
            found = model.check(task.image)
            view = View.LATERAL if found["lateral"] > 0.5 else View.FRONTAL
            observations = {name: round(found[name], 4) for name in OBSERVATIONS}
            answers.append(CheckAnswer(view, observations, model.fingerprint))
        return answers


@dataclass(frozen=True, eq=False)
class Locate:
    """Find where observations are found.

    Attributes:
        image: array (H, W) in [0, 1].
        observations: of which a map each is wanted.
    """

    image: np.ndarray
    observations: tuple[str, ...]
    kind: ClassVar[str] = "saliency"
    group: ClassVar[str] = kind

    @property
    def size(self) -> int:
        """Maps."""
        return len(self.observations)

    @staticmethod
    def run(model: Model, tasks: Sequence[Locate], progress: Progress, written: Written | None) -> list[SaliencyAnswer]:
        """Maps of several X-rays."""
        answers, done, total = [], 0, sum(task.size for task in tasks)
        for task in tasks:
            maps = {}
            for name in task.observations:
                progress(done, total)
                maps[name] = np.round(model.saliency(task.image, [name]), 3).tolist()
                done += 1
            answers.append(SaliencyAnswer(maps, model.transform.fit, model.fingerprint))
        return answers


@dataclass(frozen=True, eq=False)
class Complete:
    """Make parts of a study from those that are there.

    Attributes:
        study: its views are arrays (H, W) in [0, 1].
        how: the parts that are made, and settings.
        n: how many times; they use seed, seed + 1, ...
        seed: of the first.
        dicom: drawings are wanted as DICOM too.
    """

    study: Study
    how: HowComplete
    n: int = 1
    seed: int = 0
    dicom: bool = False
    kind: ClassVar[str] = "complete"

    @property
    def size(self) -> int:
        """Completions."""
        return self.n

    @property
    def group(self) -> tuple[str, HowComplete]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(
        model: Model, tasks: Sequence[Complete], progress: Progress, written: Written | None
    ) -> list[CompleteAnswer]:
        """Completions of several studies."""
        how = tasks[0].how
        plan = dict(how.plan)
        wanted = [(task, seed) for task in tasks for seed in range(task.seed, task.seed + task.n)]
        studies = model.completions(
            [task.study for task, _ in wanted],
            list(plan),
            seeds=[seed for _, seed in wanted],
            weights=dict(how.weights),
            engine=plan,
            progress=progress,
            **dict(how.denoising),
        )
        made: dict[int, list[Completion]] = {id(task): [] for task in tasks}
        for (task, seed), study in zip(wanted, studies, strict=True):
            made[id(task)].append(_completion(model, study, plan, seed, task.dicom))
        return [
            CompleteAnswer(
                samples=made[id(task)],
                given=given(task.study),
                made=list(plan),
                engines=plan,
                remarks=remarks(model, task.study) + _too_long(model, task.study.report, plan.values()),
                model=model.fingerprint,
            )
            for task in tasks
        ]


Task = Read | Draw | Ask | Check | Locate | Complete


def _completion(model: Model, study: Study, plan: Mapping[Part, Engine], seed: int, dicom: bool) -> Completion:
    report = study.report or Report()
    drawn = {
        view.value: _drawing(model, image, report, view, seed, plan[part], dicom)
        for view in View
        if (part := Part(view.value)) in plan and isinstance(image := study.view(view), np.ndarray)
    }
    written = MadeReport(**_sections(report), mentions=label(report)) if Part.REPORT in plan else None
    return Completion(seed, **drawn, report=written)


def _too_long(model: Model, report: Report | None, engines: Collection[Engine]) -> list[str]:
    return too_long(model, report) if Engine.DIFFUSION in engines else []


def _drawing(
    model: Model, image: np.ndarray, report: Report, view: View, seed: int, engine: Engine, dicom: bool
) -> Drawing:
    from radloom.imaging import png_bytes
    from radloom.interop import Maker, drawing_bytes
    from radloom.reports.answers import format_answer

    png = png_bytes(image, text=model.provenance(report, view, seed, engine))
    if not dicom:
        return Drawing(_base64(png), seed)
    file = drawing_bytes(image, view=view, text=format_answer(report), maker=Maker.of(model, seed, engine))
    return Drawing(_base64(png), seed, _base64(file))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _sections(report: Report) -> dict[str, Any]:
    return {"findings": report.findings, "impression": report.impression}
