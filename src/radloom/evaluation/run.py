"""Runs a model over a split of a manifest and scores whatever it can do there, in one call."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from radloom import __version__
from radloom.corpora.manifest import Manifest, Row
from radloom.corpora.questions import question_manifest
from radloom.errors import RadloomError, did_you_mean, member
from radloom.evaluation.autoencoder import score_autoencoder
from radloom.evaluation.bench import SEED, SHUFFLES, Bench, Vision, spread
from radloom.evaluation.classifier import score_classifier
from radloom.evaluation.codec import score_reconstructions
from radloom.evaluation.completion import (
    BESIDE,
    BY_LANGUAGE,
    DIRECTIONS,
    WHOLE,
    Made,
    completable,
    score_completions,
)
from radloom.evaluation.drawings import drawable, score_drawings
from radloom.evaluation.glossary import readme
from radloom.evaluation.page import render
from radloom.evaluation.questions import score_answers, with_other_images
from radloom.evaluation.reports import score_written
from radloom.evaluation.table import FEW, SCORES, Board, Score
from radloom.files import read_lines
from radloom.imaging import write_png
from radloom.models import Model
from radloom.prediction import Request, file_name, predict
from radloom.progress import Progress
from radloom.provenance import Maker, Origin, marks
from radloom.reports.labeller import NAME as LABELLER
from radloom.reports.labeller import VERSION as LABELLER_VERSION
from radloom.scores.adapters import IMAGES, TEXT, ImageAdapter, LabelAdapter, TextAdapter, statuses
from radloom.scores.statistics import LEVEL
from radloom.scores.text import PROTOCOL_VERSION
from radloom.settings import Engine
from radloom.study import Part, Report, View

PROMPTS, SAMPLES = 8, 4
"""Reports that are drawn several times to see how much the drawings differ, and how often each."""

POOL = 5000
"""Training studies that baselines choose from, spread evenly where there are more."""

LIBRARIES = ("torch", "transformers", "numpy", "pillow", "sacrebleu", "pycocoevalcap")

ProgressOf = Callable[[str], Progress]
"""Name of a task -> what is told of its steps."""


def evaluate(
    model: Model,
    manifest: Manifest,
    out: Path,
    *,
    name: str = "model",
    split: str = "val",
    tasks: Sequence[str] | None = None,
    views: Sequence[View | str] = (View.FRONTAL,),
    engine: Engine | str | None = None,
    limit: int | None = None,
    adapters: Sequence[str] | None = None,
    judge: Vision | None = None,
    batch_size: int = 16,
    progress: ProgressOf | None = None,
) -> Board:
    """Score a model and write the board to `out`: `index.html`, `scores.md`, `scores.json`, `README.md` and more.

    Args:
        model: what is scored.
        manifest: with `split` and, for the baselines, `train`; one without questions gets some written by rule.
        out: folder of the results; predictions that are there already are gone on with.
        name: of the model in the table.
        split: what is scored.
        tasks: of `TASKS`; by default all that the split has something for, but those of any-to-any: `autoencoder`,
            and `complete`, which takes as long as the others together.
        views: of drawings.
        engine: that draws for `image`; by default the model's own choice, see `Model.image`.
        limit: only so many studies, spread evenly.
        adapters: measures of other packages, by name; by default all that are there.
        judge: the classifier that finds neighbours and looks at drawings; by default the model's own.
        batch_size: studies at a time.
        progress: name of a task -> what is told of items done and in all.

    Raises:
        RadloomError: an unknown task, engine or adapter, a split that does not exist or has nothing for any task, a
            judge with another transform, or scores of something else in `out`.
    """
    for task in tasks or ():
        if task not in TASKS:
            raise RadloomError(f"Unknown task {task!r}{did_you_mean(task, TASKS)}; tasks: {', '.join(TASKS)}.")
    text, images = chosen_adapters(adapters)
    vision = judge or Vision(model.classifier, model.transform, model.judge)
    if vision.transform != model.transform:
        raise RadloomError("The judge has another transform than the model; choose one of the same recipe.")
    rows = manifest.split(split)
    if limit is not None:
        rows = replace(rows, rows=spread(rows.rows, limit))
    wanted = [t for t, (able, _) in TASKS.items() if (t in tasks if tasks else t not in NAMED_ONLY and able(rows))]
    if not wanted:
        raise RadloomError(f"The split {split!r} of {manifest.corpus} has nothing to score; name another one.")
    drawn = [member(View, view) for view in views]
    if not drawn:
        raise RadloomError("No view is named; name frontal, lateral or both.")
    drawing = model.drawing_settings(engine)
    made_by = {
        "model": model.fingerprint,
        "engine": drawing["engine"],
        "recipe": model.config.recipe,
        "transform": model.transform.to_dict(),
        "sampling": {"image": drawing} | {k: asdict(getattr(model.config, k)) for k in ("text", "answer", "complete")},
    }
    refuse_other_board(out, made_by | {"split": split, "manifest": rows.fingerprint()}, wanted, drawn)
    made_by["views"] = [view.value for view in drawn]
    out.mkdir(parents=True, exist_ok=True)
    bench = new_bench(name, rows, manifest, split, vision)
    run = _Run(model, bench, out / "predictions", split, drawn, drawing["engine"], text, images, batch_size, progress)
    for task in wanted:
        able, score = TASKS[task]
        try:
            if not able(rows):
                raise RadloomError(f"the split {split!r} of {manifest.corpus} has nothing for this task.")
            score(run)
            (out / f"error-{task}.txt").unlink(missing_ok=True)  # of an earlier run
        except Exception as error:  # the other tasks still count
            why = str(error) if isinstance(error, RadloomError) else f"{type(error).__name__}: {error}"
            bench.scores.append(Score(task, task, name, len(rows), None, why=f"error: {why}"))
            (out / f"error-{task}.txt").write_text(traceback.format_exc(), encoding="utf-8")
        board = publish(bench, out, made_by, split)  # a kill leaves what is done
    return board


_MEANT = {"manifest": "choice of studies", "sampling": "setting", "predictions": "file of predictions"}
"""What entries of a signature are to those who read of them."""


def refuse_other_board(
    out: Path, made_by: Mapping[str, Any], tasks: Sequence[str] = (), views: Sequence[View] = ()
) -> None:
    """Leave a board alone that was made otherwise or has more. Called before the work: a board is written at its end.

    Args:
        out: folder of the results.
        made_by: entries of the signature that a board which is there already must have.
        tasks, views: that are scored now; empty where that is not told.

    Raises:
        RadloomError: `out` holds a board of which an entry differs, or that has scores of further tasks or views.
    """
    try:
        found = json.loads((out / SCORES).read_text(encoding="utf-8"))
        signature, scored = found["signature"], dict.fromkeys(score["task"] for score in found["scores"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or nothing that would be missed
        return
    differing = [_MEANT.get(name, name) for name, value in made_by.items() if signature.get(name) != value]
    if differing:
        raise RadloomError(f"{out} holds scores of another {' and another '.join(differing)}; name another folder.")
    more = [task for task in scored if tasks and task not in tasks]
    if "image" in scored and "image" not in more:
        more += [view for view in signature.get("views", ()) if views and view not in views]
    if more:
        raise RadloomError(
            f"{out} also holds scores of {', '.join(more)}, which would be lost; score these, too (predictions are "
            "kept), or name another folder."
        )


def new_bench(name: str, rows: Manifest, manifest: Manifest, split: str, vision: Vision) -> Bench:
    """A bench for some rows of a manifest; baselines come from at most `POOL` studies of its split `train`."""
    train = [row for row in manifest if row.split == "train" and split != "train"]
    bench = Bench(name, rows, replace(manifest, rows=spread(train, POOL)), vision)
    if len(rows) < FEW:
        bench.warnings.append(f"Only {len(rows)} studies are scored: intervals over so few mean little.")
    if not train:
        bench.warnings.append("There are no training studies to take baselines from; they are left out.")
    if len(train) > POOL:
        bench.warnings.append(f"Baselines come from {POOL} of {len(train)} training studies, spread evenly.")
    return bench


def chosen_adapters(
    names: Sequence[str] | None,
) -> tuple[list[type[TextAdapter] | type[LabelAdapter]], list[type[ImageAdapter]]]:
    """Adapters of texts and of images by their names; all for None.

    Raises:
        RadloomError: an unknown name.
    """
    known = [kind.name for kind in (*TEXT, *IMAGES)]
    for name in names or ():
        if name not in known:
            raise RadloomError(f"Unknown measure {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}.")
    wanted = known if names is None else names
    return [kind for kind in TEXT if kind.name in wanted], [kind for kind in IMAGES if kind.name in wanted]


def publish(bench: Bench, out: Path, made_by: dict[str, Any], split: str) -> Board:
    """Write what a bench gathered: tables, page, data and README."""
    signature = {
        "radloom": __version__,
        **made_by,
        "corpus": bench.split.corpus,
        "split": split,
        "manifest": bench.split.fingerprint(),
        "studies": len(bench.split),
        "baselines": f"from {len(bench.train)} studies of train",
        "judge": bench.vision.fingerprint,
        "labeller": f"{LABELLER} version {LABELLER_VERSION}",
        "protocol": PROTOCOL_VERSION,
        "bootstrap": f"{bench.samples} draws of patients, {LEVEL} % percentile intervals, seed {SEED}",
        "shuffled": f"written reports against {SHUFFLES} other patients",
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "measures": {status.name: status.detail for status in statuses() if status.available},
    }
    board = Board(bench.name, tuple(bench.scores), signature, tuple(dict.fromkeys(bench.warnings)))
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(readme(board), encoding="utf-8")
    (out / "index.html").write_text(render(board, bench.exhibits), encoding="utf-8")
    board.write(out)
    return board


# -- the tasks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """What a task works with."""

    model: Model
    bench: Bench
    folder: Path
    split: str
    views: Sequence[View]
    engine: Engine
    text: list[type[TextAdapter] | type[LabelAdapter]]
    images: list[type[ImageAdapter]]
    batch_size: int
    progress: ProgressOf | None

    def predict(self, manifest: Manifest, task: str, name: str, **options: Any) -> list[dict[str, str]]:
        """The lines that `radloom predict` would write, made or gone on with."""
        file = self.folder / f"{name}-{self.split}.jsonl"
        told = self.progress(name) if self.progress else None
        predict(self.model, manifest, task, file, batch_size=self.batch_size, progress=told, **options)
        return read_lines(file)


def _classifier(run: _Run) -> None:
    score_classifier(run.bench)


def _codec(run: _Run) -> None:
    score_reconstructions(run.bench, run.model.codec, run.progress("codec") if run.progress else None)


def _report(run: _Run) -> None:
    rows = [row for row in run.bench.split if row.report and row.images]
    lines = run.predict(replace(run.bench.split, rows=rows), "report", "report")
    score_written(run.bench, {x["uid"]: Report(x["findings"], x["impression"]) for x in lines}, run.text)


def _question(run: _Run) -> None:
    asked, train = question_manifest(run.bench.split), question_manifest(run.bench.train)
    answers = {line["qid"]: line["answer"] for line in run.predict(asked, "ask", "ask")}
    shuffled = None
    if len({row.patient for row in asked if row.questions and row.images}) > 1:
        lines = run.predict(with_other_images(asked), "ask", "ask-shuffled")
        shuffled = {line["qid"]: line["answer"] for line in lines}
    score_answers(run.bench, asked, train, answers, shuffled)


def _image(run: _Run) -> None:
    for view in run.views:
        rows = drawable(run.bench.split, view)
        if not rows:
            why = f"unavailable: no study has both a report and a {view} view"
            run.bench.scores.append(Score("image", f"image[{view}]", run.bench.name, 0, None, why=why))
            continue
        drawable_rows = replace(run.bench.split, rows=rows)
        lines = run.predict(drawable_rows, "image", f"image-{view}", view=view, engine=run.engine)
        drawn = {line["uid"]: run.folder / line["image"] for line in lines}
        score_drawings(run.bench, drawn, view, _samples(run, rows, view), run.images)


def _samples(run: _Run, rows: Sequence[Row], view: View) -> list[list[Path]]:
    """Several drawings of a few reports, as files; those that are there already are kept."""
    folder = run.folder / f"samples-{view}-{run.split}-{run.engine}-{run.model.fingerprint}"
    picked = spread(rows, PROMPTS)
    files = [[folder / f"{file_name(row.uid)}-{s}.png" for s in range(SAMPLES)] for row in picked]
    told = run.progress(f"samples {view}") if run.progress else None
    for i, (row, group) in enumerate(zip(picked, files, strict=True)):
        if not run.model.fingerprint or not all(file.is_file() for file in group):
            for seed, image in enumerate(run.model.image(row.report, view=view, n=SAMPLES, engine=run.engine)):
                maker = Maker.of(run.model, seed, **run.model.drawing_settings(run.engine))
                write_png(image, group[seed], text=marks(view, maker, Origin([Part.REPORT], row.report)))
        if told:
            told(i + 1, len(files))
    return files


def _complete(run: _Run) -> None:
    rows = completable(run.bench.split)
    studies = replace(run.bench.split, rows=rows)
    denoised = (*DIRECTIONS, WHOLE, *BESIDE) if run.model.has_diffusion else ()
    plans = [(direction, Engine.DIFFUSION) for direction in denoised]
    plans += [(direction, Engine.LANGUAGE) for direction in BY_LANGUAGE]
    made = {}
    for direction, engine in plans:
        request = Request(direction.want, direction.given, engine)
        name = f"complete-{str(direction).replace('->', '-to-').replace(' ', '-')}-{engine}"
        how = {"together": direction.together} if engine is Engine.DIFFUSION else {}
        made[direction, engine] = Made.of(run.predict(studies, "complete", name, request=request, **how), run.folder)
    score_completions(run.bench, rows, made, run.model.any_to_any if run.model.has_diffusion else None)


def _autoencoder(run: _Run) -> None:
    told = run.progress("autoencoder") if run.progress else None
    score_autoencoder(run.bench, run.model.any_to_any, run.batch_size, told)


TASKS: dict[str, tuple[Callable[[Manifest], bool], Callable[[_Run], None]]] = {
    "classifier": (lambda rows: any(row.images and row.labels for row in rows), _classifier),
    "codec": (lambda rows: any(row.images for row in rows), _codec),
    "report": (lambda rows: any(row.images and row.report for row in rows), _report),
    "question": (lambda rows: any(row.images and row.questions for row in question_manifest(rows)), _question),
    "image": (lambda rows: any(drawable(rows, view) for view in View), _image),
    "autoencoder": (lambda rows: any(row.report for row in rows), _autoencoder),
    "complete": (lambda rows: bool(completable(rows)), _complete),
}
"""What is scored, in the order of the table: whether studies have something for it, and what scores it."""

NAMED_ONLY = ("autoencoder", "complete")
"""Tasks that are scored only where they are named."""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
