"""A corpus with its missing parts made: a manifest like the one before, in which every made part is marked as made."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radloom.completion import Engine, as_engine, as_parts
from radloom.corpora.manifest import ImageRef, Manifest, Row, combine
from radloom.errors import RadloomError
from radloom.models import Model
from radloom.prediction import Predicted, Request, predict
from radloom.reports.labeller import label
from radloom.study import Part, Report, View

MADE = "made.jsonl"
"""What was made, one line a study; its drawings lie in the folder `made`."""


def fill(
    model: Model,
    manifest: Manifest,
    want: Sequence[str],
    out: Path | str,
    *,
    engine: Engine | str | None = None,
    batch_size: int = 8,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **denoising: Any,
) -> tuple[Manifest, Predicted]:
    """Make the wanted parts of every study that lacks them, and write the filled manifest to `out`.

    Started again after a kill, it goes on where it was.

    Args:
        model: what completes.
        manifest: the studies.
        want: of `frontal`, `lateral`, `report`.
        out: folder of the new manifest, `made.jsonl` and the drawings.
        engine: see `Model.complete`.
        batch_size: studies at a time.
        seed: of sampling.
        progress: told of studies done and in all.
        denoising: fields of `Denoising` to change.

    Returns:
        The filled manifest, and what was made.

    Raises:
        RadloomError: unknown parts, nothing wanted, nothing missing, or `out` begun with other settings.
    """
    out = Path(out)
    parts = as_parts(want)
    if not parts:
        raise RadloomError("Nothing is wanted; name frontal, lateral or report.")
    request = Request(tuple(parts), None, as_engine(engine))
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
    filled = with_made(manifest, out / MADE)
    filled.write(
        out, notes=[f"Made by {model.config.recipe} {model.fingerprint}: {', '.join(p.value for p in parts)}."]
    )
    return Manifest.read(out), done


def with_made(manifest: Manifest, file: Path) -> Manifest:
    """The manifest with what `file` lists put in its place and marked; labels of made reports are the labeller's."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    made = {line["uid"]: line for line in lines}
    root = combine([manifest, Manifest([], file.parent.resolve(), "")])  # one root above both
    here = file.parent.resolve().relative_to(root.root)
    rows = [_with_made(row, made.get(row.uid), here) for row in root]
    return Manifest(rows, root.root, f"{manifest.corpus}, filled")


def _with_made(row: Row, line: dict[str, str] | None, here: Path) -> Row:
    if line is None:
        return row
    for part in Part:
        if part is Part.REPORT and "findings" in line:
            report = Report(findings=line["findings"], impression=line["impression"])
            row = replace(row, report=report, labels=label(report), made=(*row.made, part))
        elif part.value in line:
            ref = ImageRef((here / line[part.value]).as_posix(), View(part.value))
            row = replace(row, images=(*row.images, ref), made=(*row.made, part))
    return row
