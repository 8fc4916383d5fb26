"""The command that completes: a study, or the studies of a manifest."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radloom.cli.base import (
    Answer,
    Candidates,
    Counter,
    Device,
    EngineName,
    Guidance,
    ImagesFolder,
    Json,
    ModelName,
    Seed,
    Split,
    Steps,
    check_images,
    check_output,
    command,
    read_manifest,
    since,
    text_or_file,
)
from radloom.errors import RadloomError

RECORD = "study.json"
"""Of a completion: what it was made from and how, and its files."""

if TYPE_CHECKING:
    from radloom.models import Model
    from radloom.study import Part, Study


@command("complete")
def complete_command(
    manifest: Annotated[
        Path | None, typer.Argument(help="A folder that `radloom prepare` made, to fill; none for one study.")
    ] = None,
    want: Annotated[str, typer.Option(metavar="PART,...", help="Of frontal, lateral and report: what is made.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = None,
    frontal: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The frontal view.")] = None,
    lateral: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The lateral view.")] = None,
    report: Annotated[str | None, typer.Option(metavar="TEXT", help="The report, or a text file with it.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many completions of the study.")] = 1,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Of a manifest: draw the views anew from the reports alone, keep no real one."),
    ] = False,
    weights: Annotated[
        str | None, typer.Option(metavar="PART=W,...", help="Weights of the given parts: frontal=1,report=0.5.")
    ] = None,
    engine: EngineName = None,
    guidance: Guidance = None,
    steps: Steps = None,
    candidates: Candidates = None,
    sampler: Annotated[str | None, typer.Option(help="dpm++ or ddim.")] = None,
    together: Annotated[
        bool | None,
        typer.Option("--together/--in-turn", help="Denoise all parts at once, or each also from those made before it."),
    ] = None,
    seed: Seed = 0,
    split: Split = None,
    images: ImagesFolder = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Studies of a manifest at a time; by default 8.")] = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Make missing parts of a study from those that are there; of none, a whole synthetic study.

    With --replace a manifest's views are drawn anew from its reports: a synthetic corpus.
    """
    check_images(frontal, lateral)
    from radloom.completion import as_parts, parse_weights
    from radloom.corpora.draft import IMAGE_SUFFIXES
    from radloom.models import load
    from radloom.study import Part

    wanted = as_parts(want)
    if out is None:
        raise RadloomError("Name the folder for what is made with --out DIR.")
    check_output(out / RECORD)
    how: dict[str, Any] = {"guidance": guidance, "steps": steps, "candidates": candidates, "sampler": sampler}
    how["together"] = together
    if manifest is None:
        _refuse("of a manifest; leave it out for one study", replace=replace, split=split, images=images, batch=batch)
        loaded, weighed = load(model, device=device), parse_weights(weights or "")
        study = _study(loaded, frontal, lateral, report)
        return _one_study(loaded, study, wanted, range(seed, seed + n), out, weights=weighed, engine=engine, **how)
    if str(manifest) in tuple(Part):
        raise RadloomError(f"{manifest} is taken for a manifest; name several parts as --want {want},{manifest}.")
    if manifest.suffix.lower() in IMAGE_SUFFIXES:
        raise RadloomError(f"{manifest} is an image, not a manifest; give it with --frontal or --lateral.")
    own = {"frontal": frontal, "lateral": lateral, "report": report, "weights": weights, "n": n > 1}
    _refuse("of one study, and a manifest brings its own parts; leave it out", **own)
    if out.resolve() == (manifest if manifest.is_dir() else manifest.parent).resolve():
        raise RadloomError(f"{out} holds the manifest itself; name another folder with --out.")
    from radloom.filling import fill

    studies, loaded = read_manifest(manifest, split, images), load(model, device=device)
    how |= {"engine": engine, "seed": seed, **({"batch_size": batch} if batch else {})}
    _, done = fill(loaded, studies, wanted, out, redraw=replace, progress=Counter("studies"), **how)
    data: dict[str, Any] = {"out": str(out), "new": done.new, "before": done.before, "model": loaded.fingerprint}
    return Answer(data, f"{out}: {done.new} studies completed now, {done.before} before")


def _refuse(why: str, **options: object) -> None:
    """Refuse options that are given and play no part."""
    for name, value in options.items():
        if value:
            raise RadloomError(f"{'-' * (1 + (len(name) > 1))}{name} is {why}.")


def _study(model: Model, frontal: Path | None, lateral: Path | None, report: str | None) -> Study:
    """The study of the given parts; an image that looks like the other view is warned of."""
    from radloom.completion import remarks
    from radloom.imaging import ImageWarning, as_image
    from radloom.interop import check_same_patient
    from radloom.reports.report_text import as_report
    from radloom.study import Study

    check_same_patient([path for path in (frontal, lateral) if path])
    views = {name: as_image(path) for name, path in (("frontal", frontal), ("lateral", lateral)) if path}
    text = as_report(text_or_file(report)) if report is not None else None
    study = Study(frontal=views.get("frontal"), lateral=views.get("lateral"), report=text)
    for remark in remarks(model, study):
        warnings.warn(remark, ImageWarning, stacklevel=2)
    return study


def _check_unmixed(out: Path, files: Sequence[str]) -> None:
    """Refuse a folder in which files of an earlier completion would lie beside these."""
    if not (out / RECORD).exists():
        return
    try:
        earlier = [str(name) for name in json.loads((out / RECORD).read_text(encoding="utf-8"))["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise RadloomError(f"{out / RECORD} is of something else; name another folder with --out.") from None
    if left := [name for name in earlier if name not in files and (out / name).exists()]:
        raise RadloomError(f"{out} holds {left[0]} of another completion; name another folder with --out.")


def _one_study(model: Model, given: Study, want: Sequence[Part], seeds: range, out: Path, **how: Any) -> Answer:
    """Write the wanted parts of each completion, and `study.json` that says how they were made."""
    import numpy as np

    from radloom.completion import Asked, complete, planned
    from radloom.config import to_dict
    from radloom.imaging import write_png
    from radloom.provenance import Origin, marks
    from radloom.reports.report_text import report_to_text
    from radloom.study import VIEWS, Part, Report

    start, asked = time.perf_counter(), Asked.of(given.parts, want)
    plan = planned(model, [asked], **how)[asked]
    numbers = [f"-{number}" if len(seeds) > 1 else "" for number in range(1, len(seeds) + 1)]
    files = [f"{part}{number}.{'png' if part in VIEWS else 'txt'}" for number in numbers for part in plan.makers]
    _check_unmixed(out, files)
    made = complete(model, plan, [given] * len(seeds), seeds=seeds, progress=Counter("steps"))
    data = {
        "given": list(given.parts),
        "made": list(plan.makers),
        "files": files,
        "seeds": list(seeds),
        "engines": plan.makers,
        "weights": plan.weights,
        "denoising": to_dict(plan.denoising) if plan.denoises else None,
        "model": model.fingerprint,
        "seconds": since(start),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / RECORD).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    lines = []
    each = [(whole, seed, part) for whole, seed in zip(made, seeds, strict=True) for part in plan.makers]
    for name, (whole, seed, part) in zip(files, each, strict=True):
        path = out / name
        if part in VIEWS:
            text = marks(part.view, plan.maker(model, part, seed), Origin.of(given))
            write_png(np.asarray(whole.view(part.view)), path, text=text)
            lines += [str(path)]
        else:
            words = report_to_text(whole.report or Report())
            path.write_text(words + "\n", encoding="utf-8")
            lines += [f"{path}: {words}"]
    written = [{"findings": (r := whole.report or Report()).findings, "impression": r.impression} for whole in made]
    reports = {"reports": written} if Part.REPORT in plan.makers else {}
    return Answer({"out": str(out), **data, **reports}, "\n".join(lines))
