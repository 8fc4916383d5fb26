"""The board: what a model scores on a split of a manifest, with intervals and baselines on the same rows.

Each function below scores one task and returns rows of the table. Baselines: `constant`, the most typical training
report or the commonest training answer; `nearest neighbour`, what belongs to the training image whose classifier
features are closest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radloom.classifier.model import targets
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.imaging import read_image
from radloom.models import Model
from radloom.reports.labeller import NAME as LABELLER
from radloom.reports.labeller import label
from radloom.scores.baselines import constant_report, nearest_neighbour
from radloom.scores.classification import score_auroc, score_f1
from radloom.scores.names import score_name
from radloom.scores.statistics import Interval, bootstrap, over_studies
from radloom.scores.text import score_reports
from radloom.study import OBSERVATIONS, Mention, Question, Report, View

CONSTANT, NEIGHBOUR = "constant", "nearest neighbour"


@dataclass(frozen=True)
class Score:
    """One number of the table.

    Attributes:
        name: the measure and what made it.
        system: the model's name, `constant` or `nearest neighbour`.
        value, low, high: the score and its 95 % interval over studies.
        n: studies, images or questions it is taken over.
    """

    name: str
    system: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Asked:
    """A question of the split, with the image it is put to."""

    question: Question
    row: Row
    ref: ImageRef


class Features:
    """Classifier features of images, each computed once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._known: dict[Path, np.ndarray] = {}

    def __call__(self, manifest: Manifest, refs: Sequence[ImageRef], batch_size: int = 32) -> np.ndarray:
        """(n, 1280) features of n images of a manifest."""
        new = list({path: ref for ref in refs if (path := manifest.path(ref)) not in self._known}.items())
        for start in range(0, len(new), batch_size):
            part = new[start : start + batch_size]
            with torch.inference_mode():
                rows = self.model.classifier.features(_pixels(self.model, manifest, [ref for _, ref in part]))
            self._known |= zip([path for path, _ in part], rows.cpu().numpy(), strict=True)
        return np.stack([self._known[manifest.path(ref)] for ref in refs])


def classifier_scores(model: Model, manifest: Manifest, name: str) -> list[Score]:
    """AUROC of each observation over all images of the split; uncertain mentions are left out."""
    pairs = [(row, ref) for row in manifest for ref in row.images]
    logits, values, known = [], [], []
    for start in range(0, len(pairs), 32):
        part = pairs[start : start + 32]
        chances = model.classifier.probabilities(_pixels(model, manifest, [ref for _, ref in part]))
        logits.append(chances.cpu().numpy())
        for row, ref in part:
            value, weight = targets(row.labels, has_report=bool(row.report), view=ref.view)
            values.append(value.numpy())
            known.append(weight.numpy() > 0)
    truth = np.where(known, values, np.nan)[:, : len(OBSERVATIONS)]
    studies = [row.uid for row, _ in pairs]
    found = np.concatenate(logits)[:, : len(OBSERVATIONS)]
    table = score_auroc(truth, found, OBSERVATIONS, "classifier", LABELLER, studies=studies)
    right = np.array([ref.view is View.LATERAL for _, ref in pairs]) == (np.concatenate(logits)[:, -1] > 0.5)
    view = _score(score_name("accuracy", "view", "classifier"), name, _mean(right, studies), len(pairs))
    return [*_scores(table, name, len(pairs)), view]


def report_scores(
    features: Features, predicted: Mapping[str, Report], split: Manifest, train: Manifest, name: str
) -> list[Score]:
    """BLEU, ROUGE-L and the F1 of observations of findings and of impressions, beside both baselines.

    A section that no report of the split has is left out, and so are the baselines where no report of train has it.
    """
    scores: list[Score] = []
    seen = [row for row in split if row.uid in predicted and row.images]
    known = [row for row in train if row.report and row.images]
    shown, stored = ([_main(row) for row in rows] for rows in (seen, known))
    neighbours = nearest_neighbour(features(train, stored), known, features(split, shown)) if known else []
    for section in ("findings", "impression"):
        rows = [i for i, row in enumerate(seen) if getattr(row.report, section)]
        if not rows:
            continue
        truth = [getattr(seen[i].report, section) for i in rows]
        systems = {name: [getattr(predicted[seen[i].uid], section) for i in rows]}
        if told := [text for row in known if (text := getattr(row.report, section))]:
            systems[CONSTANT] = [constant_report(told)] * len(rows)
            systems[NEIGHBOUR] = [getattr(neighbours[i].report, section) for i in rows]
        labels = _positive(truth)
        for system, texts in systems.items():
            scores += _scores(score_reports(truth, texts, section), system, len(rows))
            rule = (section, LABELLER, "uncertain=negative")
            table = score_f1(labels, _positive(texts), OBSERVATIONS, *rule)
            scores += _scores({k: v for k, v in table.items() if k.startswith("f1_")}, system, len(rows))
            different = score_name("different_texts", section)
            count = float(len(set(texts)))
            scores.append(Score(different, system, count, count, count, len(rows)))
    return scores


def questions(manifest: Manifest) -> list[Asked]:
    """The questions of a split, each with its image; those about a study are put to its first frontal view."""
    asked = []
    for row in manifest:
        by_path = {ref.path: ref for ref in row.images}
        for question in row.questions:
            ref = by_path.get(question.image) if question.image else (_main(row) if row.images else None)
            if ref is not None:
                asked.append(Asked(question, row, ref))
    return asked


def question_scores(
    features: Features, predicted: Mapping[str, str], split: Manifest, train: Manifest, name: str
) -> list[Score]:
    """Exact match of closed and of open questions, beside the commonest and the neighbour's answer.

    Both baselines look at the training questions with the same words, or, where there are none, of the same type.
    """
    asked = [a for a in questions(split) if a.question.qid in predicted]
    stored = questions(train)
    alike: dict[tuple[str, ...], list[int]] = {}
    for j, a in enumerate(stored):
        for key in (_words(a), _kind(a)):
            alike.setdefault(key, []).append(j)
    ours = features(split, [a.ref for a in asked])
    theirs = features(train, [a.ref for a in stored]) if stored else np.empty((0, 0))
    scores = []
    for kind in ("closed", "open"):
        picked = [i for i, a in enumerate(asked) if a.question.answer_type.lower() == kind]
        if not picked:
            continue
        right: dict[str, list[bool]] = {name: [], CONSTANT: [], NEIGHBOUR: []}
        for i in picked:
            a = asked[i]
            truth = _plain(a.question.answer)
            same = alike.get(_words(a)) or alike.get(_kind(a), [])
            near = nearest_neighbour(theirs[same], [stored[j] for j in same], ours[i : i + 1]) if same else []
            commonest = Counter(_plain(stored[j].question.answer) for j in same).most_common(1)
            answers = {
                name: predicted[a.question.qid],
                CONSTANT: commonest[0][0] if commonest else "",
                NEIGHBOUR: near[0].question.answer if near else "",
            }
            for system, answer in answers.items():
                right[system].append(_plain(answer) == truth)
        measure = score_name("exact_match", kind, split.corpus)
        studies = [asked[i].row.uid for i in picked]
        for system, hits in right.items():
            scores.append(_score(measure, system, _mean(np.array(hits), studies), len(hits)))
    return scores


def as_markdown(scores: Sequence[Score]) -> str:
    """The table: a row a score, a column a system."""
    systems = list(dict.fromkeys(s.system for s in scores))
    cells = {(s.name, s.system): f"{s.value:.3f} [{s.low:.3f}, {s.high:.3f}]" for s in scores}
    counts = {s.name: s.n for s in scores}
    lines = [f"| score | n | {' | '.join(systems)} |", "|---|---|" + "---|" * len(systems)]
    for name, n in counts.items():
        lines.append(f"| {name} | {n} | " + " | ".join(cells.get((name, system), "") for system in systems) + " |")
    return "\n".join(lines) + "\n"


def as_json(scores: Sequence[Score], signature: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of the table and of what made it."""
    return {"signature": dict(signature), "scores": [asdict(score) for score in scores]}


def _mean(right: np.ndarray, studies: Sequence[str]) -> Interval:
    return bootstrap(*over_studies(lambda index: float(right[index].mean()), studies))


def _kind(asked: Asked) -> tuple[str, ...]:
    return asked.question.answer_type.lower(), asked.question.question_type


def _words(asked: Asked) -> tuple[str, ...]:
    return ("words", _plain(asked.question.question))


def _plain(answer: str) -> str:
    return " ".join(answer.lower().strip().rstrip(".").split())


def _main(row: Row) -> ImageRef:
    """The first frontal view, or the first image."""
    return row.image(View.FRONTAL) or row.images[0]


def _pixels(model: Model, manifest: Manifest, refs: Sequence[ImageRef]) -> torch.Tensor:
    images = [model.transform(read_image(manifest.path(ref)), ref.aspect) for ref in refs]
    return torch.stack(images).to(model.device)


def _positive(texts: Sequence[str]) -> np.ndarray:
    """Which observations each text states as present: (n, 14); uncertain counts as negative."""
    labels = [label(text) if text.strip() else {} for text in texts]
    return np.array([[labels_of.get(o) is Mention.POSITIVE for o in OBSERVATIONS] for labels_of in labels])


def _scores(table: Mapping[str, Interval | None], system: str, n: int) -> list[Score]:
    return [_score(name, system, interval, n) for name, interval in table.items() if interval is not None]


def _score(name: str, system: str, interval: Interval, n: int) -> Score:
    return Score(name, system, interval.value, interval.low, interval.high, n)
