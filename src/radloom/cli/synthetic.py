"""Commands on synthetic corpora: what they are worth, and whether they repeat real images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from radloom.cli.base import (
    Answer,
    Counter,
    Device,
    ImagesFolder,
    Json,
    Judge,
    ScoresFolder,
    check_output,
    command,
    names_of,
    read_manifest,
)
from radloom.cli.scoring import answer_of
from radloom.errors import member

Real = Annotated[Path, typer.Argument(metavar="REAL", help="A folder that `radloom prepare` made, with train and val.")]
Synthetic = Annotated[
    Path, typer.Argument(metavar="SYNTHETIC", help="What `radloom complete REAL --split train --replace` made of it.")
]
HeldOut = Annotated[str, typer.Option("--split", help="Real images that are held out; train is learned from.")]
Views = Annotated[str, typer.Option(metavar="NAME,...", help="frontal, lateral or both.")]


@command("utility")
def utility_command(
    real: Real,
    synthetic: Synthetic,
    out: ScoresFolder,
    split: HeldOut = "val",
    scenarios: Annotated[
        str, typer.Option(metavar="NAME,...", help="Of anonymisation, scarcity and imbalance.")
    ] = "anonymisation,scarcity,imbalance",
    views: Views = "frontal",
    few: Annotated[float, typer.Option(help="Share of the real patients that scarcity leaves.")] = 0.1,
    rare: Annotated[float, typer.Option(help="Share of images that imbalance makes up rare observations to.")] = 0.1,
    steps: Annotated[int, typer.Option(min=1, help="Steps of every training.")] = 400,
    batch: Annotated[int, typer.Option(min=1, help="Images a step.")] = 16,
    rate: Annotated[float, typer.Option(help="Learning rate at its peak.")] = 6e-4,
    size: Annotated[int, typer.Option(min=32, help="Side in pixels of what the classifiers see.")] = 224,
    seed: Annotated[int, typer.Option(min=0, help="Of every training, and of the choice of the few.")] = 0,
    images: ImagesFolder = None,
    as_json: Json = False,
) -> Answer:
    """Train classifiers with and without synthetic images. Goes on where it was after a kill."""
    check_output(out / "scores.json")
    studies, drawn = read_manifest(real, None, images), read_manifest(synthetic, None, None)
    from radloom.classifier.model import ClassifierConfig
    from radloom.evaluation.utility import LOOP, UtilityConfig, score_utility
    from radloom.study import View

    loop = replace(LOOP, steps=steps, warmup=steps // 10, batch_size=batch, learning_rate=rate, seed=seed)
    seen = tuple(member(View, name) for name in names_of(views))
    config = UtilityConfig(seen, few, rare, ClassifierConfig(size), loop)
    board = score_utility(studies, drawn, out, split=split, scenarios=names_of(scenarios), config=config)
    return answer_of(board, out)


@command("privacy")
def privacy_command(
    real: Real,
    synthetic: Synthetic,
    out: ScoresFolder,
    split: HeldOut = "val",
    views: Views = "frontal",
    judge: Judge = "nano",
    images: ImagesFolder = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Find the nearest training image of every synthetic one: distances, beside held-out images, and closest pairs."""
    check_output(out / "scores.json")
    studies, drawn = read_manifest(real, None, images), read_manifest(synthetic, None, None)
    from radloom.evaluation.bench import Vision
    from radloom.evaluation.privacy import score_privacy
    from radloom.study import View

    seen = [member(View, name) for name in names_of(views)]
    vision = Vision.load(judge or "nano", device)
    return answer_of(score_privacy(studies, drawn, out, vision, split=split, views=seen, progress=Counter), out)
