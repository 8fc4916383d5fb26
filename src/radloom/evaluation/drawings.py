"""Scores of drawn X-rays: as a set beside the real ones, by what they show, and how much samples differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import RadloomError
from radloom.evaluation.bench import SEED, Bench, Vision, another, known_labels, spread
from radloom.evaluation.exhibits import dots, picture
from radloom.evaluation.labels import constant_labels
from radloom.evaluation.table import (
    CONSTANT,
    CONSTANT_LABELS,
    GAP,
    JUDGE,
    NEIGHBOUR,
    RANDOM,
    REAL,
    SHUFFLED,
    Results,
    Tally,
)
from radloom.imaging import Transform, read_image
from radloom.reports.labeller import NAME as LABELLER
from radloom.reports.report_text import report_to_text
from radloom.scores.adapters import IMAGES, BioVilT, ImageAdapter, UnavailableError, XRayVision
from radloom.scores.baselines import most_similar_texts
from radloom.scores.classification import best_thresholds, score_auroc, score_f1
from radloom.scores.distributions import SetScores, recentred
from radloom.scores.images import diversity
from radloom.scores.names import CERTAIN, score_name
from radloom.scores.statistics import Bootstrap, Interval, mean
from radloom.study import OBSERVATIONS, View

TASK = "image"

FRECHET_SAMPLES = 200
"""Draws for the Frechet distance, which takes a decomposition each."""

NEAREST = 5
"""The neighbour that balls of precision, recall, density and coverage reach to."""

RETRIEVED = (1, 10)
"""How many reports an image may be matched with."""

GREY = 0.01
"""Standard deviation of the pixels below which a picture shows nothing."""


def drawable(manifest: Manifest, view: View) -> list[Row]:
    """The studies that drawings are scored on: those with a report and a real image of that view."""
    return [row for row in manifest if row.report and row.image(view)]


def score_drawings(
    bench: Bench,
    drawn: Mapping[str, Path],
    view: View = View.FRONTAL,
    samples: Sequence[Sequence[Path]] = (),
    adapters: Sequence[type[ImageAdapter]] = IMAGES,
) -> None:
    """Score drawings beside the real images of the same studies.

    Args:
        bench: gathers scores, pictures and warnings.
        drawn: uid -> file, for every study of `drawable`.
        view: what was asked for.
        samples: several drawings of one report each, for diversity.
        adapters: networks of other packages to use where they are there.

    Raises:
        RadloomError: no study to draw, one without a drawing, or drawings that all show nothing.
        ImageError: a drawing that cannot be read.
    """
    rows = drawable(bench.split, view)
    if not rows:
        raise RadloomError(f"{bench.split.corpus} has no study with a report and a {view} view; name another split.")
    bench.check_complete([row.uid for row in rows], drawn)
    sets = _Sets(bench, rows, view, [drawn[row.uid] for row in rows])
    _check_pixels(bench, sets)
    tally = Tally(TASK, bench.name, [row.uid for row in rows])
    sides = _score_prompts(bench, tally, sets)
    _compare_sets(tally, sets, JUDGE, sides)
    for kind in adapters:
        _score_adapter(bench, tally, sets, kind)
    tally.gaps()
    bench.scores += tally.scores
    _check_reading(bench, tally, view)
    if samples:
        _score_samples(bench, sets, samples)
    pairs = spread(range(len(rows)), 8)
    cells = [Transform.to_image(side.load(i)) for side in (sets.real, sets.drawn) for i in pairs]
    caption = "Above, real images; below each, what was drawn from its report."
    bench.exhibits.append(picture(TASK, f"Real and drawn, {view}", caption, cells, len(pairs)))


@dataclass(frozen=True)
class _Pictures:
    """n images as model pixels (1, R, R), each read when it is asked for.

    Attributes:
        n: how many.
        load: place -> pixels.
    """

    n: int
    load: Callable[[int], Tensor]

    @classmethod
    def of(cls, vision: Vision, manifest: Manifest, refs: Sequence[ImageRef]) -> _Pictures:
        return cls(len(refs), lambda i: vision.pixels(manifest, [refs[i]])[0])

    def batches(self, size: int = 32) -> Iterator[Tensor]:
        """(b, 1, R, R) in [0, 1]."""
        for start in range(0, self.n, size):
            yield (torch.stack([self.load(i) for i in range(start, min(start + size, self.n))]) + 1) / 2

    def through(self, network: Callable[[Tensor], np.ndarray]) -> np.ndarray:
        """What a network gives of each, (n, ...)."""
        return np.concatenate([network(batch) for batch in self.batches()])


class _Sets:
    """Drawn and real images of the same studies, and the baselines'."""

    def __init__(self, bench: Bench, rows: Sequence[Row], view: View, files: Sequence[Path]) -> None:
        self.bench, self.rows, self.view = bench, rows, view
        self.drawn = _Pictures(len(files), lambda i: bench.vision.transform(read_image(files[i])))
        self.real = _Pictures.of(bench.vision, bench.split, [_image(row, view) for row in rows])
        self.stored = [row for row in bench.train if row.report and row.image(view)]
        self.stored_refs = [_image(row, view) for row in self.stored]

    @cached_property
    def baselines(self) -> dict[str, list[ImageRef]]:
        """For each study a training image: a random one, and that of the most similar report."""
        if not self.stored:
            return {}
        order = np.random.default_rng(SEED).permutation(len(self.stored))
        others = [self.stored_refs[i] for i in np.resize(order, len(self.rows))]  # all different if there are as many
        told, wanted = ([report_to_text(row.report) for row in rows] for rows in (self.stored, self.rows))
        near = [self.stored_refs[i] for i in most_similar_texts(told, wanted)]
        return {RANDOM: others, NEIGHBOUR: near}

    def sides(self) -> dict[str, _Pictures]:
        """Every system's images."""
        vision, train = self.bench.vision, self.bench.train
        baselines = {system: _Pictures.of(vision, train, refs) for system, refs in self.baselines.items()}
        return {self.bench.name: self.drawn, REAL: self.real, **baselines}


# -- what drawings show ----------------------------------------------------------------------------------------------


def _score_prompts(bench: Bench, tally: Tally, sets: _Sets) -> dict[str, np.ndarray]:
    """What the classifier sees of what each report asks for; the report that fits each image; the view.

    Returns:
        The classifier's features of every system's images.
    """
    vision, rows, view = bench.vision, sets.rows, sets.view
    draw = bench.bootstrap(tally.studies)
    truth = np.stack([known_labels(row, view) for row in rows])
    features = {
        system: pictures.through(lambda batch: vision.features_of(batch * 2 - 1))
        for system, pictures in sets.sides().items()
    }
    chances = {system: vision.chances(found) for system, found in features.items()}
    view_right = (chances[bench.name][:, -1] > 0.5) == (view is View.LATERAL)
    chances = {system: found[:, : len(OBSERVATIONS)] for system, found in chances.items()}
    if (order := another([row.patient for row in rows])) is not None:
        chances[SHUFFLED] = chances[bench.name][order]
    made_by = ("prompted", view, JUDGE, LABELLER)
    shown: dict[str, dict[str, Interval]] = {name: {} for name in OBSERVATIONS}
    for system, found in chances.items():
        areas = score_auroc(truth, found, OBSERVATIONS, *made_by, bootstrap=draw)
        tally.add(system, dict(areas))
        tally.add(system, _retrieval(likelihoods(found, truth), view, JUDGE, draw))
        for name in OBSERVATIONS if system in (bench.name, REAL) else ():
            if area := areas[score_name("auroc", name, *made_by)]:
                shown[name][system] = area
    tally.add(bench.name, {score_name("accuracy", "view drawn", view, JUDGE): draw(mean(view_right))})
    if sets.stored:
        seen = vision.chances(vision.features(bench.train, sets.stored_refs))[:, : len(OBSERVATIONS)]
        known = np.stack([known_labels(row, view) for row in sets.stored])
        thresholds = best_thresholds(known, seen)
        said = {system: found >= thresholds for system, found in chances.items()}
        said[CONSTANT_LABELS] = np.repeat(constant_labels(known == 1)[None], len(rows), axis=0)
        for system, labels in said.items():
            table = score_f1(truth == 1, labels, OBSERVATIONS, *made_by, CERTAIN, bootstrap=draw)
            tally.add(system, {name: score for name, score in table.items() if "observations" in name})
    caption = "How well the classifier tells drawings whose report states it; beside, real images of the same studies."
    bench.exhibits.append(dots(TASK, f"AUROC of prompted observations, {view}", caption, shown, 0.5))
    return features


def likelihoods(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log-likelihood of the labels of each of n reports under the probabilities of each of n images: (n, n).

    Args:
        chances: probabilities of the observations in each image, (n, o).
        labels: of each report, (n, o): 1 present; all else, uncertain (NaN) too, counts as absent. To leave it out
            would make a report with uncertain mentions fit every image better.
    """
    p = np.clip(chances.astype(np.float64), 1e-4, 1 - 1e-4)
    there = (labels == 1).astype(np.float64)
    return np.asarray(np.log(p) @ there.T + np.log1p(-p) @ (1 - there).T)


def retrieved(likely: np.ndarray, k: int) -> np.ndarray:
    """Whether each image's own report is among the `k` that fit it best: (n,).

    Of reports that fit equally well, for instance with the same labels, the chance that the own one comes first counts.

    Args:
        likely: how well report j fits image i, (n, n); the own report is j = i.
        k: how many reports may be named.
    """
    likely = np.round(likely, 9)
    own = np.diagonal(likely)[:, None]
    before, equal = (likely > own).sum(1), (likely == own).sum(1)
    return np.clip((k - before) / equal, 0, 1)


def _retrieval(likely: np.ndarray, view: View, network: str, draw: Bootstrap) -> Results:
    n = len(likely)
    return {
        score_name(f"retrieval_at_{k}", f"of {n} reports", view, network): draw(mean(retrieved(likely, k)))
        for k in RETRIEVED
        if n > k
    }


# -- drawings as a set -----------------------------------------------------------------------------------------------


def _compare_sets(tally: Tally, sets: _Sets, network: str, features: Mapping[str, np.ndarray]) -> None:
    """Every system's images against the real ones, in one network's features.

    In the column `real` stand random training images: real against real. Where train has too few for that they stand
    in the column `random`, and there is no floor.
    """
    real = features[REAL]
    systems = {tally.model: features[tally.model]}
    if RANDOM in features:
        enough = len(sets.stored) >= len(sets.rows)  # else some are there twice, and the floor would be too high
        systems |= {NEIGHBOUR: features[NEIGHBOUR], REAL if enough else RANDOM: features[RANDOM]}
        systems[CONSTANT] = np.repeat(features[NEIGHBOUR][:1], len(real), axis=0)
    for system, found in systems.items():
        tally.add(system, _set_scores(real, found, sets, network))


def _set_scores(real: np.ndarray, found: np.ndarray, sets: _Sets, network: str) -> Results:
    studies = [row.uid for row in sets.rows]
    names = {measure: score_name(measure, sets.view, network) for measure in ("frechet", "kernel")}
    for measure in ("precision", "recall", "density", "coverage"):
        names[measure] = score_name(measure, sets.view, network, f"k={NEAREST}")
    if len(real) <= NEAREST:
        why = f"unavailable: {len(real)} images are too few for distances between sets; score {NEAREST + 1} or more"
        return dict.fromkeys(names.values(), why)
    scores, draw = SetScores(real, found, NEAREST), sets.bench.bootstrap(studies)
    few = sets.bench.bootstrap(studies, FRECHET_SAMPLES)(scores.frechet)
    others = {name: draw(getattr(scores, measure)) for measure, name in names.items() if measure != "frechet"}
    return {names["frechet"]: recentred(few.value, few.draws), **others}


def _score_adapter(bench: Bench, tally: Tally, sets: _Sets, kind: type[ImageAdapter]) -> None:
    """Distances in another network's features, and what it sees of the prompts where it can say."""
    name = score_name("frechet", sets.view, kind.name)
    try:
        network = kind.load()
        features = {s: pictures.through(network.features) for s, pictures in sets.sides().items()}
        _compare_sets(tally, sets, network.name, features)
        name = score_name("prompted", sets.view, kind.name)
        if isinstance(network, XRayVision):
            _score_verdicts(bench, tally, sets, network)
        if isinstance(network, BioVilT):
            _score_similarity(bench, tally, sets, network)
    except UnavailableError as error:
        tally.add(bench.name, {name: f"unavailable: {error}"})
    except RadloomError as error:
        tally.add(bench.name, {name: f"error: {error}"})


def _score_verdicts(bench: Bench, tally: Tally, sets: _Sets, network: XRayVision) -> None:
    """AUROC of prompted observations by a classifier that radloom had no part in."""
    places = [OBSERVATIONS.index(name) for name in network.observations]
    truth = np.stack([known_labels(row, sets.view) for row in sets.rows])[:, places]
    chances = {system: pictures.through(network.probabilities) for system, pictures in sets.sides().items()}
    if (order := another([row.patient for row in sets.rows])) is not None:
        chances[SHUFFLED] = chances[bench.name][order]
    for system, found in chances.items():
        made_by = ("prompted", sets.view, network.name, LABELLER)
        draw = bench.bootstrap(tally.studies)
        tally.add(system, dict(score_auroc(truth, found, network.observations, *made_by, bootstrap=draw)))


def _score_similarity(bench: Bench, tally: Tally, sets: _Sets, network: BioVilT) -> None:
    """The report that fits each image best, by a model of images and texts."""
    texts = [report_to_text(row.report) for row in sets.rows]
    likely = {s: pictures.through(lambda x: network.similarity(x, texts)) for s, pictures in sets.sides().items()}
    if (order := another([row.patient for row in sets.rows])) is not None:
        likely[SHUFFLED] = likely[bench.name][order]
    for system, found in likely.items():
        tally.add(system, _retrieval(found, sets.view, network.name, bench.bootstrap(tally.studies)))


# -- samples of one report -------------------------------------------------------------------------------------------


def _score_samples(bench: Bench, sets: _Sets, samples: Sequence[Sequence[Path]]) -> None:
    """Mean MS-SSIM between drawings of one report, beside that between real images of different studies."""
    transform, view = bench.vision.transform, sets.view
    several = [torch.stack([transform(read_image(file)) for file in files]) for files in samples]
    count = len(several[0])
    name = score_name("ms_ssim", f"{count} samples of one report", view)
    order = np.random.default_rng(SEED).permutation(sets.real.n)
    groups = [order[i : i + count] for i in range(0, len(order) - count + 1, count)][: len(several)]
    real = [torch.stack([sets.real.load(int(i)) for i in group]) for group in groups]
    for system, stacks in ((bench.name, several), (REAL, real)):
        tally = Tally(TASK, bench.name, [str(i) for i in range(len(stacks))])
        try:
            alike = [diversity(((stack + 1) / 2).numpy()) for stack in stacks]
            result: Interval | str = bench.bootstrap(tally.studies)(mean(alike)) if alike else "unavailable: too few"
        except RadloomError as error:
            result = f"unavailable: {error}"
        tally.add(system, {name: result})
        bench.scores += tally.scores
    cells = [Transform.to_image(pixels) for group in several for pixels in group]
    caption = "Each row: drawings of one report, with different seeds."
    bench.exhibits.append(picture(TASK, f"Samples of one report, {view}", caption, cells, count))


# -- faults ----------------------------------------------------------------------------------------------------------


def _check_pixels(bench: Bench, sets: _Sets) -> None:
    """Warn of drawings that show nothing, lie on another range than the real images, or have bones dark.

    Raises:
        RadloomError: all of them show nothing.
    """
    (drawn, spread_drawn, grey), (real, spread_real, _) = (_average(side) for side in (sets.drawn, sets.real))
    if grey == sets.drawn.n:
        raise RadloomError(
            "The drawings show nothing: each is of one grey. Were they saved on another range? Scale pixels to the "
            "files' whole range and write them again."
        )
    if grey:
        bench.warnings.append(f"{grey} of {sets.drawn.n} {sets.view} drawings are of one grey.")
    means = f"mean {drawn.mean():.2f}, not {real.mean():.2f}; spread {spread_drawn:.2f}, not {spread_real:.2f}"
    if abs(drawn.mean() - real.mean()) > 0.25 or not 0.6 < spread_drawn / spread_real < 1.6:
        bench.warnings.append(f"The drawings lie on another range of grey than real images ({means}): look at them.")
    if np.corrcoef(drawn.ravel(), real.ravel())[0, 1] < -0.2:
        bench.warnings.append("The drawings look inverted: on average they are dark where real images are bright.")


def _average(pictures: _Pictures) -> tuple[np.ndarray, float, int]:
    """The mean image, the mean standard deviation of an image's pixels in [0, 1], and how many are of one grey."""
    total, spreads = np.zeros(1), []
    for batch in pictures.batches():
        total = total + batch.double().sum(0).numpy()
        spreads += batch.flatten(1).std(1).tolist()
    return total / pictures.n, float(np.mean(spreads)), sum(value < GREY for value in spreads)


def _check_reading(bench: Bench, tally: Tally, view: View) -> None:
    """Warn of drawings that would be as good for other reports."""
    name = score_name("auroc_micro", f"{len(OBSERVATIONS)} observations", "prompted", view, JUDGE, LABELLER)
    gap = tally.find(name, GAP)
    if gap and gap.low <= 0:
        bench.warnings.append(
            f"The {view} drawings do not show that the model follows the report: drawn from another patient's, {name} "
            f"is not shown to be worse (gap {gap})."
        )


def _image(row: Row, view: View) -> ImageRef:
    ref = row.image(view)
    assert ref is not None
    return ref
