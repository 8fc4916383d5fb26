"""What can be asked for, a report, drawings, an answer and so on, and how several of a kind are done at once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from radloom.completion import Plan, complete, remarks, unread
from radloom.input_check import doubt
from radloom.provenance import Maker, Origin, marks
from radloom.reports.labeller import label
from radloom.reports.spans import spans
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
from radloom.settings import Engine
from radloom.study import OBSERVATIONS, SIGNS, Part, Report, Study, View

if TYPE_CHECKING:
    from radloom.models import Model
    from radloom.progress import Progress

Written = Callable[[list[dict[str, Any]]], None]
"""Called with the fields of every answer that are words, as far as these are written."""


@dataclass(frozen=True)
class How:
    """Settings of sampling that a request changes; None leaves the model's. See `settings.Sampling`."""

    temperature: float | None = None
    top_p: float | None = None
    guidance: float | None = None
    candidates: int | None = None


@dataclass(frozen=True, eq=False)
class Read:
    """Write the report of a study.

    Attributes:
        frontal, lateral: arrays (H, W) in [0, 1]; at least one.
        seed: of sampling.
        how: settings of sampling.
        stated: the view that the file of the frontal one states; it is read as that where it is alone.
    """

    frontal: np.ndarray | None
    lateral: np.ndarray | None
    seed: int = 0
    how: How = field(default_factory=How)
    stated: View | None = None
    kind: ClassVar[str] = "report"
    size: ClassVar[int] = 1

    @property
    def group(self) -> tuple[str, How]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(model: Model, tasks: Sequence[Read], progress: Progress, written: Written | None) -> list[ReportAnswer]:
        """Reports of several studies."""
        arranged = [_arranged(model, task) for task in tasks]
        reports = model.reports(
            [study for study, _ in arranged],
            seeds=[task.seed for task in tasks],
            progress=progress,
            written=(lambda reports: written(list(map(_sections, reports)))) if written else None,
            **asdict(tasks[0].how),
        )
        return [
            ReportAnswer(
                **_read(report),
                remarks=said,
                seed=task.seed,
                model=model.fingerprint,
            )
            for task, report, (_, said) in zip(tasks, reports, arranged, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Draw:
    """Draw X-rays of a report.

    Attributes:
        report: what is to be seen.
        view: frontal or lateral.
        how: the engine and its settings, as `Model.drawing_settings` gives them.
        n: how many; they use seed, seed + 1, ...
        seed: of the first.
        dicom: they are wanted as DICOM too.
    """

    report: Report
    view: View
    how: dict[str, Any]
    n: int = 1
    seed: int = 0
    dicom: bool = False
    kind: ClassVar[str] = "image"

    @property
    def size(self) -> int:
        """Drawings."""
        return self.n * self.how.get("candidates", 1)

    @property
    def seeds(self) -> range:
        """One each."""
        return range(self.seed, self.seed + self.n)

    @property
    def group(self) -> tuple[str, dict[str, Any]]:
        """Tasks of the same group can be done together."""
        return self.kind, self.how

    @staticmethod
    def run(model: Model, tasks: Sequence[Draw], progress: Progress, written: Written | None) -> list[ImageAnswer]:
        """Drawings of several reports."""
        how = tasks[0].how
        engine = how["engine"]
        wanted = _by_seed(tasks)
        images = iter(
            model.images(
                [task.report for task, _ in wanted],
                [task.view for task, _ in wanted],
                seeds=[seed for _, seed in wanted],
                progress=progress,
                **how,
            )
        )
        return [
            ImageAnswer(
                images=[
                    _drawing(next(images), task.view, Maker.of(model, seed, **how), _origin(task), task.dicom)
                    for seed in task.seeds
                ],
                view=task.view,
                engine=engine,
                remarks=unread(model, task.report) if engine is Engine.DIFFUSION else [],
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
        return [
            AskAnswer(answer, answer.by, _doubts(task.image), task.seed, model.fingerprint)
            for task, answer in zip(tasks, answers, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Check:
    """Find the 14 observations, the signs and the view.

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
            observations, signs = (
                {name: round(found[name], 4) for name in names if name in found} for names in (OBSERVATIONS, SIGNS)
            )
            answers.append(CheckAnswer(view, observations, signs, _doubts(task.image), model.fingerprint))
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
            answers.append(SaliencyAnswer(maps, model.transform.fit, _doubts(task.image), model.fingerprint))
        return answers


@dataclass(frozen=True, eq=False)
class Complete:
    """Make parts of a study from those that are there.

    Attributes:
        study: its views are arrays (H, W) in [0, 1].
        plan: the parts that are made, and how.
        n: how many times; they use seed, seed + 1, ...
        seed: of the first.
        dicom: drawings are wanted as DICOM too.
    """

    study: Study
    plan: Plan
    n: int = 1
    seed: int = 0
    dicom: bool = False
    kind: ClassVar[str] = "complete"

    @property
    def size(self) -> int:
        """Completions, each candidate one."""
        return self.n * self.plan.denoising.candidates

    @property
    def seeds(self) -> range:
        """One each."""
        return range(self.seed, self.seed + self.n)

    @property
    def group(self) -> tuple[str, Plan]:
        """Tasks of the same group can be done together."""
        return self.kind, self.plan

    @staticmethod
    def run(
        model: Model, tasks: Sequence[Complete], progress: Progress, written: Written | None
    ) -> list[CompleteAnswer]:
        """Completions of several studies."""
        plan, wanted = tasks[0].plan, _by_seed(tasks)
        given = [task.study for task, _ in wanted]
        studies = iter(complete(model, plan, given, seeds=[seed for _, seed in wanted], progress=progress))
        return [
            CompleteAnswer(
                samples=[_completion(model, task, next(studies), seed) for seed in task.seeds],
                given=list(task.study.parts),
                made=list(plan.makers),
                engines=dict(plan.makers),
                remarks=remarks(model, task.study) + (unread(model, task.study.report) if plan.denoises else []),
                model=model.fingerprint,
            )
            for task in tasks
        ]


Task = Read | Draw | Ask | Check | Locate | Complete


S = TypeVar("S", Draw, Complete)


def _by_seed(tasks: Sequence[S]) -> list[tuple[S, int]]:
    """Each task as often as it has seeds, with each of them."""
    return [(task, seed) for task in tasks for seed in task.seeds]


def _arranged(model: Model, task: Read) -> tuple[Study, list[str]]:
    """The study, and sentences on what is odd about it; what is given as lateral alone stays that."""
    if task.frontal is not None:
        return model.arrange(task.frontal, task.lateral, stated=task.stated)
    study = Study(lateral=task.lateral)
    return study, remarks(model, study)


def _doubts(image: np.ndarray) -> list[str]:
    remark = doubt(image)
    return [remark] if remark else []


def _origin(task: Draw) -> Origin:
    return Origin([Part.REPORT], task.report)


def _completion(model: Model, task: Complete, made: Study, seed: int) -> Completion:
    plan, report, origin = task.plan, made.report or Report(), Origin.of(task.study)
    drawn = {
        view.value: _drawing(image, view, plan.maker(model, view.part, seed), origin, task.dicom)
        for view in View
        if view.part in plan.makers and isinstance(image := made.view(view), np.ndarray)
    }
    written = MadeReport(**_read(report)) if Part.REPORT in plan.makers else None
    return Completion(seed, **drawn, report=written)


def _drawing(image: np.ndarray, view: View, maker: Maker, origin: Origin, dicom: bool) -> Drawing:
    from radloom.imaging import png_bytes
    from radloom.interop import drawing_bytes

    png = _base64(png_bytes(image, text=marks(view, maker, origin)))
    if not dicom:
        return Drawing(png, maker.seed)
    return Drawing(png, maker.seed, _base64(drawing_bytes(image, view=view, origin=origin, maker=maker)))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(report: Report) -> dict[str, Any]:
    """A report with what the rule-labeller reads in it."""
    return {**_sections(report), "mentions": label(report), "spans": spans(report)}


def _sections(report: Report) -> dict[str, Any]:
    return {"findings": report.findings, "impression": report.impression}
