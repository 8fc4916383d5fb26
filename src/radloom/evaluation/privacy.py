"""Does a synthetic corpus repeat its training images? The nearest training image of each, and how near it is.

What is near is told by held-out real images, which are of other patients: a generator that repeats nothing draws images
that lie about as far from training as these do. Distances are 1 - cosine, once of the classifier's pooled features and
once of `SIDE` x `SIDE` pixels less their mean, which is 1 - normalised cross-correlation. Memorised training images of
diffusion models: Carlini et al. 2023, arXiv 2301.13188; of chest X-rays: Dar et al. 2024, arXiv 2402.01054.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import Manifest
from radloom.evaluation.bench import Bench, Vision
from radloom.evaluation.exhibits import Exhibit, cumulative, picture
from radloom.evaluation.run import ProgressOf, publish, refuse_other_board
from radloom.evaluation.synthetic import Corpora, ImageSets, patients
from radloom.evaluation.table import FEW, JUDGE, REAL, Board, Tally
from radloom.imaging import Transform
from radloom.scores.classification import weighted_area
from radloom.scores.names import score_name
from radloom.scores.neighbours import Nearest, nearest, share_within
from radloom.scores.statistics import Statistic, mean
from radloom.study import View

TASK = "privacy"

NAME = "synthetic"
"""The column of the synthetic corpus."""

SIDE = 64
"""Of the images whose pixels are compared."""

PERCENTILES = (1, 5)
"""Of the distances of held-out images: what counts as near."""

PAIRS = 8
"""Closest pairs of the picture."""

MEASURES = {"features": JUDGE, "pixels": f"ncc {SIDE}x{SIDE}"}
"""What is compared, and by what."""


def score_privacy(
    real: Manifest,
    synthetic: Manifest,
    out: Path,
    vision: Vision,
    *,
    split: str = "val",
    views: Sequence[View] = (View.FRONTAL,),
    progress: ProgressOf | None = None,
) -> Board:
    """Compare synthetic images with the training images, view by view, and write the board and pictures to `out`.

    Args:
        real: with the splits `train` and `split`.
        synthetic: what `complete --replace` wrote of its split `train`.
        out: folder of the results.
        vision: whose features are compared.
        split: real images that the generator has not seen.
        views: that are compared, each with its like.
        progress: name of a set -> what is told of images done and in all.

    Raises:
        RadloomError: see `Corpora`, or scores of something else in `out`.
    """
    corpora = Corpora.of(real, synthetic, split)
    made_by = {"synthetic": corpora.made.fingerprint()}
    refuse_other_board(out, made_by | {"split": split, "manifest": corpora.held_out.fingerprint()})
    bench = Bench(NAME, corpora.held_out, corpora.train, vision)
    for view in dict.fromkeys(views):
        _score_view(bench, view, corpora.images(vision.transform, [view]), progress)
    for exhibit in bench.exhibits:
        exhibit.write(out)
    return publish(bench, out, made_by, split)


def _score_view(bench: Bench, view: View, sets: ImageSets, progress: ProgressOf | None) -> None:
    if len(sets.made) < FEW:
        bench.warnings.append(f"Only {len(sets.made)} synthetic {view} images: intervals over so few mean little.")
    names = (f"{name} {view}" for name in ("train", "held-out", "synthetic"))
    rows = [
        _rows(bench.vision, images, progress(name) if progress else None)
        for name, images in zip(names, sets, strict=True)
    ]
    closest = {}
    for what, maker in MEASURES.items():
        learned, theirs, ours = (row[what] for row in rows)
        found, reference = nearest(learned, ours), nearest(learned, theirs)
        closest[what] = found
        _add_scores(bench, sets, found, reference, (view, what, maker))
        title = f"Distance to the nearest training image, {view}, {what}"
        caption = f"1 - cosine, {maker}. A curve that rises further left is nearer to the training images."
        curves = {NAME: found.distances, "real, held out": reference.distances}
        bench.exhibits.append(cumulative(TASK, title, caption, curves, "distance"))
    bench.exhibits.append(_pairs(view, sets, closest))


def _rows(
    vision: Vision, images: XrayImages, progress: Callable[[int, int], None] | None, batch_size: int = 32
) -> dict[str, np.ndarray]:
    """By what is compared, a row an image."""
    features, pixels = [], []
    for start in range(0, len(images), batch_size):
        stop = min(start + batch_size, len(images))
        batch = torch.stack([images[i] for i in range(start, stop)])
        features.append(vision.features_of(batch))
        pixels.append(thumbnails(batch))
        if progress:
            progress(stop, len(images))
    return {"features": np.concatenate(features), "pixels": np.concatenate(pixels)}


def thumbnails(pixels: Tensor, side: int = SIDE) -> np.ndarray:
    """Small images as rows whose cosine is their normalised cross-correlation.

    Args:
        pixels: (b, 1, R, R).
        side: that they are brought to, by averaging.

    Returns:
        (b, side * side) float32, each row's mean 0.
    """
    rows = F.adaptive_avg_pool2d(pixels, side).flatten(1)
    return (rows - rows.mean(1, keepdim=True)).numpy()


def _add_scores(bench: Bench, sets: ImageSets, found: Nearest, reference: Nearest, made_by: tuple[str, ...]) -> None:
    """Of synthetic and held-out images together, so that the intervals hold the chance of both."""
    train, held_out, made = map(patients, sets)
    tally = Tally(TASK, NAME, [*made, *held_out])
    draw = bench.bootstrap_of(tally.studies)
    ours, theirs = np.full(len(made), np.nan), np.full(len(held_out), np.nan)
    own = [train[place] == patient for place, patient in zip(found.places, made, strict=True)]
    synthetic = np.repeat([1.0, 0.0], [len(made), len(held_out)])
    distances = np.concatenate([found.distances, reference.distances])
    statistics: dict[str, Statistic] = {
        score_name("distance", *made_by): mean([*found.distances, *theirs]),
        score_name("nearer", *made_by): weighted_area(synthetic, -distances),
        **{
            score_name("near_copies", f"{percentile} %", *made_by): share_within(
                found.distances, reference.distances, percentile
            )
            for percentile in PERCENTILES
        },
        score_name("own_nearest", *made_by): mean([*own, *theirs]),
    }
    tally.add(NAME, {name: draw(statistic) for name, statistic in statistics.items()})
    tally.add(REAL, {score_name("distance", *made_by): draw(mean([*ours, *reference.distances]))})
    bench.scores += tally.scores


def _pairs(view: View, sets: ImageSets, closest: dict[str, Nearest]) -> Exhibit:
    """The closest pairs, the closest first: synthetic beside training, by features and by pixels."""
    train, _, made = sets
    cells, labels = [], []
    orders = {what: np.argsort(found.distances, kind="stable")[:PAIRS] for what, found in closest.items()}
    for rank in range(min(PAIRS, len(made))):
        for what, found in closest.items():
            drawn = int(orders[what][rank])
            near = int(found.places[drawn])
            cells += [Transform.to_image(made[drawn]), Transform.to_image(train[near])]
            labels += [
                f"synthetic {made.entries[drawn].row.uid}, {what} {found.distances[drawn]:.3f}",
                f"training {train.entries[near].row.uid}",
            ]
    caption = (
        "The closest first. Left: by features; right: by pixels. In each pair the synthetic image and the nearest "
    )
    return picture(
        TASK, f"Closest pairs, {view}", caption + "training image, with their distance.", cells, 4, labels=labels
    )
