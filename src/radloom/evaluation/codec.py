"""What the codec keeps of an X-ray: pixels, structure, and the verdicts of the clinical classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radloom.classifier.model import ClinicalClassifier
from radloom.codec.network import Codec
from radloom.corpora.images import XrayImages
from radloom.evaluation.bench import SEED, Bench, known_labels, spread
from radloom.evaluation.exhibits import picture
from radloom.evaluation.table import CONSTANT, JUDGE, NEIGHBOUR, RANDOM, REAL, Tally
from radloom.imaging import Transform, sheet
from radloom.scores.baselines import nearest_neighbour
from radloom.scores.classification import auroc, score_auroc
from radloom.scores.images import psnr, ssim
from radloom.scores.names import score_name
from radloom.scores.statistics import mean
from radloom.study import OBSERVATIONS

TASK = "codec"

COLUMNS = 8
"""Originals in a row of the sheet."""

AVERAGED = 200
"""Training images whose mean is the constant reconstruction."""


@dataclass(frozen=True)
class Verdict:
    """How the classifier's verdict on one observation survives the codec.

    Attributes:
        difference: mean absolute difference of its probability between original and reconstruction.
        agreement: share of images whose probability stays on the same side of 0.5.
        auroc, auroc_reconstructed: of the labels, on originals and on reconstructions; None where undefined.
    """

    difference: float
    agreement: float
    auroc: float | None
    auroc_reconstructed: float | None


@dataclass(frozen=True)
class CodecScores:
    """Scores of a codec over some X-rays.

    Attributes:
        images: how many.
        psnr: mean, in dB, for a peak of 1; bars that the transform adds count as pixels.
        ssim: mean.
        codebook_usage: share of the codebook that occurs.
        verdicts: by observation.
    """

    images: int
    psnr: float
    ssim: float
    codebook_usage: float
    verdicts: dict[str, Verdict]

    def scores(self) -> dict[str, float | None]:
        """All scores by their full names; those of the verdicts are means over observations."""
        verdicts = list(self.verdicts.values())
        pairs = [(v.auroc, v.auroc_reconstructed) for v in verdicts if v.auroc is not None]
        scores: dict[str, float | None] = {
            "psnr": self.psnr,
            "ssim": self.ssim,
            "codebook_usage": self.codebook_usage,
            score_name("verdict_difference", JUDGE): float(np.mean([v.difference for v in verdicts])),
            score_name("verdict_agreement", JUDGE): float(np.mean([v.agreement for v in verdicts])),
        }
        for side, column in zip(("originals", "reconstructions"), zip(*pairs, strict=True), strict=False):
            scores[score_name("auroc_macro", f"{len(pairs)} observations", JUDGE, side)] = float(np.mean(column))
        return scores


@dataclass(frozen=True)
class Reconstructions:
    """What a codec did to each of n X-rays.

    Attributes:
        psnr, ssim: (n,).
        before, after: the classifier's probabilities of original and reconstruction, (n, 15).
        used: (n, codes), whether each code of the book occurs in an image.
    """

    psnr: np.ndarray
    ssim: np.ndarray
    before: np.ndarray
    after: np.ndarray
    used: np.ndarray

    @property
    def finite_psnr(self) -> np.ndarray:
        """PSNR with that of equal images, which is infinite, at 100 dB, so that it has a mean and an interval."""
        return np.minimum(self.psnr, 100.0)


@torch.no_grad()
def reconstruct(
    codec: Codec,
    classifier: ClinicalClassifier,
    images: Sequence[Tensor],
    *,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstructions:
    """Send X-rays through a codec and compare.

    Args:
        codec: in eval mode.
        classifier: in eval mode; it judges both sides.
        images: pixels (1, R, R) in [-1, 1], at least one.
        batch_size: images at a time.
        progress: told of images done and in all.
    """
    device = next(codec.parameters()).device
    parts = []
    for start in range(0, len(images), batch_size):
        stop = min(start + batch_size, len(images))
        pixels = torch.stack([images[i] for i in range(start, stop)]).to(device)
        codes = codec.encode(pixels)
        decoded = codec.decode(codes)
        used = torch.zeros(len(pixels), codec.config.codes, dtype=torch.bool)
        used.scatter_(1, codes.flatten(1).cpu(), True)
        sides = (pixels + 1) / 2, (decoded + 1) / 2
        verdicts = (classifier.probabilities(x).cpu().numpy() for x in (pixels, decoded))
        parts.append((psnr(*sides), ssim(*sides), *verdicts, used.numpy()))
        if progress:
            progress(stop, len(images))
    return Reconstructions(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def score_codec(
    codec: Codec,
    classifier: ClinicalClassifier,
    images: Sequence[Tensor],
    labels: np.ndarray | None = None,
    *,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> CodecScores:
    """Send X-rays through a codec and sum up what became of them.

    Args:
        codec, classifier, images, batch_size, progress: as of `reconstruct`.
        labels: (n, 14) 0, 1 or NaN for not known, as `image_labels` gives them.
    """
    made = reconstruct(codec, classifier, images, batch_size=batch_size, progress=progress)
    verdicts = _verdicts(made.before, made.after, labels)
    usage = float(made.used.any(0).mean())
    return CodecScores(len(images), float(made.psnr.mean()), float(made.ssim.mean()), usage, verdicts)


def score_reconstructions(bench: Bench, codec: Codec, progress: Callable[[int, int], None] | None = None) -> None:
    """Score the codec over all images of the split, and show some beside their reconstructions.

    Args:
        bench: gathers scores and pictures.
        codec: in eval mode.
        progress: told of images done and in all.
    """
    images = XrayImages([bench.split], bench.vision.transform)
    made = reconstruct(codec, bench.vision.classifier, images, progress=progress)
    labels = image_labels(images)
    studies = [row.uid for _, row, _ in images.entries]
    draw, tally = bench.bootstrap(studies), Tally(TASK, bench.name, studies)
    before, after = (side[:, : len(OBSERVATIONS)] for side in (made.before, made.after))
    for system, other in {bench.name: made, **_baselines(bench, images, made.before)}.items():
        agree = ((made.before > 0.5) == (other.after > 0.5))[:, : len(OBSERVATIONS)].mean(1)
        tally.add(system, {"psnr": draw(mean(other.finite_psnr)), "ssim": draw(mean(other.ssim))})
        tally.add(system, {score_name("verdict_agreement", JUDGE): draw(mean(agree))})
    tally.count(bench.name, "codebook_usage", float(made.used.any(0).mean()))
    for system, chances in ((REAL, before), (bench.name, after)):
        tally.add(system, dict(score_auroc(labels, chances, OBSERVATIONS, "reconstructions", JUDGE, bootstrap=draw)))
    bench.scores += tally.scores
    shown = [images[i] for i in spread(range(len(images)), 2 * COLUMNS)]
    caption = "Originals in the odd rows, below each what the codec makes of it, with its PSNR."
    bench.exhibits.append(picture(TASK, "Reconstructions", caption, [comparison(codec, shown)], 1))


def _baselines(bench: Bench, images: XrayImages, before: np.ndarray) -> dict[str, Reconstructions]:
    """In place of each reconstruction the mean of some training images, a random one, and the nearest one."""
    stored = [ref for row in bench.train for ref in row.images]
    if not stored:
        return {}
    vision, n = bench.vision, len(images)
    average = vision.pixels(bench.train, spread(stored, AVERAGED)).mean(0)
    picked = np.random.default_rng(SEED).integers(0, len(stored), n)
    ours = vision.features(bench.split, [ref for _, _, ref in images.entries])
    near = nearest_neighbour(vision.features(bench.train, stored), stored, ours)
    others: dict[str, Callable[[int], Tensor]] = {
        CONSTANT: lambda i: average,
        RANDOM: lambda i: vision.pixels(bench.train, [stored[picked[i]]])[0],
        NEIGHBOUR: lambda i: vision.pixels(bench.train, [near[i]])[0],
    }
    found: dict[str, list[tuple[np.ndarray, ...]]] = {system: [] for system in others}
    for start in range(0, n, 16):
        part = range(start, min(start + 16, n))
        pixels = torch.stack([images[i] for i in part])
        for system, load in others.items():
            side = torch.stack([load(i) for i in part])
            sides = (pixels + 1) / 2, (side + 1) / 2
            found[system].append((psnr(*sides), ssim(*sides), vision.chances(vision.features_of(side))))
    made = {}
    for system, parts in found.items():
        peaks, likeness, after = (np.concatenate(part) for part in zip(*parts, strict=True))
        made[system] = Reconstructions(peaks, likeness, before, after, np.zeros((n, 0), bool))
    return made


def image_labels(images: XrayImages) -> np.ndarray:
    """(n, 14) labels of the images of manifests: 0, 1, or NaN where a report is uncertain or there is none."""
    return np.stack([known_labels(row, ref.view) for _, row, ref in images.entries])


@torch.no_grad()
def comparison(codec: Codec, images: Sequence[Tensor]) -> np.ndarray:
    """A sheet (H, W) in [0, 1]: rows of originals, below each the row of their reconstructions."""
    pixels = torch.stack(list(images)).to(next(codec.parameters()).device)
    decoded = codec.decode(codec.encode(pixels))
    peaks = [f"{value:.1f} dB" for value in psnr((pixels + 1) / 2, (decoded + 1) / 2)]
    cells: list[tuple[np.ndarray, str]] = []
    for start in range(0, len(pixels), COLUMNS):
        row = slice(start, start + COLUMNS)
        cells += [(Transform.to_image(p), "original") for p in pixels[row]]
        if start:  # a last row that is not full: its reconstructions begin below its first original
            cells += [(np.zeros((1, 1), np.float32), "")] * (COLUMNS - len(pixels[row]))
        cells += [(Transform.to_image(p), label) for p, label in zip(decoded[row], peaks[row], strict=True)]
    return sheet([cell for cell, _ in cells], min(COLUMNS, len(pixels)), [label for _, label in cells])


def _verdicts(before: np.ndarray, after: np.ndarray, labels: np.ndarray | None) -> dict[str, Verdict]:
    verdicts = {}
    for k, name in enumerate(OBSERVATIONS):
        a, b = before[:, k], after[:, k]
        known = np.zeros(len(a), bool) if labels is None else ~np.isnan(labels[:, k])
        truth = np.zeros(0) if labels is None else labels[known, k]
        verdicts[name] = Verdict(
            difference=float(np.abs(a - b).mean()),
            agreement=float(((a > 0.5) == (b > 0.5)).mean()),
            auroc=auroc(truth, a[known]),
            auroc_reconstructed=auroc(truth, b[known]),
        )
    return verdicts
