"""Commands that score."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radloom.cli.base import (
    Adapters,
    Answer,
    Counter,
    Device,
    EngineName,
    ImagesFolder,
    Json,
    Judge,
    ModelName,
    PreparedFolder,
    ScoredSplit,
    ScoresFolder,
    Split,
    SystemName,
    ViewName,
    check_output,
    command,
    names_of,
    read_manifest,
    score,
)
from radloom.errors import RadloomError, member

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from radloom.evaluation.table import Board
    from radloom.imaging import Transform


@command("reconstruct")
def reconstruct_command(
    inputs: Annotated[list[Path], typer.Argument(help="A folder that `radloom prepare` made, or one or more images.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="PNG to write.")],
    split: Split = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many pairs the picture shows, spread evenly.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Score only so many images, spread evenly.")] = None,
    images: ImagesFolder = None,
    codec: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A codec to use instead of the model's, e.g. of a training run.")
    ] = None,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Also learn on the codes of train what the split shows: minutes for thousands."),
    ] = False,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Compare X-rays with their reconstructions. Scores of the codec, and a picture of the pairs."""
    check_output(out, ".png")
    from radloom.evaluation.bench import spread
    from radloom.evaluation.codec import comparison, score_codec
    from radloom.evaluation.probe import PROBE, codes_of, score_probe
    from radloom.imaging import write_png
    from radloom.model_folder import load_vision
    from radloom.scores.names import score_name

    network, classifier, transform = load_vision(model, codec=codec, device=device)
    xrays, labels = _xrays(inputs, split, images, transform, limit)
    train: tuple[Sequence[Tensor], np.ndarray | None] | None = None
    if probe:
        if labels is None or split in (None, "train"):
            raise RadloomError("--probe learns on train and reads a split beside it; name a manifest and --split val.")
        train = _xrays(inputs, "train", images, transform, None)
    scores = score_codec(network, classifier, xrays, labels, progress=Counter("images"))
    write_png(comparison(network, spread(xrays, n)), out)
    told: dict[str, float | None] = {}
    if train and train[1] is not None and labels is not None:
        learned = codes_of(network, train[0], Counter("codes of train")), train[1]
        found = score_probe(network.quantiser.codebook, learned, (codes_of(network, xrays), labels))
        told = {name: None if score is None else score.value for name, score in found.items()}
    columns = ["moved", "kept", "AUROC", "then", *(["codes"] if told else [])]
    table = [
        "moved: by how much the classifier's probability changes; kept: share of its verdicts that stay;",
        "AUROC: of the originals, then of the reconstructions" + (", and of the codes by the probe" if told else ""),
        f"{'':<28}" + "".join(f"{column:>8}" for column in columns),
    ]
    for name, verdict in scores.verdicts.items():
        areas = [verdict.auroc, verdict.auroc_reconstructed]
        areas += [told[score_name("auroc", name, PROBE)]] if told else []
        cells = "".join(f"{'-' if a is None else format(a, '.3f'):>8}" for a in areas)
        table.append(f"{name:<28}{verdict.difference:>8.3f}{verdict.agreement:>8.3f}{cells}")
    means = scores.scores() | {name: score for name, score in told.items() if name.startswith("auroc_m")}
    text = [f"{name:<60}{value:.3f}" for name, value in means.items() if value is not None]
    data = {"out": str(out), **asdict(scores), "scores": scores.scores() | told}
    return Answer(data, "\n".join([f"{out}", f"{scores.images} images", *text, "", *table]))


@command("evaluate")
def evaluate_command(
    model: Annotated[str, typer.Argument(help="A model inside the package, or the folder of one.")],
    manifest: PreparedFolder,
    out: ScoresFolder,
    split: ScoredSplit = "val",
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Of classifier, codec, report, question, image (all these by default), autoencoder and complete.",
        ),
    ] = None,
    views: Annotated[str, typer.Option(metavar="NAME,...", help="Views that are drawn: frontal, lateral or both.")] = (
        "frontal"
    ),
    engine: EngineName = None,
    limit: Annotated[int | None, typer.Option(min=2, help="Score only so many studies, spread evenly.")] = None,
    adapters: Adapters = "all",
    judge: Judge = None,
    images: ImagesFolder = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Score a model beside baselines: tables, page and data. Started again after a kill, it goes on where it was."""
    check_output(out / "scores.json")
    studies = read_manifest(manifest, None, images)
    from radloom.evaluation.bench import Vision
    from radloom.evaluation.run import evaluate
    from radloom.model_folder import model_name
    from radloom.models import load

    board = evaluate(
        load(model, device=device),
        studies,
        out,
        name=model_name(model),
        split=split,
        tasks=names_of(tasks) if tasks else None,
        views=names_of(views),
        engine=engine,
        limit=limit,
        adapters=_some(adapters),
        judge=Vision.load(judge, device) if judge else None,
        progress=Counter,
    )
    return answer_of(board, out)


@command("report", score)
def score_report_command(
    predictions: Annotated[Path, typer.Argument(help="JSONL: uid with findings, impression or both; or uid, report.")],
    manifest: PreparedFolder,
    out: ScoresFolder,
    split: ScoredSplit = "val",
    name: SystemName = None,
    adapters: Adapters = "all",
    judge: Judge = "nano",
    images: ImagesFolder = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Reports that any system wrote."""
    from radloom.evaluation.files import score_report_file

    score_file = functools.partial(score_report_file, adapters=_some(adapters))
    return _score_file(score_file, predictions, manifest, out, split, name, judge, images, device)


@command("ask", score)
def score_ask_command(
    predictions: Annotated[Path, typer.Argument(help="JSONL: qid and answer.")],
    manifest: PreparedFolder,
    out: ScoresFolder,
    split: ScoredSplit = "val",
    name: SystemName = None,
    judge: Judge = "nano",
    images: ImagesFolder = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Answers that any system gave."""
    from radloom.evaluation.files import score_answer_file

    return _score_file(score_answer_file, predictions, manifest, out, split, name, judge, images, device)


@command("image", score)
def score_image_command(
    predictions: Annotated[Path, typer.Argument(help="A folder of UID.png, or JSONL: uid and image.")],
    manifest: PreparedFolder,
    out: ScoresFolder,
    split: ScoredSplit = "val",
    view: ViewName = "frontal",
    name: SystemName = None,
    adapters: Adapters = "all",
    judge: Judge = "nano",
    images: ImagesFolder = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """X-rays that any system drew from the reports."""
    from radloom.evaluation.files import score_image_folder
    from radloom.study import View

    score_file = functools.partial(score_image_folder, view=member(View, view), adapters=_some(adapters))
    return _score_file(score_file, predictions, manifest, out, split, name, judge, images, device)


@command("compare")
def compare_command(
    a: Annotated[Path, typer.Argument(metavar="A.json", help="The scores.json of a system.")],
    b: Annotated[list[Path], typer.Argument(metavar="B.json...", help="That of others, over the same studies.")],
    system_a: Annotated[str | None, typer.Option("--a", metavar="SYSTEM", help="A column of A, not the model.")] = None,
    system_b: Annotated[str | None, typer.Option("--b", metavar="SYSTEM", help="A column of B, not the model.")] = None,
    as_json: Json = False,
) -> Answer:
    """Paired differences of two boards, with intervals and p-values; of several to one in the main scores alone."""
    from radloom.evaluation.compare import as_markdown, compare, overview
    from radloom.evaluation.table import Board

    if len(b) > 1:
        if system_a or system_b:
            raise RadloomError("--a and --b choose systems of two boards; leave them out where there are more.")
        table = overview(Board.read(a), [Board.read(path) for path in b])
        return Answer({"a": str(a), "b": [str(path) for path in b], "table": table}, table.rstrip())
    first, second = Board.read(a), Board.read(b[0])
    rows = compare(first, second, system_a, system_b)
    data = [
        {"name": row.name, "n": row.n, "a": row.a.interval.value if row.a.interval else None}
        | {"b": row.b.interval.value if row.b.interval else None}
        | (
            {"difference": gap.value, "low": gap.low, "high": gap.high, "p": gap.p}
            if (gap := row.difference)
            else {"why": row.why}
        )
        for row in rows
    ]
    names = system_a or first.model, system_b or second.model
    return Answer({"a": names[0], "b": names[1], "scores": data}, as_markdown(rows, *names).rstrip())


def _xrays(
    inputs: list[Path], split: str | None, root: Path | None, transform: Transform, limit: int | None
) -> tuple[Sequence[Tensor], np.ndarray | None]:
    """Model pixels of a manifest's images with what is known of their labels, or of image files without."""
    from radloom.corpora.images import XrayImages
    from radloom.evaluation.bench import spread
    from radloom.evaluation.codec import image_labels
    from radloom.imaging import read_image

    if len(inputs) > 1 or not (inputs[0].is_dir() or inputs[0].suffix == ".parquet"):
        return [transform(read_image(path)) for path in spread(inputs, limit or len(inputs))], None
    xrays = XrayImages([read_manifest(inputs[0], split, root)], transform)
    if not xrays.entries:
        raise RadloomError(f"{inputs[0]} lists no images; name another split or manifest.")
    xrays.entries = spread(xrays.entries, limit or len(xrays))
    return xrays, image_labels(xrays)


def _score_file(
    score_file: Callable[..., Board],
    predictions: Path,
    manifest: Path,
    out: Path,
    split: str,
    name: str | None,
    judge: str | None,
    images: Path | None,
    device: str,
) -> Answer:
    """What the three `score` commands share: the studies, the judge, the name of the system."""
    check_output(out / "scores.json")
    studies = read_manifest(manifest, None, images)
    from radloom.evaluation.bench import Vision

    vision = Vision.load(judge or "nano", device)
    return answer_of(score_file(predictions, studies, out, vision, name=name or predictions.stem, split=split), out)


def _some(names: str) -> list[str] | None:
    """None for all."""
    return None if names == "all" else [] if names == "none" else names_of(names)


def answer_of(board: Board, out: Path) -> Answer:
    """The tables without the detail, and where the page is."""
    failed = any(score.why.startswith("error") for score in board.scores)
    text = f"{board.markdown(brief=True)}\nTables, plots and pictures: {out / 'index.html'}"
    data: dict[str, Any] = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    return Answer(data | {"out": str(out)}, text, not failed)
