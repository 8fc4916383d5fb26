"""What a synthetic corpus is worth: small classifiers trained on it, scored on real held-out images.

The three scenarios are MedCoDi-M's (Molino et al. 2025, arXiv 2501.04614): anonymisation, synthetic images in place of
real ones; scarcity, synthetic images beside a small part of the real ones; imbalance, rare observations made up with
synthetic images. Every training has the same network, start, steps and seed: only its images differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import cycle, islice
from math import ceil
from pathlib import Path

import numpy as np
import torch

from radloom.checkpoint import fingerprint
from radloom.classifier.model import ClassifierConfig, ClinicalClassifier, load_classifier
from radloom.classifier.stage import ClassifierStage, predict
from radloom.config import to_dict
from radloom.corpora.images import Entry, XrayImages
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError, member
from radloom.evaluation.bench import Bench, Vision
from radloom.evaluation.exhibits import dots
from radloom.evaluation.run import new_bench, publish, refuse_other_board
from radloom.evaluation.synthetic import Corpora, ImageSets, patients
from radloom.evaluation.table import GAIN, LESS_REAL, Board, Tally
from radloom.files import write_whole
from radloom.imaging import Transform
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.classification import score_auroc
from radloom.scores.statistics import Interval, difference
from radloom.study import OBSERVATIONS, Mention, View, slug
from radloom.training import LoopConfig, fit
from radloom.training.determinism import seeded

TASK = "utility"

NAME = "classifier"
"""The column of what is trained."""

SETTINGS = "settings.json"
"""What the trainings in a folder were made with."""


class Scenario(StrEnum):
    """What synthetic images are used for."""

    ANONYMISATION = "anonymisation"
    SCARCITY = "scarcity"
    IMBALANCE = "imbalance"


REAL = "real"
"""The training on all real images, which every other one is compared with."""

TRAININGS = {
    Scenario.ANONYMISATION: ("synthetic", "real and synthetic"),
    Scenario.SCARCITY: ("few real", "few real and synthetic"),
    Scenario.IMBALANCE: ("rare repeated", "rare synthetic"),
}
"""Besides `REAL`, by scenario."""

WITHOUT = {"real and synthetic": REAL, "few real and synthetic": "few real", "rare synthetic": "rare repeated"}
"""Trainings with synthetic images -> their counterparts without."""


LOOP = LoopConfig(steps=400, batch_size=16, learning_rate=6e-4, warmup=40, final=0.02, weight_decay=0.02, ema=0.99)
"""How long and how fast the classifiers learn."""


@dataclass(frozen=True)
class UtilityConfig:
    """How the classifiers are trained.

    Attributes:
        views: that they see.
        few: share of the real patients that scarcity leaves.
        rare: share of the images up to which imbalance makes up the positives of each observation.
        network: EfficientNet-Lite0, begun from ImageNet.
        train: the loop; its seed also chooses the few.
    """

    views: tuple[View, ...] = (View.FRONTAL,)
    few: float = 0.1
    rare: float = 0.1
    network: ClassifierConfig = field(default_factory=ClassifierConfig)
    train: LoopConfig = LOOP

    def __post_init__(self) -> None:
        for name in ("few", "rare"):
            if not 0 < getattr(self, name) < 1:
                raise RadloomError(f"{name} is {getattr(self, name)}; give a share between 0 and 1.")


def score_utility(
    real: Manifest,
    synthetic: Manifest,
    out: Path,
    *,
    split: str = "val",
    scenarios: Sequence[str] = tuple(Scenario),
    config: UtilityConfig | None = None,
) -> Board:
    """Train classifiers with and without synthetic images, score them on real ones, and write the board to `out`.

    Started again after a kill, it goes on where it was; scenarios may be added later.

    Args:
        real: with the splits `train` and `split`.
        synthetic: what `complete --replace` wrote of its split `train`.
        out: folder of trainings and results.
        split: real images that are scored.
        scenarios: see `Scenario`.
        config: of the trainings.

    Raises:
        RadloomError: see `Corpora`; an unknown scenario; or `out` holds trainings with other settings or images.
        MissingPackageError: the ImageNet weights are not installed.
    """
    chosen = [member(Scenario, name) for name in scenarios]
    config = config or UtilityConfig()
    corpora = Corpora.of(real, synthetic, split)
    sets = corpora.images(Transform(config.network.size), config.views)
    made_by = {"utility": to_dict(config), "synthetic": corpora.made.fingerprint()}
    _claim_trainings(out, config, corpora)
    refuse_other_board(out, made_by | {"split": split, "manifest": corpora.held_out.fingerprint()})
    wanted = [REAL, *(name for scenario in Scenario if scenario in chosen for name in TRAININGS[scenario])]
    images = training_images(sets, config)
    trained = {name: _trained(name, images[name], sets.held_out, config, out) for name in wanted}
    classifier, transform = load_classifier(trained[REAL])
    bench = new_bench(NAME, corpora.held_out, real, split, Vision(classifier, transform, fingerprint(trained[REAL])))
    bench.warnings += _warnings(sets)
    _add_scores(bench, trained, sets, config)
    for exhibit in bench.exhibits:
        exhibit.write(out)
    return publish(bench, out, made_by, split)


def training_images(sets: ImageSets, config: UtilityConfig) -> dict[str, XrayImages]:
    """The images of each training."""
    real, made = sets.train.entries, sets.made.entries
    few = _few(sets.train, config)
    entries = {
        REAL: real,
        "synthetic": made,
        "real and synthetic": [*real, *made],
        "few real": few,
        "few real and synthetic": [*few, *made],
        "rare repeated": [*real, *rare(real, real, config.rare)],
        "rare synthetic": [*real, *rare(real, made, config.rare)],
    }
    return {name: _images(sets.train, chosen) for name, chosen in entries.items()}


def rare(real: Sequence[Entry], pool: Sequence[Entry], share: float) -> list[Entry]:
    """Images of `pool` that bring the positives of every rare observation up to a share of the real images.

    The rarest observation comes first, and what its images show besides counts for the next ones. An observation's
    images are taken in order, again and again where there are too few; of one that `pool` lacks there are none.

    Args:
        real: that the positives are counted in.
        pool: that images are taken from.
        share: of `len(real)`.
    """
    added: list[Entry] = []
    for observation in sorted(OBSERVATIONS[1:], key=lambda name: len(_positive(real, name))):
        missing = ceil(share * len(real)) - len(_positive([*real, *added], observation))
        if found := _positive(pool, observation):
            added += islice(cycle(found), max(0, missing))
    return added


def _positive(entries: Sequence[Entry], observation: str) -> list[Entry]:
    return [entry for entry in entries if entry.row.labels.get(observation) is Mention.POSITIVE]


def _few(images: XrayImages, config: UtilityConfig) -> list[Entry]:
    """The images of a share of the patients, drawn at random."""
    patient_of = patients(images)
    every = list(dict.fromkeys(patient_of))
    order = np.random.default_rng(config.train.seed).permutation(len(every))
    kept = {every[i] for i in order[: ceil(config.few * len(every))]}
    return [entry for entry, patient in zip(images.entries, patient_of, strict=True) if patient in kept]


def _images(like: XrayImages, entries: list[Entry]) -> XrayImages:
    images = XrayImages([], like.transform)
    images.entries = entries
    return images


def _claim_trainings(out: Path, config: UtilityConfig, corpora: Corpora) -> None:
    """Note what the trainings in `out` are made with, or check that it is what is noted there."""
    settings = {
        **to_dict(config),
        "real": corpora.train.fingerprint(),
        "synthetic": corpora.made.fingerprint(),
    }
    note = out / SETTINGS
    if not note.is_file():
        write_whole(note, (json.dumps(settings, indent=2) + "\n").encode())
        return
    noted = json.loads(note.read_text(encoding="utf-8"))
    if differing := [name for name, value in settings.items() if noted.get(name) != value]:
        raise RadloomError(f"{out} was begun with another {' and '.join(differing)}; name another folder.")


def _trained(name: str, images: XrayImages, held_out: XrayImages, config: UtilityConfig, out: Path) -> Path:
    """The folder of a classifier trained on those images."""
    place, seed = out / "trainings" / slug(name), config.train.seed
    if not (place / "done.json").is_file():
        with seeded(seed):
            classifier = ClinicalClassifier.from_imagenet(config.network)
        fit(ClassifierStage(classifier, images, held_out, seed), config.train, place, name=name)
    return place / "model"


def _add_scores(bench: Bench, trained: Mapping[str, Path], sets: ImageSets, config: UtilityConfig) -> None:
    """AUROC of every classifier on the same images, and by how much it differs from others, patient by patient."""
    tally = Tally(TASK, NAME, patients(sets.held_out))
    draw = bench.bootstrap_of(tally.studies)
    found: dict[str, dict[str, Interval | None]] = {}
    shown: dict[str, dict[str, Interval]] = {}
    for name, folder in trained.items():
        scores, truth = _predicted(folder, sets.held_out)
        made_by = (f"trained on {name}", *config.views, LABELLER)
        found[name] = areas = score_auroc(truth, scores, OBSERVATIONS, *made_by, bootstrap=draw)
        tally.add(NAME, areas)
        for other, column in ((REAL, LESS_REAL), (WITHOUT.get(name), GAIN)):
            if other in found and other != name:
                pairs = zip(areas, areas.values(), found[other].values(), strict=True)
                tally.add(column, {key: difference(ours, theirs) for key, ours, theirs in pairs if ours and theirs})
        means = {"macro": "auroc_macro", "micro": "auroc_micro"}
        shown[name] = {
            mean: area for mean, start in means.items() for key, area in areas.items() if area and key.startswith(start)
        }
    bench.scores += tally.scores
    caption = "Of the 14 observations, on real held-out images; the line is chance. 95 % intervals over patients."
    bench.exhibits.append(dots(TASK, "AUROC by what was trained on", caption, shown, 0.5))


def _predicted(folder: Path, images: XrayImages) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels (n, 14) of the observations; labels that are not known are NaN."""
    logits, values, weights = predict(load_classifier(folder)[0], images)
    truth = torch.where(weights > 0, values, torch.nan)
    return logits[:, : len(OBSERVATIONS)].numpy(), truth[:, : len(OBSERVATIONS)].numpy()


def _warnings(sets: ImageSets) -> Iterator[str]:
    yield "Every training was made once: intervals hold the chance of the held-out patients, not that of training."
    if len(sets.made) < len(sets.train):
        yield f"{len(sets.made)} synthetic images stand against {len(sets.train)} real ones; a fair match has as many."
