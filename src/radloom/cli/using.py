"""Commands that use a model on one X-ray or one text."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from radloom.cli.base import (
    Answer,
    Candidates,
    Counter,
    Device,
    EngineName,
    Guidance,
    Json,
    ModelName,
    Picture,
    Seed,
    Steps,
    Temperature,
    TopP,
    check_images,
    check_output,
    command,
    say,
    since,
    text_or_file,
)
from radloom.errors import RadloomError, member


@command("report")
def report_command(
    image: Picture,
    lateral: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The lateral view of the same study.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write it too: .txt, .json (FHIR R4) or .dcm (DICOM SR)."),
    ] = None,
    seed: Seed = 0,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Read an X-ray into findings and impression."""
    if out:
        check_output(out, ".txt", ".json", ".dcm")
    check_images(image, lateral)
    from radloom.models import load
    from radloom.reports.labeller import label

    loaded = load(model, device=device)
    start = time.perf_counter()
    report = loaded.report(image, lateral, seed=seed)
    sections = {"findings": report.findings, "impression": report.impression}
    text = "\n".join(f"{name.upper()}: {body}" for name, body in sections.items() if body)
    mentions = {observation: mention.value for observation, mention in label(report).items()}
    data = {**sections, "mentions": mentions, "seed": seed, "model": loaded.fingerprint, "seconds": since(start)}
    if out:
        from radloom.interop import Maker, write_report

        images = [image, lateral] if lateral else [image]
        write_report(report, out, maker=Maker.of(loaded, seed), images=images)
        data, text = {"out": str(out), **data}, f"{text}\n{out}"
    return Answer(data, text)


@command("image")
def image_command(
    text: Annotated[str, typer.Argument(help="Findings, a report with its headings, or a text file with it.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="PNG or DICOM (.dcm) to write; with -n 2: FILE-1 and FILE-2."),
    ],
    view: Annotated[str, typer.Option(help="frontal or lateral.")] = "frontal",
    n: Annotated[int, typer.Option("-n", min=1, help="How many X-rays to draw.")] = 1,
    seed: Seed = 0,
    engine: EngineName = None,
    guidance: Guidance = None,
    steps: Steps = None,
    candidates: Candidates = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Draw an X-ray from text, by diffusion where the model has it.

    --steps and --candidates are of diffusion; --temperature and --top-p are of the language model.
    """
    check_output(out, ".png", ".dcm")
    paths = [out] if n == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, n + 1)]
    for path in paths:
        check_output(path, ".png", ".dcm")
    from radloom.reports.report_text import as_report
    from radloom.settings import as_engine
    from radloom.study import Part, View

    report, which = as_report(text_or_file(text)), member(View, view)
    as_engine(engine)
    from radloom.imaging import write_png
    from radloom.models import load
    from radloom.provenance import Maker, Origin, marks

    origin = Origin([Part.REPORT], report)
    loaded = load(model, device=device)
    given = {"guidance": guidance, "steps": steps, "candidates": candidates, "temperature": temperature, "top_p": top_p}
    how = loaded.drawing_settings(engine, **given)
    start = time.perf_counter()
    seeds = range(seed, seed + n)
    drawings = loaded.images([report] * n, [which] * n, seeds=seeds, progress=Counter("steps"), **how)
    seconds = since(start)
    for path, drawing, number in zip(paths, drawings, seeds, strict=True):
        maker = Maker.of(loaded, number, **how)
        if path.suffix == ".dcm":
            from radloom.interop import write_dicom

            write_dicom(drawing, path, view=which, origin=origin, maker=maker)
        else:
            write_png(drawing, path, text=marks(which, maker, origin))
    files = [str(path) for path in paths]
    data = {"images": files, "view": which.value, "seeds": list(seeds), "engine": how["engine"]}
    return Answer(data | {"model": loaded.fingerprint, "seconds": seconds}, "\n".join(files))


@command("ask")
def ask_command(
    image: Picture,
    question: Annotated[str, typer.Argument(help="A question about the X-ray.")],
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Answer a question about an X-ray."""
    if not image.exists() and len(question) < 200 and Path(question).is_file():
        raise RadloomError("The question comes after the image: radloom ask IMAGE QUESTION.")
    check_images(image)
    if not question.strip():
        raise RadloomError("The question is empty; ask something about the X-ray.")
    from radloom.models import load
    from radloom.reports.rule_answers import Answerer

    loaded = load(model, device=device)
    start = time.perf_counter()
    answer = loaded.ask(image, question)
    if answer.by is Answerer.LANGUAGE:
        say("the language model answered, not what the classifier sees.")
    data = {"question": question, "answer": answer, "by": answer.by, "model": loaded.fingerprint}
    return Answer(data | {"seconds": since(start)}, answer)


@command("check")
def check_command(image: Picture, model: ModelName = "nano", device: Device = "cpu", as_json: Json = False) -> Answer:
    """Give the probability of each of the 14 observations, and of eleven signs."""
    check_images(image)
    from radloom.models import load
    from radloom.study import OBSERVATIONS, SIGNS, View

    loaded = load(model, device=device)
    found = loaded.check(image)
    view = View.LATERAL if found["lateral"] > 0.5 else View.FRONTAL
    observations, signs = ({name: found[name] for name in names if name in found} for names in (OBSERVATIONS, SIGNS))
    lines = [f"{name:<28}{p:.2f}  {'#' * round(20 * p)}".rstrip() for name, p in (observations | signs).items()]
    rounded = [{name: round(p, 4) for name, p in group.items()} for group in (observations, signs)]
    data = {"view": view.value, "observations": rounded[0], "signs": rounded[1], "model": loaded.fingerprint}
    return Answer(data, "\n".join([f"{'view':<28}{view}", *lines]))


@command("saliency")
def saliency_command(
    image: Picture,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="PNG to write.")],
    observations: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="A map for each of these; by default of the likeliest one."),
    ] = None,
    method: Annotated[str, typer.Option(help="gradient or grad-cam.")] = "gradient",
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Show where the classifier finds what it finds. The X-ray, and beside it the same with saliency in colour."""
    check_output(out, ".png")
    import numpy as np

    check_images(image)
    from radloom.classifier.saliency import overlay
    from radloom.imaging import as_image, write_png
    from radloom.models import load
    from radloom.study import OBSERVATIONS

    loaded = load(model, device=device)
    found = loaded.check(image)
    pixels = as_image(image)
    likeliest = max(OBSERVATIONS[1:], key=found.__getitem__)
    names = [name.strip() for name in observations.split(",")] if observations else [likeliest]
    maps = {name: loaded.saliency(pixels, [name], method) for name in names}
    plain = loaded.transform.to_image(loaded.pixels([pixels])[0])
    pictures = [np.repeat(plain[..., None], 3, 2), *(overlay(plain, cells) for cells in maps.values())]
    write_png(np.concatenate(pictures, axis=1), out)
    lines, places = [str(out), "the X-ray, and from left to right:"], {}
    for name, cells in maps.items():
        row, column = (int(place) + 1 for place in np.unravel_index(cells.argmax(), cells.shape))
        places[name] = {"probability": round(found[name], 4), "row": row, "column": column}
        lines.append(f"{name:<28}{found[name]:<6.2f}strongest in row {row}, column {column} of {cells.shape[0]}")
    cells_of = {name: [[round(float(cell), 3) for cell in row] for row in cells] for name, cells in maps.items()}
    data = {"out": str(out), "method": method, "strongest": places, "saliency": cells_of}
    return Answer(data | {"model": loaded.fingerprint}, "\n".join(lines))


@command("demo")
def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the page and the pictures go.")],
    text: Annotated[str | None, typer.Option(help="Draw this instead of the sentence of the demo.")] = None,
    seed: Seed = 0,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Draw, read and ask, and show it on a page. The drawing is made from a sentence, read back and asked about."""
    check_output(out / "index.html")
    from radloom.demo import NOTE, TEXT, run_demo
    from radloom.models import load

    start = time.perf_counter()
    loaded = load(model, device=device)
    loading = since(start)
    demo = run_demo(loaded, out, text=TEXT if text is None else text, seed=seed)
    seconds = {"load": loading} | {name: round(value, 2) for name, value in demo.seconds.items()}
    lines = [
        demo.text,
        *(f"  drawn as {path}" + (", which is read:" if path == demo.chosen else "") for path in demo.pictures),
        *(f"  {name.upper()}: {body}" for name, body in asdict(demo.report).items() if body),
        *(f"  {question} {answer}" for question, answer in demo.answers.items()),
        "  " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
        NOTE,
        f"All of it on one page: {demo.page.resolve()}",
    ]
    data = {
        "text": demo.text,
        "images": [str(path) for path in demo.pictures],
        "read": str(demo.chosen),
        "report": {"findings": demo.report.findings, "impression": demo.report.impression},
        "observations": demo.observations,
        "answers": demo.answers,
        "page": str(demo.page),
        "seconds": seconds,
    }
    return Answer(data, "\n".join(lines))
