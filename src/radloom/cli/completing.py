"""The command that completes: a study, or the studies of a manifest."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radloom.cli.base import (
    Answer,
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
    check_output,
    command,
    read_manifest,
    say,
    since,
)
from radloom.errors import RadloomError

if TYPE_CHECKING:
    from radloom.completion import Engine
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
    sampler: Annotated[str | None, typer.Option(help="dpm++ or ddim.")] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Denoise all parts at once, none made from another that is finished.")
    ] = False,
    seed: Seed = 0,
    split: Split = None,
    images: ImagesFolder = None,
    batch: Annotated[int, typer.Option(min=1, help="Studies of a manifest at a time.")] = 8,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Make missing parts of a study from those that are there; of none, a whole synthetic study.

    With --replace a manifest's views are drawn anew from its reports: a synthetic corpus.
    """
    from radloom.completion import as_engine, parse_want, parse_weights, planned

    wanted = parse_want(want)
    if out is None:
        raise RadloomError("Name the folder for what is made with --out DIR.")
    check_output(out / "study.json")
    how: dict[str, Any] = {"guidance": guidance, "steps": steps, "sampler": sampler, "together": together or None}
    if manifest is not None and (frontal or lateral or report or weights or n > 1):
        raise RadloomError(
            "A manifest brings its own parts; leave out --frontal, --lateral, --report, --weights and -n."
        )
    if manifest is not None and out.resolve() == (manifest if manifest.is_dir() else manifest.parent).resolve():
        raise RadloomError(f"{out} holds the manifest itself; name another folder with --out.")
    if manifest is None and replace:
        raise RadloomError("--replace is of a manifest; of one study, leave out the view that is to be made.")
    weighed = parse_weights(weights or "")
    from radloom.filling import fill
    from radloom.models import load

    if manifest is None:
        loaded, seeds = load(model, device=device), range(seed, seed + n)
        study, start = _study(loaded, frontal, lateral, report), time.perf_counter()
        plan = planned(loaded, [study], wanted, as_engine(engine))
        made = loaded.completions(
            [study] * n, wanted, seeds=seeds, weights=weighed, engine=plan, progress=Counter("steps"), **how
        )
        return _write(loaded, plan, study, made, seeds, out, since(start))
    studies, loaded = read_manifest(manifest, split, images), load(model, device=device)
    how |= {"engine": engine, "batch_size": batch, "seed": seed}
    _, done = fill(loaded, studies, wanted, out, redraw=replace, progress=Counter("studies"), **how)
    data: dict[str, Any] = {"out": str(out), "new": done.new, "before": done.before, "model": loaded.fingerprint}
    return Answer(data, f"{out}: {done.new} studies completed now, {done.before} before")


def _study(model: Model, frontal: Path | None, lateral: Path | None, report: str | None) -> Study:
    """The study of the given parts; an image that looks like the other view is warned of."""
    from radloom.completion import remarks
    from radloom.imaging import as_image
    from radloom.models import as_report
    from radloom.study import Study

    views = {name: as_image(path) for name, path in (("frontal", frontal), ("lateral", lateral)) if path}
    text = as_report(_text(report)) if report is not None else None
    study = Study(frontal=views.get("frontal"), lateral=views.get("lateral"), report=text)
    for remark in remarks(model, study):
        say(f"warning: {remark}")
    return study


def _write(
    model: Model,
    plan: dict[Part, Engine],
    given: Study,
    made: Sequence[Study],
    seeds: range,
    out: Path,
    seconds: float,
) -> Answer:
    """Write the wanted parts of each completion, and `study.json` that says what they were made from."""
    from radloom import completion
    from radloom.imaging import write_png
    from radloom.reports.answers import format_answer
    from radloom.study import Report, View

    out.mkdir(parents=True, exist_ok=True)
    files, lines = [], []
    for number, (whole, seed) in enumerate(zip(made, seeds, strict=True), 1):
        mark, report = "" if len(made) == 1 else f"-{number}", whole.report or Report()
        for name, engine in plan.items():
            if name == "report":
                text = format_answer(report)
                path = out / f"report{mark}.txt"
                path.write_text(text + "\n", encoding="utf-8")
                lines += [f"{path}: {text}"]
            else:
                path = out / f"{name}{mark}.png"
                marks = model.provenance(report, View(name), seed, engine)
                write_png(whole.view(name), path, text=marks)  # type: ignore[arg-type]
                lines += [str(path)]
            files.append(path.name)
    data = {
        "given": [part.value for part in completion.given(given)],
        "made": list(plan),
        "files": files,
        "seeds": list(seeds),
        "engines": plan,
        "model": model.fingerprint,
        "seconds": seconds,
    }
    (out / "study.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return Answer({"out": str(out), **data}, "\n".join(lines))


def _text(report: str) -> str:
    """The report itself, or what stands in the file of that name."""
    if len(report) < 1000 and "\n" not in report and Path(report).suffix in (".txt", ".md") and Path(report).is_file():
        return Path(report).read_text(encoding="utf-8")
    return report
