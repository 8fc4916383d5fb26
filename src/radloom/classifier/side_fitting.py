"""Fitting of a reader of sides: a regression over the findings whose side reports name, and when it is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from radloom.classifier.fitting import fold_of
from radloom.classifier.sides import WIDTH, SideReader
from radloom.corpora.manifest import Manifest, Row
from radloom.corpora.tokens import TokenStore
from radloom.reports.labeller import as_text
from radloom.reports.questions import sides
from radloom.study import SIDED, Side, View

RIGHT = 2 / 3
"""Share of the sides named for findings that are there which has to be right for them to be named."""

FEWEST = 20
"""Findings that such a share is taken over at least."""


@dataclass(frozen=True)
class SideTable:
    """What a reader is fitted to: a row for each finding whose side a report names.

    Attributes:
        features: (n, 2, WIDTH) of the halves of its frontal view.
        observation: (n,) number of the finding in `SIDED`.
        side: (n,) number of its side in `Side`.
        patients: whose it is.
    """

    features: Tensor
    observation: Tensor
    side: Tensor
    patients: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[Row], store: TokenStore | None) -> SideTable:
        """The findings of those studies.

        Args:
            rows: that `with_sides` has kept.
            store: has the features of the halves of their images; None where there are no studies.
        """
        found = [(row, observation, side) for row in rows for observation, side in _sides(row).items()]
        shown = [torch.from_numpy(store.features(row.images[0].path)) for row, _, _ in found] if store else []
        features = torch.stack(shown).view(len(found), 2, WIDTH) if shown else torch.zeros(0, 2, WIDTH)
        observations = torch.tensor([SIDED.index(o) for _, o, _ in found], dtype=torch.long)
        numbers = torch.tensor([list(Side).index(s) for _, _, s in found], dtype=torch.long)
        return cls(features.float(), observations, numbers, [f"{row.corpus}/{row.patient}" for row, _, _ in found])

    def __len__(self) -> int:
        return len(self.side)

    def only(self, rows: Tensor) -> SideTable:
        """Those of its rows that a mask (n,) names."""
        patients = [patient for patient, kept in zip(self.patients, rows.tolist(), strict=True) if kept]
        return SideTable(self.features[rows], self.observation[rows], self.side[rows], patients)


def with_sides(manifest: Manifest) -> Manifest:
    """The studies with a frontal view whose report names a side of something that is read, with that view alone."""
    rows = [
        replace(row, images=(frontal,))
        for row in manifest
        if row.report and (frontal := row.image(View.FRONTAL)) and _sides(row)
    ]
    return replace(manifest, rows=rows)


def fit_sides(table: SideTable, penalty: float) -> SideReader:
    """A reader of training studies.

    A side is certain from the lowest probability down to which, among the likeliest, always two thirds of the sides are
    right, in the judgement of regressions that have not seen the patient; the features come of a classifier that has.
    Whether the finding itself is there is not judged: all of the table are.

    Args:
        table: of training studies; without a row the reader is certain of nothing.
        penalty: half of it times the squared weights of standardised features is added to the cross-entropy, and a
            fiftieth of that for how usual both sides are with each observation.
    """
    if not len(table):
        return SideReader().eval()
    fold = torch.tensor(list(map(fold_of, table.patients)))
    unseen = torch.full((len(table), len(Side)), torch.nan)
    for number in fold.unique():
        if (rest := fold != number).any():
            unseen[~rest] = _read(_regressed(table.only(rest), penalty), table.only(~rest))
    reader = _regressed(table, penalty)
    likely, guess = unseen.softmax(1).max(1)
    known = ~likely.isnan()
    likely, order = likely[known].sort(descending=True, stable=True)
    right = (guess == table.side)[known][order].float()
    shares = (right.cumsum(0) / torch.arange(1, len(right) + 1))[FEWEST - 1 :]
    enough = int((shares >= RIGHT).cumprod(0).sum())  # until it is too few for the first time
    if enough:
        reader.certain.fill_(likely[FEWEST - 1 :][enough - 1])
    return reader.eval()


def side_scores(reader: SideReader, table: SideTable) -> dict[str, float]:
    """Share of right sides, of all and of those that a report would say, and how many it would."""
    if not len(table):
        return {}
    likely, guess = _read(reader, table).softmax(1).max(1)
    right, told = (guess == table.side).float(), likely >= reader.certain
    scores = {"accuracy[side]": float(right.mean()), "share[side told]": float(told.float().mean())}
    return scores | ({"accuracy[side told]": float(right[told].mean())} if told.any() else {})


@torch.no_grad()
def _read(reader: SideReader, table: SideTable) -> Tensor:
    """Log-odds (n, 3) of the sides of each row's finding."""
    return reader(table.features)[torch.arange(len(table)), table.observation]


def _regressed(table: SideTable, penalty: float) -> SideReader:
    """A reader by multinomial logistic regression with tied weights."""
    left, right = table.features.unbind(1)
    apart, mean = (left - right) / 2, (left + right) / 2
    places, spreads = zip(*((x.mean(0), x.std(0, correction=0) + 1e-3) for x in (apart, mean)), strict=True)
    apart, mean = ((x - place) / spread for x, place, spread in zip((apart, mean), places, spreads, strict=True))
    weights = torch.zeros(2, WIDTH, requires_grad=True)
    lean, usual = (torch.zeros(n, requires_grad=True) for n in (1, len(SIDED)))
    optimizer = torch.optim.LBFGS([weights, lean, usual], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        towards = apart @ weights[0] + lean
        odds = torch.stack([towards, -towards, mean @ weights[1] + usual[table.observation]], 1)
        loss: Any = F.cross_entropy(odds, table.side) + penalty / 2 * weights.square().sum()
        loss = loss + penalty / 100 * usual.square().sum()  # of an observation that is rare
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    reader = SideReader()
    for layer, weight, bias, place, spread in (
        (reader.apart, weights[0], lean[0], places[0], spreads[0]),
        (reader.both, weights[1], torch.zeros(()), places[1], spreads[1]),
    ):
        layer.weight.data[0] = (weight / spread).detach()
        layer.bias.data[0] = (bias - (weight * place / spread).sum()).detach()
    reader.usual.data[:] = usual.detach()
    return reader


def _sides(row: Row) -> dict[str, Side]:
    """On which side its report says that what is read is."""
    return {o: Side(side) for o, side in sides(as_text(row.report)).items() if o in SIDED}
