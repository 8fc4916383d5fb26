"""The command that completes: a study, or the studies of a manifest."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radloom.cli.base import (
    Answer,
    Counter,
    Device,
    Guidance,
    ImagesFolder,
    Json,
    ModelName,
    Seed,
    Split,
    check_output,
    command,
    read_manifest,
    say,
    since,
)
from radloom.errors import RadloomError

if TYPE_CHECKING:
    from radloom.study import Part

LateralImage = Annotated[Path | None, typer.Option("--lateral", metavar="IMAGE", help="The lateral view.")]


@command("complete")
def complete_command(
    manifest: Annotated[
        Path | None, typer.Argument(help="A folder that `radloom prepare` made, to fill; none for one study.")
    ] = None,
    want: Annotated[str, typer.Option(metavar="PART,...", help="Of frontal, lateral and report: what is made.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = None,
    frontal: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The frontal view.")] = None,
    lateral: LateralImage = None,
    report: Annotated[str | None, typer.Option(metavar="TEXT", help="The report, or a text file with it.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many completions of the study.")] = 1,
    weights: Annotated[
        str | None, typer.Option(metavar="PART=W,...", help="Weights of the given parts: frontal=1,report=0.5.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="diffusion or language; by default the better one.")] = None,
    guidance: Guidance = None,
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="Steps of denoising.")] = None,
    sampler: Annotated[str | None, typer.Option(help="dpm++ or ddim.")] = None,
    seed: Seed = 0,
    split: Split = None,
    images: ImagesFolder = None,
    batch: Annotated[int, typer.Option(min=1, help="Studies of a manifest at a time.")] = 8,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Make missing parts of a study from those that are there; of none, a whole synthetic study."""
    from radloom.completion import parse_want

    wanted = parse_want(want)
    if out is None:
        raise RadloomError("Name the folder for what is made with --out DIR.")
    check_output(out / "study.json")
    how = {"guidance": guidance, "steps": steps, "sampler": sampler}
    if manifest is not None:
        if frontal or lateral or report or weights or n > 1:
            raise RadloomError(
                "A manifest brings its own parts; leave out --frontal, --lateral, --report, --weights and -n."
            )
        from radloom.filling import fill
        from radloom.models import load

        studies, loaded = read_manifest(manifest, split, images), load(model, device=device)
        counter = Counter("studies")
        _, done = fill(
            loaded, studies, wanted, out, engine=engine, batch_size=batch, seed=seed, progress=counter, **how
        )
        data: dict[str, Any] = {"out": str(out), "new": done.new, "before": done.before, "model": loaded.fingerprint}
        return Answer(data, f"{out}: {done.new} studies completed now, {done.before} before")
    return _one(wanted, out, frontal, lateral, report, n, weights, engine, how, seed, model, device)


def _one(
    wanted: list[Part],
    out: Path,
    frontal: Path | None,
    lateral: Path | None,
    report: str | None,
    n: int,
    weights: str | None,
    engine: str | None,
    how: dict[str, Any],
    seed: int,
    model: str,
    device: str,
) -> Answer:
    from radloom.completion import given, parse_weights, remarks
    from radloom.imaging import as_image, write_png
    from radloom.language.prompts import format_answer
    from radloom.models import as_report, load
    from radloom.study import Report, Study, View

    weighed = parse_weights(weights or "")
    loaded = load(model, device=device)
    views = {name: as_image(path) for name, path in (("frontal", frontal), ("lateral", lateral)) if path}
    study = Study(
        frontal=views.get("frontal"),
        lateral=views.get("lateral"),
        report=as_report(_text(report)) if report is not None else None,
    )
    for remark in remarks(loaded, study):
        say(f"warning: {remark}")
    start = time.perf_counter()
    seeds = range(seed, seed + n)
    counter = Counter("steps")
    made = loaded.completions([study] * n, wanted, seeds=seeds, weights=weighed, engine=engine, progress=counter, **how)
    seconds = since(start)
    out.mkdir(parents=True, exist_ok=True)
    files, lines = [], []
    for number, whole in enumerate(made):
        mark = "" if n == 1 else f"-{number + 1}"
        for name in wanted:
            if name == "report":
                text = format_answer(whole.report or Report())
                path = out / f"report{mark}.txt"
                path.write_text(text + "\n", encoding="utf-8")
                lines += [f"{path}: {text}"]
            else:
                path = out / f"{name}{mark}.png"
                text_of = loaded.provenance(whole.report or Report(), View(name), seeds[number])
                write_png(whole.view(name), path, text=text_of)  # type: ignore[arg-type]
                lines += [str(path)]
            files.append(path.name)
    data = {
        "given": [part.value for part in given(study)],
        "made": wanted,
        "files": files,
        "seeds": list(seeds),
        "model": loaded.fingerprint,
        "seconds": seconds,
    }
    (out / "study.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return Answer({"out": str(out), **data}, "\n".join(lines))


def _text(report: str) -> str:
    """The report itself, or what stands in the file of that name."""
    if len(report) < 1000 and "\n" not in report and Path(report).suffix in (".txt", ".md") and Path(report).is_file():
        return Path(report).read_text(encoding="utf-8")
    return report
