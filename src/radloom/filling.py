"""A corpus with parts that a model made: a manifest like the one before, in which every made part is marked as made.

What is missing is made from what is there; or views are drawn anew from the reports alone, and the new manifest has no
real picture: a synthetic corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from radloom.completion import as_parts
from radloom.corpora.manifest import Dropped, ImageRef, Manifest, Row, combine
from radloom.errors import RadloomError
from radloom.files import read_lines
from radloom.models import Model
from radloom.prediction import Predicted, Request, predict
from radloom.reports.labeller import label
from radloom.settings import Engine, as_engine
from radloom.study import Part, Report

MADE = "made.jsonl"
"""What was made, one line a study; its drawings lie in the folder `made`."""


def fill(
    model: Model,
    manifest: Manifest,
    want: Sequence[str],
    out: Path | str,
    *,
    redraw: bool = False,
    engine: Engine | str | None = None,
    batch_size: int = 8,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **denoising: Any,
) -> tuple[Manifest, Predicted]:
    """Make the wanted parts of every study that lacks them, and write the new manifest to `out`.

    With `redraw` the wanted views are made of every study that has a report, from it alone, whatever views are there;
    the other views are left out, and with them the studies without a report.

    Started again after a kill, it goes on where it was.

    Args:
        model: what completes.
        manifest: the studies.
        want: of `frontal`, `lateral`, `report`.
        out: folder of the new manifest, `made.jsonl` and the drawings.
        redraw: make a synthetic corpus.
        engine: see `Model.complete`.
        batch_size: studies at a time.
        seed: of sampling.
        progress: told of studies done and in all.
        denoising: fields of `Denoising` to change.

    Returns:
        The new manifest, and what was made.

    Raises:
        RadloomError: unknown parts, nothing wanted, a report to draw anew, nothing to make, or `out` begun with
            other settings, or a study that occurs twice.
    """
    out = Path(out)
    parts = as_parts(want)
    if redraw and Part.REPORT in parts:
        raise RadloomError("Only views are drawn anew, from the reports; leave the report out of what is wanted.")
    twice = [uid for uid, count in Counter(row.uid for row in manifest).items() if count > 1]
    if twice:
        raise RadloomError(f"Study {twice[0]!r} occurs twice in the manifest; complete its corpora one by one.")
    request = Request(tuple(parts), (Part.REPORT,) if redraw else None, as_engine(engine))
    done = predict(
        model,
        manifest,
        "complete",
        out / MADE,
        batch_size=batch_size,
        seed=seed,
        request=request,
        progress=progress,
        **denoising,
    )
    new = redrawn(manifest, out / MADE) if redraw else with_made(manifest, out / MADE)
    kept = {row.uid for row in new}
    dropped = [Dropped(row.uid, "study", "no report to draw") for row in manifest if row.uid not in kept]
    note = f"Made by {model.config.recipe} {model.fingerprint}: {', '.join(p.value for p in parts)}."
    new.write(out, dropped, [note])
    return Manifest.read(out), done


def with_made(manifest: Manifest, file: Path) -> Manifest:
    """The manifest with what `file` lists put in its place and marked; labels of made reports are the labeller's."""
    made = {line["uid"]: line for line in read_lines(file)}
    root = combine([manifest, Manifest([], file.parent.resolve(), "")])  # one root above both
    here = PurePosixPath(file.parent.resolve().relative_to(root.root).as_posix())
    rows = [_with_made(row, made.get(row.uid, {}), here) for row in root]
    return Manifest(rows, root.root, f"{manifest.corpus}, filled")


def redrawn(manifest: Manifest, file: Path) -> Manifest:
    """The studies that `file` lists with its drawings alone, marked, below its folder; their reports stay.

    Questions about one of the pictures that are gone go with it.
    """
    made, rows = {line["uid"]: line for line in read_lines(file)}, []
    for row in manifest:
        if row.uid in made:
            asked = tuple(question for question in row.questions if not question.image)
            marked = tuple(part for part in row.made if part is Part.REPORT)
            bare = replace(row, images=(), questions=asked, made=marked)
            rows.append(_with_made(bare, made[row.uid], PurePosixPath()))
    return Manifest(rows, file.parent.resolve(), f"{manifest.corpus}, synthetic")


def _with_made(row: Row, line: dict[str, str], here: PurePosixPath) -> Row:
    for part in Part:
        if part is Part.REPORT and "findings" in line:
            report = Report(findings=line["findings"], impression=line["impression"])
            row = replace(row, report=report, labels=label(report), made=(*row.made, part))
        elif part.value in line:
            ref = ImageRef((here / line[part.value]).as_posix(), part.view)
            row = replace(row, images=(*row.images, ref), made=(*row.made, part))
    return row
