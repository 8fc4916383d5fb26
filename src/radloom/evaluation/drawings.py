"""Scores of drawn X-rays: as a set beside the real ones, by what they show, and how much samples differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from radloom.corpora.manifest import ImageRef, Row
from radloom.errors import RadloomError
from radloom.evaluation.bench import SEED, Bench, Vision, derangement, known_labels, spread
from radloom.evaluation.exhibits import dots, picture
from radloom.evaluation.reports import check_complete
from radloom.evaluation.table import CONSTANT, GAP, NEIGHBOUR, RANDOM, REAL, SHUFFLED, Tally
from radloom.imaging import Transform, read_image
from radloom.language.prompts import format_answer
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.adapters import IMAGES, BioVilT, UnavailableError
from radloom.scores.baselines import most_similar_texts
from radloom.scores.classification import best_thresholds, score_auroc, score_f1
from radloom.scores.distributions import SetScores, recentred
from radloom.scores.images import diversity
from radloom.scores.names import score_name
from radloom.scores.statistics import Bootstrap, Interval, mean
from radloom.study import OBSERVATIONS, View

TASK = "image"

BY = "radloom-classifier"

FRECHET_SAMPLES = 200
"""Draws for the Frechet distance, which takes a decomposition each."""

NEAREST = 5
"""The neighbour that balls of precision, recall, density and coverage reach to."""

RETRIEVED = (1, 10)
"""How many reports an image may be matched with."""


def drawable(bench: Bench, view: View) -> list[Row]:
    """The studies that drawings are scored on: those with a report and a real image of that view."""
    return [row for row in bench.split if row.report and row.image(view)]


def score_drawings(
    bench: Bench,
    drawn: Mapping[str, Path],
    view: View = View.FRONTAL,
    samples: Sequence[Sequence[Path]] = (),
    adapters: bool = True,
) -> None:
    """Score drawings beside the real images of the same studies.

    Args:
        bench: gathers scores, pictures and warnings.
        drawn: uid -> file, for every study of `drawable`.
        view: what was asked for.
        samples: several drawings of one report each, for diversity.
        adapters: whether networks of other packages are used where they are there.

    Raises:
        RadloomError: no study to draw, one without a drawing, or a drawing that shows nothing.
        ImageError: a drawing that cannot be read.
    """
    rows = drawable(bench, view)
    if not rows:
        raise RadloomError(f"{bench.split.corpus} has no study with a report and a {view} view; name another split.")
    check_complete([row.uid for row in rows], drawn, bench)
    pixels = read_drawings([drawn[row.uid] for row in rows], bench.vision.transform)
    sets = _Sets(bench, rows, view, pixels)
    _check_pixels(bench, sets)
    tally = Tally(TASK, bench.name, [row.uid for row in rows])
    _score_sets(bench, tally, sets, view, adapters)
    _score_prompts(bench, tally, sets, view)
    tally.gaps()
    bench.scores += tally.scores
    _check_reading(bench, tally, view)
    if samples:
        _score_samples(bench, sets, samples, view)
    pairs = spread(range(len(rows)), 8)
    cells = [Transform.to_image(side[i]) for side in (sets.real, pixels) for i in pairs]
    caption = "Above, real images; below each, what was drawn from its report."
    bench.exhibits.append(picture(TASK, f"Real and drawn, {view}", caption, cells, len(pairs)))


def read_drawings(files: Sequence[Path], transform: Transform) -> torch.Tensor:
    """Model pixels (n, 1, R, R) of drawn files.

    Raises:
        RadloomError: a picture of one grey.
    """
    images = []
    for file in files:
        image = read_image(file)
        if image.std() < 0.01:
            raise RadloomError(
                f"{file} shows nothing: its pixels lie in [{image.min():.3f}, {image.max():.3f}] of [0, 1]. Was it "
                "saved on another range? Scale pixels to the file's whole range and write it again."
            )
        images.append(transform(image))
    return torch.stack(images)


class _Sets:
    """Drawn and real images of the same studies, and the baselines', as pixels and as features."""

    def __init__(self, bench: Bench, rows: Sequence[Row], view: View, drawn: torch.Tensor) -> None:
        self.bench, self.rows, self.drawn = bench, rows, drawn
        self.refs = [_image(row, view) for row in rows]
        self.real = bench.vision.pixels(bench.split, self.refs)
        self.stored = [row for row in bench.train if row.report and row.image(view)]
        self.stored_refs = [_image(row, view) for row in self.stored]
        others = np.random.default_rng(SEED).permutation(len(self.stored))
        self.others = [self.stored_refs[i] for i in others[: len(rows)]]

    def baselines(self) -> dict[str, list[ImageRef]]:
        """For each study a training image: a random one, and that of the most similar report."""
        if len(self.stored) < len(self.rows):
            return {}
        told, wanted = ([format_answer(row.report) for row in rows] for rows in (self.stored, self.rows))
        near = [self.stored_refs[i] for i in most_similar_texts(told, wanted)]
        return {RANDOM: self.others, NEIGHBOUR: near}


def _score_sets(bench: Bench, tally: Tally, sets: _Sets, view: View, adapters: bool) -> None:
    """Distances between the set of drawings and the set of real images, in each network's features."""
    _compare_sets(tally, sets, view, BY, partial(_own_features, bench.vision))
    for kind in IMAGES if adapters else ():
        name = score_name("frechet", view, kind.name)
        try:
            network = kind.load()
            _compare_sets(tally, sets, view, network.name, network.features)
            if isinstance(network, BioVilT):
                likely = network.similarity((sets.drawn + 1) / 2, [format_answer(row.report) for row in sets.rows])
                tally.add(bench.name, _retrieval(likely, view, network.name, bench.bootstrap(tally.studies)))
        except UnavailableError as error:
            tally.add(bench.name, {name: f"unavailable: {error}"})
        except RadloomError as error:
            tally.add(bench.name, {name: f"error: {error}"})


def _compare_sets(
    tally: Tally, sets: _Sets, view: View, network: str, features: Callable[[torch.Tensor], np.ndarray]
) -> None:
    """Every system's images against the real ones, in one network's features."""
    real = features((sets.real + 1) / 2)
    systems = {tally.model: features((sets.drawn + 1) / 2)}
    if baselines := sets.baselines():
        for name, system in ((RANDOM, REAL), (NEIGHBOUR, NEIGHBOUR)):
            systems[system] = features((sets.bench.vision.pixels(sets.bench.train, baselines[name]) + 1) / 2)
        systems[CONSTANT] = np.repeat(systems[REAL][:1], len(real), axis=0)
    for system, found in systems.items():
        tally.add(system, _set_scores(real, found, view, network))


def _set_scores(real: np.ndarray, found: np.ndarray, view: View, network: str) -> dict[str, Interval | str | None]:
    scores = SetScores(real, found, NEAREST)
    few, many = Bootstrap(len(real), FRECHET_SAMPLES, SEED), Bootstrap(len(real), seed=SEED)
    results: dict[str, Interval | str | None] = {}
    raw = few(scores.frechet)
    results[score_name("frechet", view, network)] = recentred(raw.value, raw.draws)
    results[score_name("kernel", view, network)] = many(scores.kernel)
    for measure in ("precision", "recall", "density", "coverage"):
        name = score_name(measure, view, network, f"k={NEAREST}")
        results[name] = (
            many(getattr(scores, measure)) if len(real) > NEAREST else f"unavailable: needs {NEAREST + 1} images"
        )
    return results


def _score_prompts(bench: Bench, tally: Tally, sets: _Sets, view: View) -> None:
    """What the classifier sees of what each report asks for; the report that fits each image; the view."""
    vision, rows = bench.vision, sets.rows
    draw = bench.bootstrap([row.uid for row in rows])
    truth = np.stack([known_labels(row, view) for row in rows])
    ours = vision.chances(_own_features(vision, (sets.drawn + 1) / 2))
    chances = {bench.name: ours}
    if len(rows) > 1:
        chances[SHUFFLED] = ours[derangement(len(ours))]
    for system, refs in sets.baselines().items():
        chances[system] = vision.chances(vision.features(bench.train, refs))
    chances[REAL] = vision.chances(vision.features(bench.split, sets.refs))
    thresholds = None
    if sets.stored:
        seen = vision.chances(vision.features(bench.train, sets.stored_refs))[:, : len(OBSERVATIONS)]
        thresholds = best_thresholds(np.stack([known_labels(row, view) for row in sets.stored]), seen)
    shown: dict[str, dict[str, Interval]] = {name: {} for name in OBSERVATIONS}
    for system, found in chances.items():
        found = found[:, : len(OBSERVATIONS)]
        made_by = ("prompted", view, BY, LABELLER)
        areas = score_auroc(truth, found, OBSERVATIONS, *made_by, bootstrap=draw)
        tally.add(system, dict(areas))
        if thresholds is not None:
            labels = np.nan_to_num(truth) > 0
            table = score_f1(labels, found >= thresholds, OBSERVATIONS, *made_by, "uncertain=negative", bootstrap=draw)
            tally.add(system, {name: score for name, score in table.items() if "observations" in name})
        tally.add(system, _retrieval(likelihoods(found, truth), view, BY, draw))
        for name in OBSERVATIONS:
            area = areas[score_name("auroc", name, *made_by)]
            if area and system in (bench.name, REAL):
                shown[name][system] = area
    right = (ours[:, -1] > 0.5) == (view is View.LATERAL)
    tally.add(bench.name, {score_name("accuracy", "view drawn", view, BY): draw(mean(right))})
    caption = "How well the classifier tells drawings whose report states it; beside, real images of the same studies."
    bench.exhibits.append(dots(TASK, f"AUROC of prompted observations, {view}", caption, shown, 0.5))


def likelihoods(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log-likelihood of the labels of each of n reports under the probabilities of each of n images: (n, n).

    Args:
        chances: probabilities of the observations in each image, (n, o).
        labels: of each report, 0, 1 or NaN for not known, (n, o).
    """
    p = np.clip(chances.astype(np.float64), 1e-4, 1 - 1e-4)
    there, gone = np.nan_to_num(labels), np.nan_to_num(1 - labels)
    return np.asarray(np.log(p) @ there.T + np.log1p(-p) @ gone.T)


def _retrieval(likely: np.ndarray, view: View, network: str, draw: Bootstrap) -> dict[str, Interval | str | None]:
    n = len(likely)
    return {
        score_name(f"retrieval_at_{k}", f"of {n} reports", view, network): draw(mean(retrieved(likely, k)))
        for k in RETRIEVED
        if n > k
    }


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


def _score_samples(bench: Bench, sets: _Sets, samples: Sequence[Sequence[Path]], view: View) -> None:
    """Mean MS-SSIM between drawings of one report, beside that between real images of different studies."""
    several = [read_drawings(files, bench.vision.transform) for files in samples]
    count = len(several[0])
    name = score_name("ms_ssim", f"{count} samples of one report", view)
    tally = Tally(TASK, bench.name, [str(i) for i in range(len(several))])
    draw = bench.bootstrap(tally.studies)
    try:
        tally.add(bench.name, {name: draw(mean([diversity(((s + 1) / 2).numpy()) for s in several]))})
        real = [
            ((sets.real[i :: max(1, len(sets.real) // count)][:count] + 1) / 2).numpy() for i in range(len(several))
        ]
        tally.add(REAL, {name: draw(mean([diversity(group) for group in real if len(group) > 1]))})
    except RadloomError as error:
        tally.add(bench.name, {name: f"unavailable: {error}"})
    bench.scores += tally.scores
    cells = [Transform.to_image(pixels) for group in several for pixels in group]
    caption = "Each row: drawings of one report, with different seeds."
    bench.exhibits.append(picture(TASK, f"Samples of one report, {view}", caption, cells, count))


# -- faults ----------------------------------------------------------------------------------------------------------


def _check_pixels(bench: Bench, sets: _Sets) -> None:
    """Warn of drawings on another range than the real images, or with bones dark."""
    drawn, real = sets.drawn.mean(0)[0], sets.real.mean(0)[0]
    if abs(float(drawn.mean() - real.mean())) > 0.5:
        bench.warnings.append(
            f"The drawings are much {'brighter' if drawn.mean() > real.mean() else 'darker'} than real images: mean "
            f"{(float(drawn.mean()) + 1) / 2:.2f}, not {(float(real.mean()) + 1) / 2:.2f}. Look at their range."
        )
    together = torch.corrcoef(torch.stack([drawn.flatten(), real.flatten()]))[0, 1]
    if float(together) < -0.2:
        bench.warnings.append("The drawings look inverted: on average they are dark where real images are bright.")


def _check_reading(bench: Bench, tally: Tally, view: View) -> None:
    """Warn of drawings that would be as good for other reports."""
    name = score_name("auroc_micro", f"{len(OBSERVATIONS)} observations", "prompted", view, BY, LABELLER)
    gap = next((s.interval for s in tally.scores if (s.name, s.system) == (name, GAP)), None)
    if gap and gap.low <= 0:
        bench.warnings.append(
            f"The {view} drawings do not show that the model follows the report: drawn from another report, {name} is "
            f"as good (gap {gap})."
        )


def _own_features(vision: Vision, unit: torch.Tensor, batch_size: int = 32) -> np.ndarray:
    """The classifier's features (n, 1280) of pixels in [0, 1]."""
    return np.concatenate([vision.features_of(part * 2 - 1) for part in unit.split(batch_size)])


def _image(row: Row, view: View) -> ImageRef:
    ref = row.image(view)
    assert ref is not None
    return ref
