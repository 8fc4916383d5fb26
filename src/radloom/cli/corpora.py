"""Commands for whole corpora: prepare, ask, predict, train; and the doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from radloom.cli.base import (
    Answer,
    Candidates,
    Corpus,
    Counter,
    Device,
    EngineName,
    Guidance,
    ImagesFolder,
    Json,
    ManifestFolder,
    ModelName,
    Seed,
    Split,
    Temperature,
    TopP,
    Workers,
    check_output,
    command,
    prepare,
    read_manifest,
    say,
)
from radloom.errors import RadloomError


@command("indiana", prepare)
def prepare_indiana_command(
    corpus: Corpus,
    out: ManifestFolder,
    reports: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the report XML.")] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the images.")] = None,
    projections: Annotated[
        Path | None, typer.Option(metavar="FILE", help="splits.csv or indiana_projections.csv.")
    ] = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> Answer:
    """The Indiana University collection (Open-i): report XML and PNG or JPEG images."""
    return _prepare("indiana", corpus, out, workers, reports=reports, images=images, projections=projections)


@command("mimic", prepare)
def prepare_mimic_command(
    corpus: Corpus,
    out: ManifestFolder,
    reports: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the reports, if not beside the images.")
    ] = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> Answer:
    """MIMIC-CXR-JPG with the reports of MIMIC-CXR, as PhysioNet has them."""
    return _prepare("mimic", corpus, out, workers, reports=reports)


@command("folder", prepare)
def prepare_folder_command(
    corpus: Corpus,
    out: ManifestFolder,
    table: Annotated[Path | None, typer.Option(metavar="FILE", help="The CSV or JSONL table, if not alone.")] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="What image paths are relative to.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the corpus; by default the folder's.")] = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> Answer:
    """Any folder with a CSV or JSONL table of images, reports and questions."""
    return _prepare("folder", corpus, out, workers, table=table, images=images, corpus=name)


@command("vqa-rad", prepare)
def prepare_vqa_rad_command(corpus: Corpus, out: ManifestFolder, workers: Workers = 0, as_json: Json = False) -> Answer:
    """VQA-RAD: questions about chest images."""
    return _prepare("vqa-rad", corpus, out, workers)


@command("nih", prepare)
def prepare_nih_command(corpus: Corpus, out: ManifestFolder, workers: Workers = 0, as_json: Json = False) -> Answer:
    """NIH ChestX-ray14: images and labels."""
    return _prepare("nih", corpus, out, workers)


@command("questions")
def questions_command(
    manifest: Annotated[Path, typer.Argument(help="A folder that `radloom prepare` made.")],
    out: ManifestFolder,
    llm: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let this language model write them: a folder or hub name.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most questions a study.")] = 5,
    split: Split = None,
    images: ImagesFolder = None,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Write questions and answers from the reports of a manifest, by rule or by a language model of your choice."""
    check_output(out / "manifest.parquet")
    studies = read_manifest(manifest, split, images)
    if any(row.questions for row in studies):
        raise RadloomError(f"{manifest} has questions already; name a manifest without.")
    from radloom.corpora.manifest import SUMMARY, summary_lines
    from radloom.corpora.questions import ask_llm, question_manifest

    notes = []
    if llm is None:
        asked = question_manifest(studies, limit=limit, seed=seed)
    else:
        from radloom.language.writer import question_writer

        write = question_writer(llm, device=device)
        asked, rejected = ask_llm(studies, write, Path(llm).name, limit=limit, progress=Counter("studies"))
        notes = [f"left out: {count} x pair, {why}" for why, count in sorted(rejected.items())]
    asked.write(out, notes=notes)
    summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    return Answer({"out": str(out), **summary}, "\n".join(summary_lines(out)))


@command("predict")
def predict_command(
    task: Annotated[str, typer.Argument(help="report, image or ask.")],
    manifest: Annotated[Path, typer.Argument(help="A folder that `radloom prepare` made.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="JSONL to write, or to go on with.")],
    split: Split = None,
    batch: Annotated[int, typer.Option(min=1, help="Items at a time.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items.")] = None,
    view: Annotated[str, typer.Option(help="View of drawings: frontal or lateral.")] = "frontal",
    seed: Seed = 0,
    engine: EngineName = None,
    guidance: Guidance = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    candidates: Candidates = None,
    images: ImagesFolder = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Run the model over a whole manifest. Started again after a kill, it goes on where it was."""
    check_output(out, ".jsonl")
    studies = read_manifest(manifest, split, images)
    from radloom.models import load
    from radloom.prediction import predict

    result = predict(
        load(model, device=device),
        studies,
        task,
        out,
        batch_size=batch,
        limit=limit,
        view=view,
        seed=seed,
        engine=engine,
        progress=Counter(task),
        guidance=guidance,
        temperature=temperature,
        top_p=top_p,
        candidates=candidates,
    )
    if result.repaired:
        say(f"{out}: the last line was cut short and has been made again.")
    unfit = {reason: count for reason, count in result.unfit.items() if count}
    data = {"out": str(out), "new": result.new, "before": result.before, "left_out": unfit}
    lines = [f"{out}: {result.new} new, {result.before} from before"]
    return Answer(data, "\n".join(lines + [f"left out: {count} {reason}" for reason, count in unfit.items()]))


@command("train")
def train_command(
    recipe: Annotated[str | None, typer.Argument(help="A name of --list, or a YAML file.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the raw corpora.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.", show_default="runs/RECIPE")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: STAGE.train.steps=20.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Name the recipes and stop.")] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print the recipe's YAML, with --set in full, and stop.")
    ] = False,
    count: Annotated[bool, typer.Option("--sizes", help="Count the parameters of its networks and stop.")] = False,
    as_json: Json = False,
) -> Answer:
    """Train a recipe from raw data. Started again after a kill, it goes on where it was."""
    from radloom.recipes.recipe import as_yaml, load_recipe, names

    if list_all:
        known = {name: load_recipe(name).about for name in names()}
        return Answer({"recipes": known}, "\n".join(f"{name}: {about}" for name, about in known.items()))
    if recipe is None:
        raise RadloomError(f"Name a recipe: {', '.join(names())}, or a YAML file of your own.")
    if show:
        yaml = as_yaml(recipe, changes or ())
        return Answer({"recipe": recipe, "yaml": yaml}, yaml.rstrip())
    plan = load_recipe(recipe, changes or ())
    if count:
        from radloom.recipes.sizes import size_lines, sizes, total

        found = sizes(plan)
        return Answer({"recipe": plan.name, "parameters": found, "all": total(found)}, "\n".join(size_lines(found)))
    if data is None:
        raise RadloomError("Name the folder of the raw corpora with --data DIR.")
    stages = [stage.name for stage in plan.stages]
    if until is not None and until not in stages:
        raise RadloomError(f"--until {until}: the recipe has no such stage. Its stages: {', '.join(stages)}.")
    folder = out or Path("runs") / plan.name
    check_output(folder / "model")
    from radloom.recipes.runner import run

    made = run(plan, data, folder, until=until)
    return Answer({"recipe": plan.name, "folder": str(folder), "model": str(made)}, str(made))


@command("doctor")
def doctor_command(as_json: Json = False) -> Answer:
    """Look for what is missing or broken. Exit code 1 if radloom cannot read, draw and answer on this machine."""
    from radloom.doctor import diagnose

    checks = diagnose()
    width = max(len(check.name) for check in checks) + 2
    lines = []
    for check in checks:
        lines.append(f"{'ok' if check.ok else '--':<4}{check.name:<{width}}{check.detail}")
        if check.remedy:
            lines.append(f"{'':<4}{check.remedy}")
    ok = all(check.ok or check.optional for check in checks)
    return Answer({"ok": ok, "checks": [asdict(check) for check in checks]}, "\n".join(lines), ok)


def _prepare(kind: str, source: Path, out: Path, workers: int, **options: Path | str | None) -> Answer:
    check_output(out / "manifest.parquet")
    from radloom.api import prepare
    from radloom.corpora.manifest import SUMMARY, summary_lines

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    prepare(kind, source, out, progress=Counter("images"), workers=workers, **given)
    summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    return Answer({"out": str(out), **summary}, "\n".join(summary_lines(out)))
