"""Reports, X-rays, answers or missing parts for a whole manifest, in a file that grows and can be taken up again.

The output is JSON lines: `{"uid", "findings", "impression"}` of reports, `{"uid", "image"}` of drawings (PNG files in a
folder beside, named by paths relative to the output), `{"qid", "answer"}`, or of completed studies `{"uid"}` with
`frontal` and `lateral` as paths and `findings` and `impression`, whichever were made, and the `engines` that made them.
Beside it lies `*.meta.json`, which says what made it; going on with another model or other settings is an error.

Every item is sampled with a seed made from its own name, so that batch size, limits and restarts change nothing.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image as PILImage

from radloom import __version__
from radloom.completion import Asked, Plan, complete, planned
from radloom.config import changed, to_dict
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import RadloomError, ReportError, did_you_mean, member
from radloom.files import alone
from radloom.imaging import read_image, write_png
from radloom.models import Model
from radloom.provenance import Maker, Origin, marks
from radloom.settings import Engine, Sampling
from radloom.study import Part, Question, Report, Study, View

FORMAT = 1
"""Version of the output, written to every `*.meta.json`."""

TASKS = ("report", "image", "ask", "complete")


@dataclass(frozen=True)
class Predicted:
    """What a call of `predict` did.

    Attributes:
        out: the file.
        new, before: items written now and by earlier calls.
        unfit: items that lack what the task needs, by reason.
        repaired: whether a last line cut short by a kill was removed first.
    """

    out: Path
    new: int
    before: int
    unfit: dict[str, int]
    repaired: bool


@dataclass(frozen=True)
class Request:
    """What is completed.

    Attributes:
        want: parts that are made.
        given: parts that they are made from, of every study that has these, whether or not the wanted ones are there;
            None makes of each study what it lacks from what it has.
        engine: see `settings.Engine`; None lets the request decide.
    """

    want: tuple[Part, ...]
    given: tuple[Part, ...] | None = None
    engine: Engine | None = None


@dataclass(frozen=True)
class _Item:
    """One line to come: its id, and what it is made from."""

    id: str
    row: Row
    question: Question | None = None


_Items = tuple[list[_Item], dict[str, int]]
"""What a task does, and how many things it leaves out, by reason."""


@dataclass(frozen=True)
class _Place:
    """Where images are read and drawings are written, by what, with which seed."""

    model: Model
    manifest: Manifest
    out: Path
    seed: int

    def seeds(self, items: Iterable[_Item]) -> list[int]:
        return [zlib.crc32(f"{self.seed}:{item.id}".encode()) for item in items]

    def write(self, image: Any, name: str, view: View, maker: Maker, origin: Origin) -> str:
        """Write a drawing; its path relative to the output's folder."""
        path = self.out.with_suffix("") / f"{name}.png"
        write_png(np.asarray(image), path, text=marks(view, maker, origin))
        return path.relative_to(self.out.parent).as_posix()


def predict(
    model: Model,
    manifest: Manifest,
    task: str,
    out: Path | str,
    *,
    batch_size: int = 8,
    limit: int | None = None,
    view: View | str = View.FRONTAL,
    engine: Engine | str | None = None,
    seed: int = 0,
    request: Request | None = None,
    progress: Callable[[int, int], None] | None = None,
    **sampling: Any,
) -> Predicted:
    """Run the model over a manifest and append to `out` what is not there yet.

    Args:
        model: what reads, draws or answers.
        manifest: whose studies; already narrowed to a split where that is wanted.
        task: `report`, from the first frontal and the first lateral view there are; `image`, from the report; `ask`,
            the questions of the manifest; `complete`, what `request` says.
        out: a `.jsonl` file; one that an earlier call of the same kind left is gone on with.
        batch_size: items at a time.
        limit: only the first so many items.
        view: of drawings.
        engine: that draws for `image`, see `Model.image`; that of `complete` is in its request.
        seed: of sampling.
        progress: told of items done and in all.
        request: of `complete`.
        sampling: fields of `Sampling` to change, of `Denoising` for `complete`; for `image`, what
            `Model.drawing_settings` takes.

    Raises:
        RadloomError: an unknown task, nothing to do, an output that another model or other settings began, a damaged
            one, or a place that cannot be written.
        ImageError: an image that has gone or was damaged since the corpus was prepared.
    """
    out = Path(out)
    if task not in TASKS:
        raise RadloomError(f"Unknown task {task!r}{did_you_mean(task, TASKS)}; tasks: {', '.join(TASKS)}.")
    if out.suffix != ".jsonl":
        raise RadloomError(f"{out} does not end in .jsonl; predictions are written as JSON lines.")
    if batch_size < 1:
        raise RadloomError(f"The batch size is {batch_size}; give at least 1.")
    if (request is not None) != (task == "complete"):
        raise RadloomError("A request belongs to the task 'complete', and that task needs one.")
    if engine is not None and task != "image":
        raise RadloomError(f"The engine is of drawings; leave it out for the task {task!r}.")
    work = _task(task, model, member(View, view), engine, request, sampling)
    items, unfit = work.items(manifest)
    items = items[:limit]
    if not items:
        reasons = ", ".join(f"{count} {reason}" for reason, count in unfit.items())
        raise RadloomError(f"{manifest.corpus or 'The manifest'} has nothing for {task!r} ({reasons}); name another.")
    twice = [id for id, count in Counter(item.id for item in items).items() if count > 1]
    if twice:
        raise RadloomError(f"{work.key} {twice[0]!r} occurs twice in the manifest; predict its corpora one by one.")
    work.prepare(items)
    place = _Place(model, manifest, out, seed)
    with alone(out):
        settings = _claim(place, {"task": task, "seed": seed, **work.noted})
        done, repaired = _written(out, work.key)
        missing = [item for item in items if item.id not in done]
        for start in range(0, len(missing), batch_size):
            batch = missing[start : start + batch_size]
            try:
                made = work.lines(place, batch)
            except ReportError as error:
                raise ReportError(f"{work.key} {', '.join(item.id for item in batch)}: {error}") from None
            if not out.exists():
                _write_note(out.with_suffix(".meta.json"), settings | {"radloom": __version__})
            _append(out, [{work.key: item.id} | line for item, line in zip(batch, made, strict=True)])
            if progress:
                progress(len(items) - len(missing) + start + len(batch), len(items))
    return Predicted(out, len(missing), len(items) - len(missing), unfit, repaired)


def read_study(manifest: Manifest, row: Row, given: Collection[Part] = tuple(Part)) -> Study:
    """Those parts of a row, its views as arrays in their true proportions, where a corpus had them squashed."""
    views = {view.value: _read(manifest, row.image(view)) for view in View if view.part in given}
    report = row.report if row.report and Part.REPORT in given else None
    return Study(row.uid, **views, report=report, labels=dict(row.labels), source=row.corpus)


def unsquash(image: np.ndarray, aspect: float | None) -> np.ndarray:
    """Shrink one side so that width / height is `aspect`: what `Transform` does, ahead of it.

    Args:
        image: (H, W) in [0, 1].
        aspect: true width / height; None where the pixels are square already.
    """
    if aspect is None:
        return image
    height, width = image.shape
    side = max(height, width)
    size = (max(1, round(side * min(1.0, aspect))), max(1, round(side * min(1.0, 1 / aspect))))
    resized = PILImage.fromarray(image).resize(size, PILImage.Resampling.BICUBIC)
    return np.asarray(resized).clip(0.0, 1.0)


def _read(manifest: Manifest, ref: ImageRef | None) -> np.ndarray | None:
    return None if ref is None else unsquash(read_image(manifest.path(ref)), ref.aspect)


# -- the tasks -------------------------------------------------------------------------------------------------------


class _Task(ABC):
    """What is done with a manifest.

    Attributes:
        key: name of an item's id in its line.
    """

    key: ClassVar[str] = "uid"

    @property
    @abstractmethod
    def noted(self) -> dict[str, Any]:
        """What its lines depend on; asked for once `prepare` was called."""

    @abstractmethod
    def items(self, manifest: Manifest) -> _Items:
        """What there is to do."""

    def prepare(self, items: Sequence[_Item]) -> None:  # noqa: B027  most refuse nothing more
        """Refuse what cannot be done, before any of it is."""

    @abstractmethod
    def lines(self, place: _Place, items: Sequence[_Item]) -> list[dict[str, Any]]:
        """What is written of each item, but its id."""


@dataclass(frozen=True)
class _Read(_Task):
    how: Sampling

    @property
    def noted(self) -> dict[str, Any]:
        return {"view": "", "sampling": asdict(self.how)}

    def items(self, manifest: Manifest) -> _Items:
        found = [_Item(row.uid, row) for row in manifest if row.images]
        return found, {"studies without an image": len(manifest) - len(found)}

    def lines(self, place: _Place, items: Sequence[_Item]) -> list[dict[str, Any]]:
        studies = [read_study(place.manifest, item.row) for item in items]
        reports = place.model.reports(studies, seeds=place.seeds(items), **asdict(self.how))
        return [{"findings": report.findings, "impression": report.impression} for report in reports]


@dataclass(frozen=True)
class _Draw(_Task):
    view: View
    how: dict[str, Any]

    @property
    def noted(self) -> dict[str, Any]:
        return {"view": self.view.value, "sampling": self.how}

    def items(self, manifest: Manifest) -> _Items:
        found = [_Item(row.uid, row) for row in manifest if row.report]
        return found, {"studies without a report": len(manifest) - len(found)}

    def lines(self, place: _Place, items: Sequence[_Item]) -> list[dict[str, Any]]:
        model, seeds, reports = place.model, place.seeds(items), [item.row.report for item in items]
        images = model.images(reports, [self.view] * len(items), seeds=seeds, **self.how)
        lines = []
        for item, report, image, seed in zip(items, reports, images, seeds, strict=True):
            maker, origin = Maker.of(model, seed, **self.how), Origin([Part.REPORT], report)
            lines.append({"image": place.write(image, file_name(item.id), self.view, maker, origin)})
        return lines


@dataclass(frozen=True)
class _Ask(_Task):
    how: Sampling
    key: ClassVar[str] = "qid"

    @property
    def noted(self) -> dict[str, Any]:
        return {"view": "", "sampling": asdict(self.how)}

    def items(self, manifest: Manifest) -> _Items:
        every = [_Item(question.qid, row, question) for row in manifest for question in row.questions]
        found = [item for item in every if _shown(item) is not None]
        without = sum(not row.questions for row in manifest)
        left_out = {"studies without a question": without, "questions without an image": len(every) - len(found)}
        return found, left_out

    def lines(self, place: _Place, items: Sequence[_Item]) -> list[dict[str, Any]]:
        images = [image for item in items if (image := _read(place.manifest, _shown(item))) is not None]
        questions = [item.question.question for item in items if item.question]
        answers = place.model.answers(images, questions, seeds=place.seeds(items), **asdict(self.how))
        return [{"answer": answer, "by": answer.by} for answer in answers]


@dataclass(frozen=True)
class _Complete(_Task):
    model: Model
    request: Request
    denoising: dict[str, Any]
    plans: dict[Asked, Plan] = field(default_factory=dict)

    @property
    def noted(self) -> dict[str, Any]:
        own = self.model.config
        how: dict[str, Any] = asdict(changed(own.complete, self.denoising))
        by_language = {part for plan in self.plans.values() for part in plan.parts(Engine.LANGUAGE)}
        if by_language:  # views, too, it may have to draw from a report that it writes first
            how["text"] = asdict(own.text)
        if by_language - {Part.REPORT}:
            how["image"] = asdict(own.image)
        return {"view": "", "sampling": how, "request": to_dict(self.request)}

    def items(self, manifest: Manifest) -> _Items:
        given, want = self.request.given, self.request.want

        def fits(row: Row) -> bool:
            return not {*row.parts} >= {*want} if given is None else {*row.parts} >= {*given}

        found = [_Item(row.uid, row) for row in manifest if fits(row)]
        why = "studies that lack nothing wanted" if given is None else "studies without the parts asked for"
        return found, {why: len(manifest) - len(found)}

    def asked(self, row: Row) -> Asked:
        """What of a study is made from what."""
        if self.request.given is not None:
            return Asked.of(self.request.given, self.request.want)
        return Asked.of(row.parts, [part for part in self.request.want if part not in row.parts])

    def prepare(self, items: Sequence[_Item]) -> None:
        asked = [self.asked(item.row) for item in items]
        self.plans.update(planned(self.model, asked, self.request.engine, **self.denoising))

    def lines(self, place: _Place, items: Sequence[_Item]) -> list[dict[str, Any]]:
        groups: dict[Asked, list[_Item]] = {}
        for item in items:
            groups.setdefault(self.asked(item.row), []).append(item)
        made = {}
        for asked, group in groups.items():
            seeds, plan = place.seeds(group), self.plans[asked]
            studies = [read_study(place.manifest, item.row, asked.given) for item in group]
            whole = complete(self.model, plan, studies, seeds=seeds)
            for item, given, study, seed in zip(group, studies, whole, seeds, strict=True):
                made[item.id] = self._line(place, item, Origin.of(given), study, plan, seed)
        return [made[item.id] for item in items]

    def _line(self, place: _Place, item: _Item, origin: Origin, study: Study, plan: Plan, seed: int) -> dict[str, Any]:
        report, line = study.report or Report(), dict[str, Any]()
        for part in plan.makers:
            if part is Part.REPORT:
                line |= {"findings": report.findings, "impression": report.impression}
            else:
                name, maker = f"{file_name(item.id)}-{part}", plan.maker(self.model, part, seed)
                line[part.value] = place.write(study.view(part.view), name, part.view, maker, origin)
        return line | {"engines": to_dict(plan.makers)}


def _task(
    task: str,
    model: Model,
    view: View,
    engine: Engine | str | None,
    request: Request | None,
    sampling: dict[str, Any],
) -> _Task:
    if request is not None:
        return _Complete(model, request, sampling)
    if task == "image":
        return _Draw(view, model.drawing_settings(engine, **sampling))
    if task == "ask":
        return _Ask(changed(model.config.answer, sampling))
    return _Read(changed(model.config.text, sampling))


def _shown(item: _Item) -> ImageRef | None:
    """The image that a question is about: the one it names, or else the study's first frontal or lateral view."""
    named = item.question.image if item.question else ""
    if named:
        return next((ref for ref in item.row.images if ref.path == named), None)
    return item.row.image(View.FRONTAL) or item.row.image(View.LATERAL)


def file_name(uid: str) -> str:
    """The uid as a file name; one with unusual characters is told from its likes by a checksum."""
    plain = re.sub(r"[^\w.-]", "_", uid)
    return uid if plain == uid else f"{plain}-{zlib.crc32(uid.encode()):08x}"


# -- the output ------------------------------------------------------------------------------------------------------


def _claim(place: _Place, work: Mapping[str, Any]) -> dict[str, Any]:
    """What makes the output, after a check that it is what is noted beside an output that is there."""
    settings = {
        "format": FORMAT,
        "model": place.model.fingerprint,
        "recipe": place.model.config.recipe,
        "corpus": place.manifest.corpus,
        "manifest": place.manifest.fingerprint(),
        **work,
    }
    note = place.out.with_suffix(".meta.json")
    if not place.out.exists():
        return settings
    if not place.model.fingerprint:
        raise RadloomError(
            f"{place.out} may be another model's: this one was not loaded from a folder. Delete the file."
        )
    remedy = f"Name another file, or delete {place.out} and {note.name}."
    if not note.is_file():
        raise RadloomError(f"{place.out} was not made by `radloom predict`: {note.name} is missing. {remedy}")
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        raise RadloomError(f"{note} is not valid JSON. {remedy}") from None
    differing = [name for name, value in settings.items() if noted.get(name) != value]
    if differing:
        raise RadloomError(f"{place.out} was begun with another {' and '.join(differing)}. {remedy}")
    return settings


def _write_note(note: Path, settings: dict[str, Any]) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RadloomError(f"{note} cannot be written ({error.strerror}); choose another place.") from None


def _written(out: Path, key: str) -> tuple[set[str], bool]:
    """The ids that `out` holds, after a last line that a kill cut short is taken off, and whether one was."""
    if not out.exists():
        return set(), False
    data = out.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with out.open("r+b") as file:
            file.truncate(len(whole))
    done = set()
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            done.add(str(json.loads(line)[key]))
        except (ValueError, KeyError, TypeError):
            raise RadloomError(f"{out}: line {number} is damaged; delete that line and start again.") from None
    return done, len(whole) < len(data)


def _append(out: Path, lines: Iterable[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    with out.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
