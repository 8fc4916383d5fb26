"""Reports, X-rays, answers or missing parts for a whole manifest, in a file that grows and can be taken up again.

The output is JSON lines: `{"uid", "findings", "impression"}` of reports, `{"uid", "image"}` of drawings (PNG files in a
folder beside, named by paths relative to the output), `{"qid", "answer"}`, or of completed studies `{"uid"}` with
`frontal` and `lateral` as paths and `findings` and `impression`, whichever were made. Beside it lies `*.meta.json`,
which says what made it; going on with another model or other settings is an error.

Every item is sampled with a seed made from its own name, so that batch size, limits and restarts change nothing.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from radloom import __version__
from radloom.completion import Engine, planned
from radloom.config import to_dict
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import RadloomError, ReportError, did_you_mean
from radloom.imaging import read_image, write_png
from radloom.models import Model
from radloom.study import Part, Question, Report, Study, View

FORMAT = 1
"""Version of the output, written to every `*.meta.json`."""


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
        engine: see `completion.Engine`; None lets the request decide.
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


@dataclass(frozen=True)
class _Work:
    """What the tasks need besides their items."""

    model: Model
    manifest: Manifest
    out: Path
    view: View
    seed: int
    sampling: dict[str, Any]
    request: Request | None = None
    engine: Engine | str | None = None

    @property
    def drawing(self) -> dict[str, Any]:
        return self.model.drawing_settings(self.engine, **self.sampling)

    def seeds(self, items: Iterable[_Item]) -> list[int]:
        return [zlib.crc32(f"{self.seed}:{item.id}".encode()) for item in items]


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
    if task not in _TASKS:
        raise RadloomError(f"Unknown task {task!r}{did_you_mean(task, _TASKS)}; tasks: {', '.join(_TASKS)}.")
    if out.suffix != ".jsonl":
        raise RadloomError(f"{out} does not end in .jsonl; predictions are written as JSON lines.")
    if batch_size < 1:
        raise RadloomError(f"The batch size is {batch_size}; give at least 1.")
    list_items, run, key = _TASKS[task]
    if (request is not None) != (task == "complete"):
        raise RadloomError("A request belongs to the task 'complete', and that task needs one.")
    if engine is not None and task != "image":
        raise RadloomError(f"The engine is of drawings; leave it out for the task {task!r}.")
    items, unfit = list_items(manifest) if request is None else _studies_to_complete(manifest, request)
    items = items[:limit]
    if not items:
        reasons = ", ".join(f"{count} {reason}" for reason, count in unfit.items())
        raise RadloomError(f"{manifest.corpus or 'The manifest'} has nothing for {task!r} ({reasons}); name another.")
    twice = [id for id, count in Counter(item.id for item in items).items() if count > 1]
    if twice:
        raise RadloomError(f"{key} {twice[0]!r} occurs twice in the manifest; predict its corpora one by one.")
    work = _Work(model, manifest, out, View(view), seed, sampling, request, engine)
    settings = _claim(work, task)
    done, repaired = _written(out, key)
    missing = [item for item in items if item.id not in done]
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        try:
            made = run(work, batch)
        except ReportError as error:
            raise ReportError(f"{key} {', '.join(item.id for item in batch)}: {error}") from None
        if not out.exists():
            _write_note(out.with_suffix(".meta.json"), settings | {"radloom": __version__})
        _append(out, [{key: item.id} | line for item, line in zip(batch, made, strict=True)])
        if progress:
            progress(len(items) - len(missing) + start + len(batch), len(items))
    return Predicted(out, len(missing), len(items) - len(missing), unfit, repaired)


def read_study(manifest: Manifest, row: Row) -> Study:
    """A row as a `Study` whose views are arrays in their true proportions, where a corpus had them squashed."""
    frontal, lateral = (_read(manifest, row.image(view)) for view in View)
    return Study(row.uid, frontal, lateral, row.report or None, dict(row.labels), row.corpus)


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


# -- the tasks -------------------------------------------------------------------------------------------------------


def _studies_with_images(manifest: Manifest) -> tuple[list[_Item], dict[str, int]]:
    items = [_Item(row.uid, row) for row in manifest if row.images]
    return items, {"studies without an image": len(manifest) - len(items)}


def _reports(work: _Work, items: Sequence[_Item]) -> list[dict[str, str]]:
    studies = [read_study(work.manifest, item.row) for item in items]
    reports = work.model.reports(studies, seeds=work.seeds(items), **work.sampling)
    return [{"findings": report.findings, "impression": report.impression} for report in reports]


def _studies_with_reports(manifest: Manifest) -> tuple[list[_Item], dict[str, int]]:
    items = [_Item(row.uid, row) for row in manifest if row.report]
    return items, {"studies without a report": len(manifest) - len(items)}


def _drawings(work: _Work, items: Sequence[_Item]) -> list[dict[str, str]]:
    seeds = work.seeds(items)
    reports = [item.row.report for item in items]
    how, lines = work.drawing, []
    images = work.model.images(reports, [work.view] * len(items), seeds=seeds, **how)
    for item, report, image, seed in zip(items, reports, images, seeds, strict=True):
        path = work.out.with_suffix("") / f"{file_name(item.id)}.png"
        write_png(image, path, text=work.model.provenance(report, work.view, seed, how["engine"]))
        lines.append({"image": path.relative_to(work.out.parent).as_posix()})
    return lines


def _questions(manifest: Manifest) -> tuple[list[_Item], dict[str, int]]:
    every = [_Item(question.qid, row, question) for row in manifest for question in row.questions]
    items = [item for item in every if _shown(item) is not None]
    without = sum(not row.questions for row in manifest)
    return items, {"studies without a question": without, "questions without an image": len(every) - len(items)}


def _answers(work: _Work, items: Sequence[_Item]) -> list[dict[str, str]]:
    images = [image for item in items if (image := _read(work.manifest, _shown(item))) is not None]
    questions = [item.question.question for item in items if item.question]
    answers = work.model.answers(images, questions, seeds=work.seeds(items), **work.sampling)
    return [{"answer": answer} for answer in answers]


def _studies_to_complete(manifest: Manifest, request: Request) -> tuple[list[_Item], dict[str, int]]:
    def fits(row: Row) -> bool:
        there = parts_of(row)
        if request.given is None:
            return not there >= set(request.want)
        return there >= set(request.given)

    items = [_Item(row.uid, row) for row in manifest if fits(row)]
    why = "studies that lack nothing wanted" if request.given is None else "studies without the parts asked for"
    return items, {why: len(manifest) - len(items)}


def parts_of(row: Row) -> set[Part]:
    """The parts that a row has."""
    views = {Part(ref.view.value) for ref in row.images}
    return views | ({Part.REPORT} if row.report else set())


def _completed(work: _Work, items: Sequence[_Item]) -> list[dict[str, str]]:
    request, made = work.request or Request(()), {}
    groups: dict[tuple[Part, ...], list[_Item]] = {}
    for item in items:
        there = parts_of(item.row)
        want = tuple(p for p in request.want if request.given is not None or p not in there)
        groups.setdefault(want, []).append(item)
    for want, group in groups.items():
        studies = [read_study(work.manifest, _with_parts(item.row, request.given)) for item in group]
        seeds, plan = work.seeds(group), planned(work.model, studies, want, request.engine)
        denoised = request.engine or Engine.DIFFUSION in plan.values()  # else the settings are for other studies
        whole = work.model.completions(studies, want, seeds=seeds, engine=plan, **(work.sampling if denoised else {}))
        for item, study, seed in zip(group, whole, seeds, strict=True):
            made[item.id] = _kept(work, item, study, plan, seed)
    return [made[item.id] for item in items]


def _with_parts(row: Row, given: tuple[Part, ...] | None) -> Row:
    """The row with nothing but those parts."""
    if given is None:
        return row
    images = tuple(ref for ref in row.images if Part(ref.view.value) in given)
    return replace(row, images=images, report=row.report if Part.REPORT in given else Report())


def _kept(work: _Work, item: _Item, study: Study, plan: Mapping[Part, Engine], seed: int) -> dict[str, str]:
    """The line of a completed study, after its drawings are written."""
    line: dict[str, str] = {}
    for part, engine in plan.items():
        if part is Part.REPORT:
            report = study.report or Report()
            line |= {"findings": report.findings, "impression": report.impression}
            continue
        view = View(part.value)
        image, path = study.view(view), work.out.with_suffix("") / f"{file_name(item.id)}-{part}.png"
        marks = work.model.provenance(study.report or Report(), view, seed, engine)
        write_png(np.asarray(image), path, text=marks)
        line[part.value] = path.relative_to(work.out.parent).as_posix()
    return line


_TASKS: dict[str, tuple[Callable[..., tuple[list[_Item], dict[str, int]]], Callable[..., list[dict[str, str]]], str]]
_TASKS = {
    "report": (_studies_with_images, _reports, "uid"),
    "image": (_studies_with_reports, _drawings, "uid"),
    "ask": (_questions, _answers, "qid"),
    "complete": (_studies_with_images, _completed, "uid"),
}


def _shown(item: _Item) -> ImageRef | None:
    """The image that a question is about: the one it names, or else the study's first frontal or lateral view."""
    named = item.question.image if item.question else ""
    if named:
        return next((ref for ref in item.row.images if ref.path == named), None)
    return item.row.image(View.FRONTAL) or item.row.image(View.LATERAL)


def _read(manifest: Manifest, ref: ImageRef | None) -> np.ndarray | None:
    return None if ref is None else unsquash(read_image(manifest.path(ref)), ref.aspect)


def file_name(uid: str) -> str:
    """The uid as a file name; one with unusual characters is told from its likes by a checksum."""
    plain = re.sub(r"[^\w.-]", "_", uid)
    return uid if plain == uid else f"{plain}-{zlib.crc32(uid.encode()):08x}"


# -- the output ------------------------------------------------------------------------------------------------------


def _claim(work: _Work, task: str) -> dict[str, Any]:
    """What makes the output, after a check that it is what is noted beside an output that is there."""
    config = work.model.config
    how: Any = {"report": config.text, "ask": config.answer}.get(task, config.complete)
    changed = asdict(how) | {k: v for k, v in work.sampling.items() if v is not None}
    settings = {
        "format": FORMAT,
        "task": task,
        "model": work.model.fingerprint,
        "recipe": work.model.config.recipe,
        "corpus": work.manifest.corpus,
        "manifest": work.manifest.fingerprint(),
        "view": work.view.value if task == "image" else "",
        "seed": work.seed,
        "sampling": work.drawing if task == "image" else changed,
        **({"request": to_dict(work.request)} if work.request else {}),
    }
    note = work.out.with_suffix(".meta.json")
    if not work.out.exists():
        return settings
    if not work.model.fingerprint:
        raise RadloomError(
            f"{work.out} may be another model's: this one was not loaded from a folder. Delete the file."
        )
    remedy = f"Name another file, or delete {work.out} and {note.name}."
    if not note.is_file():
        raise RadloomError(f"{work.out} was not made by `radloom predict`: {note.name} is missing. {remedy}")
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        raise RadloomError(f"{note} is not valid JSON. {remedy}") from None
    differing = [name for name, value in settings.items() if noted.get(name) != value]
    if differing:
        raise RadloomError(f"{work.out} was begun with another {' and '.join(differing)}. {remedy}")
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
