"""What the classifier and its readers see in X-rays, and what follows from it for reports and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import torch
from torch import Tensor

from radloom.classifier.evidence import evidence_in
from radloom.classifier.model import OUTPUTS, ClinicalClassifier
from radloom.classifier.sides import halves
from radloom.classifier.signs import SignReader
from radloom.language.model import Sight
from radloom.reports.repair import together
from radloom.reports.rule_answers import Findings
from radloom.study import OBSERVATIONS, SIGNS, Side, View


@dataclass(frozen=True)
class Seen:
    """What is seen in X-rays, or on the mean in those of each study, in numbers.

    Attributes:
        evidence: (n, channels) log-odds; no channels where the language model reads none.
        signs: (n, signs) log-odds; no signs where the model has no reader of them.
        sides: (n, sided, 3) log-odds of left, right and both; NaN without a frontal view, and nothing without a reader.
        lateral: (n,) log-odds that it is a lateral view.
        images: (n,) over how many X-rays these are means.
    """

    evidence: np.ndarray
    signs: np.ndarray
    sides: np.ndarray
    lateral: np.ndarray
    images: np.ndarray

    def __getitem__(self, rows: Sequence[int]) -> Seen:
        return Seen(self.evidence[rows], self.signs[rows], self.sides[rows], self.lateral[rows], self.images[rows])

    def means(self, groups: Sequence[Sequence[int]]) -> Seen:
        """The mean over the X-rays of each group; of sides over its frontal views."""
        each = [self[list(rows)] for rows in groups]
        means = {
            name: np.stack([getattr(one, name).mean(0) for one in each]) for name in ("evidence", "signs", "lateral")
        }
        frontal = [one.sides[~np.isnan(one.sides).any((1, 2))] for one in each]
        sides = np.stack([some.mean(0) if len(some) else one.sides[0] for some, one in zip(frontal, each, strict=True)])
        return Seen(**means, sides=sides, images=np.array([len(one.images) for one in each]))

    def views(self) -> list[View]:
        """The view of each."""
        return [View.LATERAL if odds > 0 else View.FRONTAL for odds in self.lateral.tolist()]


@dataclass(frozen=True)
class Reader:
    """Sees what is in X-rays.

    Attributes:
        classifier: in eval mode.
        signs: reads signs and sides from the classifier's features; None sees none.
        sight: what evidence means to the language model, and from which on an observation is called; None calls none.
    """

    classifier: ClinicalClassifier
    signs: SignReader | None = None
    sight: Sight | None = None

    @torch.no_grad()
    def look(self, pixels: Tensor, views: Sequence[View] | None = None) -> Seen:
        """What is seen in model pixels (n, 1, R, R) of these views; without, of those that they are taken for."""
        nothing = np.zeros((len(pixels), 0), np.float32)
        pyramid = self.classifier.pyramid(pixels)
        features = pyramid[-1].mean((2, 3))
        evidence = evidence_in(self.classifier, pyramid[-1]).cpu().numpy() if self.sight else nothing
        lateral = self.classifier.head(features)[:, OUTPUTS.index("lateral")].cpu().numpy()
        signs, sides = nothing, nothing[..., None]
        if self.signs:
            signs, sides = (x.cpu().numpy() for x in (self.signs(features), self.signs.sides(halves(pyramid))))
            sides[lateral > 0 if views is None else [view is View.LATERAL for view in views]] = np.nan
        return Seen(evidence, signs, sides, lateral, np.ones(len(pixels), int))

    def called(self, seen: Seen) -> list[list[bool]] | None:
        """Which of the 14 observations are there; None where the language model decides it."""
        return self.sight.called(seen.evidence) if self.sight else None

    def signs_there(self, seen: Seen) -> list[set[str]] | None:
        """The signs that are there; None where nobody looks for them."""
        if self.signs is None:
            return None
        verdicts = self.signs.verdicts(seen.signs, seen.images)
        return [{sign for sign, there in looked.items() if there} for looked in verdicts]

    def sides_told(self, seen: Seen) -> list[dict[str, Side]] | None:
        """The sides that are certain enough for a report, each if its observation is there at all."""
        return self.signs.sides.told(seen.sides) if self.signs else None

    def findings(self, seen: Seen) -> list[Findings]:
        """What questions are answered by."""
        called = self.called(seen)
        verdicts = self.signs.verdicts(seen.signs, seen.images) if self.signs else [{} for _ in seen.images]
        sides = self.signs.sides.likeliest(seen.sides) if self.signs else [{} for _ in seen.images]
        found = []
        for i, (view, looked) in enumerate(zip(seen.views(), verdicts, strict=True)):
            positive, there = None, {sign for sign, is_there in looked.items() if is_there}
            if called is not None:
                positive, there = together(set(compress(OBSERVATIONS, called[i])), there)
            found.append(Findings(view, positive, {sign: sign in there for sign in looked}, sides[i]))
        return found

    def probabilities(self, pixels: Tensor) -> list[dict[str, float]]:
        """Of each observation, of the view being lateral, and of each sign, in each of model pixels (n, 1, R, R)."""
        with torch.no_grad():
            features = self.classifier.features(pixels)
            names, odds = [*OUTPUTS], [self.classifier.head(features)]
            if self.signs:
                names, odds = [*names, *SIGNS], [*odds, self.signs(features)]
        return [dict(zip(names, row, strict=True)) for row in torch.cat(odds, 1).sigmoid().tolist()]
