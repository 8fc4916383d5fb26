"""Fitting of a reader of signs: a logistic regression for each, and the threshold from which on it is called."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radloom.classifier.evidence import NEVER
from radloom.classifier.network import FEATURES
from radloom.classifier.signs import SignReader
from radloom.corpora.manifest import Row
from radloom.corpora.tokens import TokenStore
from radloom.reports.signs import signs
from radloom.scores.classification import auroc
from radloom.study import SIGNS, Mention

FOLDS = 5
"""Parts of the training patients; each is judged by a reader of the others when thresholds are set."""

PRECISION = 1 / 3
"""Share of calls that have to be right, in such judgements, for a sign to be called at all."""

FEWEST = 10
"""Calls that such a share is taken over at least."""


@dataclass(frozen=True)
class SignTable:
    """What readers are fitted to.

    Attributes:
        features: (n, 1280) of images.
        study: (n,) number of the study of each.
        said: (studies, signs) 1 where the report says that a sign is there, 0 where not, NaN where it is in doubt.
        patients: of the studies.
    """

    features: Tensor
    study: Tensor
    said: Tensor
    patients: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[Row], store: TokenStore) -> SignTable:
        """The studies that have a report and an image.

        Args:
            rows: studies.
            store: has the pooled features of their images.
        """
        read = [row for row in rows if row.report and row.images]
        refs = [(number, ref) for number, row in enumerate(read) for ref in row.images]
        features = np.stack([store.features(ref.path) for _, ref in refs]) if refs else np.zeros((0, FEATURES))
        worth = {None: 0.0, Mention.NEGATIVE: 0.0, Mention.UNCERTAIN: float("nan"), Mention.POSITIVE: 1.0}
        said = [[worth[found.get(sign)] for sign in SIGNS] for found in (signs(row.report) for row in read)]
        numbers = torch.tensor([number for number, _ in refs], dtype=torch.long)
        patients = [f"{row.corpus}/{row.patient}" for row in read]
        return cls(torch.from_numpy(features).float(), numbers, torch.tensor(said).view(-1, len(SIGNS)), patients)

    def mean(self, values: Tensor) -> Tensor:
        """Values (n, ...) of images as means over each study's (studies, ...)."""
        sums = torch.zeros(len(self.said), *values.shape[1:]).index_add(0, self.study, values)
        return sums / self.study.bincount(minlength=len(self.said))[:, None]


def fit_signs(table: SignTable, penalty: float) -> SignReader:
    """A reader of training studies.

    Its thresholds call each sign in as many of them as say it, or in fewer where of those calls less than `PRECISION`
    are right. They are set by regressions that have not seen the patient; the features come of a classifier that has.

    Args:
        table: of training studies.
        penalty: half of it times the squared weights of standardised features is added to the cross-entropy.
    """
    place, spread = table.features.mean(0), table.features.std(0) + 1e-3
    features, said = (table.features - place) / spread, table.said[table.study]
    fold = torch.tensor(list(map(fold_of, table.patients)))[table.study]
    unseen = torch.full((len(features), len(SIGNS)), torch.nan)
    for number in range(FOLDS):
        if (fold == number).any() and (fold != number).any():
            weight, bias = _regressed(features[fold != number], said[fold != number], penalty)
            unseen[fold == number] = features[fold == number] @ weight + bias
    weight, bias = _regressed(features, said, penalty)
    reader = SignReader()
    reader.head.weight.data = (weight / spread[:, None]).T.contiguous()
    reader.head.bias.data = bias - (place / spread) @ weight
    several = table.study.bincount(minlength=len(table.said)) > 1
    reader.thresholds[:] = _thresholds(unseen, said)
    if several.any():
        reader.thresholds[1] = _thresholds(table.mean(unseen)[several], table.said[several])
    return reader.eval()


def sign_scores(reader: SignReader, table: SignTable) -> dict[str, float]:
    """AUROC of each sign that some of the studies have and others not, and the mean over these."""
    with torch.no_grad():
        values = table.mean(reader(table.features))
    scores = {}
    for i, sign in enumerate(SIGNS):
        known = ~table.said[:, i].isnan()
        value = auroc(table.said[known, i].numpy(), values[known, i].numpy())
        if value is not None:
            scores[f"auroc[{sign}]"] = value
    return ({"auroc[mean]": sum(scores.values()) / len(scores)} if scores else {}) | scores


def fold_of(patient: str) -> int:
    """The part of the training patients that one is in, for ever the same."""
    return zlib.crc32(patient.encode()) % FOLDS


def _regressed(features: Tensor, said: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights (d, signs) and biases (signs,) of logistic regressions."""
    known, said = (~said.isnan()).float(), said.nan_to_num()
    weight = torch.zeros(features.shape[1], said.shape[1], requires_grad=True)
    bias = said.mean(0).clamp(1e-3, 1 - 1e-3).logit().requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        wrong = F.binary_cross_entropy_with_logits(features @ weight + bias, said, known, reduction="none")
        loss: Any = wrong.sum(1).mean() + penalty / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    return weight.detach(), bias.detach()


def _thresholds(scores: Tensor, said: Tensor) -> Tensor:
    """Of each sign the lowest score, among as many as there are positives, from which on enough are right.

    Args:
        scores: (n, signs), NaN where nobody has judged.
        said: (n, signs), NaN where it is in doubt.
    """
    thresholds = torch.full((len(SIGNS),), NEVER)
    for i in range(len(SIGNS)):
        known = ~(scores[:, i].isnan() | said[:, i].isnan())
        values, there = scores[known, i], said[known, i] == 1
        highest = values.sort(descending=True).values[: int(there.sum())]
        right = [score for score in highest[FEWEST - 1 :] if there[values >= score].float().mean() >= PRECISION]
        if right:
            thresholds[i] = min(right)
    return thresholds
