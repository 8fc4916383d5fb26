"""What every task is scored on: the studies of a split, those of train for the baselines, and a network that sees."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from radloom.checkpoint import fingerprint
from radloom.classifier.model import ClinicalClassifier, targets
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import RadloomError
from radloom.evaluation.exhibits import Exhibit
from radloom.evaluation.table import SYSTEMS, Score
from radloom.imaging import Transform, read_image
from radloom.scores.statistics import SAMPLES, Bootstrap
from radloom.scores.text import PROTOCOLS, R2GEN, Protocol
from radloom.study import OBSERVATIONS, View

Item = TypeVar("Item")

SEED = 0
"""Of the bootstrap, of shuffling and of the random baseline."""

SHUFFLES = 10
"""Other studies whose outputs each study is scored against in turn. One alone would add its own chance to the gap."""


class Vision:
    """The clinical classifier over images of manifests, each image seen once.

    Args:
        classifier: in eval mode.
        transform: image array -> model pixels.
        fingerprint: of the model it belongs to, for the signature.
    """

    def __init__(self, classifier: ClinicalClassifier, transform: Transform, fingerprint: str = "") -> None:
        self.classifier, self.transform, self.fingerprint = classifier, transform, fingerprint
        self.device = next(classifier.parameters()).device
        self._known: dict[Path, np.ndarray] = {}

    @classmethod
    def load(cls, model: Path | str, device: str = "cpu") -> Vision:
        """The classifier of a model, by its name inside the package or its folder.

        Raises:
            CheckpointError: no such model.
        """
        from radloom.model_folder import load_vision, locate

        _, classifier, transform = load_vision(model, device=device)
        return cls(classifier, transform, fingerprint(locate(model) / "classifier"))

    def features(self, manifest: Manifest, refs: Sequence[ImageRef], batch_size: int = 32) -> np.ndarray:
        """Pooled features (n, 1280) of images of a manifest."""
        new = list({path: ref for ref in refs if (path := manifest.path(ref)) not in self._known}.items())
        for start in range(0, len(new), batch_size):
            part = new[start : start + batch_size]
            rows = self.features_of(self.pixels(manifest, [ref for _, ref in part]))
            self._known |= zip([path for path, _ in part], rows, strict=True)
        return np.stack([self._known[manifest.path(ref)] for ref in refs])

    def pixels(self, manifest: Manifest, refs: Sequence[ImageRef]) -> Tensor:
        """Model pixels (n, 1, R, R) in [-1, 1]."""
        return torch.stack([self.transform(read_image(manifest.path(ref)), ref.aspect) for ref in refs])

    @torch.inference_mode()
    def features_of(self, pixels: Tensor) -> np.ndarray:
        """Pooled features (n, 1280) of model pixels."""
        return self.classifier.features(pixels.to(self.device)).float().cpu().numpy()

    @torch.inference_mode()
    def chances(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (n, 15) of features: the observations, then "lateral"."""
        logits = self.classifier.head(torch.from_numpy(features).to(self.device))
        return logits.float().sigmoid().cpu().numpy()


@dataclass
class Bench:
    """Studies to score on, and what the scoring of them gathers.

    Attributes:
        name: of the model.
        split, train: what is scored, and where baselines come from.
        vision: the classifier.
        samples: draws of the bootstrap.
        scores, exhibits, warnings: what the tasks found, in order.
    """

    name: str
    split: Manifest
    train: Manifest
    vision: Vision
    samples: int = SAMPLES
    scores: list[Score] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.name in SYSTEMS:
            raise RadloomError(f"{self.name!r} is what a column of baselines is called; give the system another name.")

    @property
    def protocol(self) -> Protocol:
        """How texts of the corpus are cleaned and cut before words are compared."""
        return PROTOCOLS.get(self.split.corpus, R2GEN)

    def bootstrap(self, studies: Sequence[str], samples: int | None = None) -> Bootstrap:
        """Draws of the patients whose studies these are, the same for every task.

        Args:
            studies: uid of the study of each row.
            samples: how many draws, where fewer do than the bench's own.
        """
        return self.bootstrap_of([self._patients.get(uid, uid) for uid in studies], samples)

    def bootstrap_of(self, patients: Sequence[str], samples: int | None = None) -> Bootstrap:
        """Draws of patients, one named for each row."""
        return Bootstrap(patients, min(samples or self.samples, self.samples), SEED)

    @cached_property
    def _patients(self) -> dict[str, str]:
        return {row.uid: row.patient for row in self.split}

    def facing(self, truth: Sequence[str], texts: Sequence[str], studies: Sequence[str]) -> tuple[list[str], Bootstrap]:
        """What texts are scored against, and the draws for it.

        Args:
            truth: a text a study.
            texts: a text a study; or, of the shuffled model, of several others, one round of all studies after another.
            studies: of the truth.

        Returns:
            The truth of each text, and draws in which all texts of a patient come and go together.
        """
        times = len(texts) // len(truth)
        return list(truth) * times, self.bootstrap(list(studies) * times)

    def check_complete(self, wanted: Sequence[str], predicted: Mapping[str, object], what: str = "studies") -> None:
        """Everything that is scored needs a prediction; that others were not used is said in a warning.

        Args:
            wanted: ids of what is scored.
            predicted: by id.
            what: they are.

        Raises:
            RadloomError: some have none.
        """
        missing = [name for name in wanted if name not in predicted]
        if missing:
            raise RadloomError(
                f"{len(missing)} of {len(wanted)} {what} have no prediction, {missing[0]!r} first; add them, or choose "
                "the split that was predicted. Scores of a part that was picked say nothing."
            )
        if extra := sorted(predicted.keys() - set(wanted)):
            self.warnings.append(f"Predictions that this split has no {what} for were not used: {_listed(extra)}.")


def _listed(names: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + rest


def main_view(row: Row) -> ImageRef:
    """The first frontal view, or the first image."""
    return row.image(View.FRONTAL) or row.images[0]


def known_labels(row: Row, view: View) -> np.ndarray:
    """Labels (14,) of a study: 1 positive, 0 absent, NaN uncertain or not known."""
    values, weights = targets(row.labels, has_report=bool(row.report), view=view)
    found = np.where(weights.numpy() > 0, values.numpy(), np.nan)
    return np.asarray(found[: len(OBSERVATIONS)], np.float64)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items, evenly spread; all of them if there are fewer."""
    wanted = min(count, len(items))
    return [items[i * len(items) // wanted] for i in range(wanted)]


def others(patients: Sequence[str]) -> list[np.ndarray]:
    """For each row the places of rows of `SHUFFLES` other patients, or of as many as there are; see `another`."""
    found = range(1, min(SHUFFLES, len(set(patients)) - 1) + 1)
    return [order for nth in found if (order := another(patients, nth=nth)) is not None]


def another(patients: Sequence[str], kinds: Sequence[Hashable] | None = None, nth: int = 1) -> np.ndarray | None:
    """For each row the place of a row of another patient; None where there is one patient only.

    Args:
        patients: the patient of each row.
        kinds: of each row, for instance its view; the other row is of the same kind if that patient has one.
        nth: which other patient: below the number of patients each gives another one.
    """
    rows: dict[str, list[int]] = {}
    for place, patient in enumerate(patients):
        rows.setdefault(patient, []).append(place)
    if len(rows) < 2:
        return None
    names = list(rows)
    cycle = derangement(len(names))
    order = np.zeros(len(patients), np.int64)
    for i, name in enumerate(names):
        other = i
        for _ in range(nth):
            other = cycle[other]
        theirs = rows[names[other]]
        for j, place in enumerate(rows[name]):
            alike = [row for row in theirs if kinds and kinds[row] == kinds[place]] or theirs
            order[place] = alike[j % len(alike)]
    return order


def derangement(n: int, seed: int = SEED) -> np.ndarray:
    """A random permutation of n > 1 things that leaves none in its place: one cycle (Sattolo 1986)."""
    generator = np.random.default_rng(seed)
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        j = int(generator.integers(0, i))
        order[i], order[j] = order[j], order[i]
    return order
