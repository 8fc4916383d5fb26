"""Scores of completed studies: every direction of any-to-any, by both engines, over the same studies.

A direction is written as in MedCoDi-M (Molino et al. 2025, arXiv 2501.04614): `F+L->T` is a report of a frontal and a
lateral view. Parts that are made in turn, or denoised together, are compared with the same parts made apart from the
same noise: do they agree better with each other?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radloom.corpora.manifest import Manifest, Row
from radloom.diffusion.model import AnyToAny
from radloom.evaluation.bench import SEED, Bench, another, known_labels, others, spread
from radloom.evaluation.exhibits import picture
from radloom.evaluation.reports import stated
from radloom.evaluation.table import JUDGE, REAL, SHUFFLED, Results, Tally
from radloom.imaging import Transform, read_image
from radloom.reports.labeller import NAME as LABELLER
from radloom.scores.classification import score_auroc, score_f1
from radloom.scores.distributions import SetScores, recentred
from radloom.scores.names import CERTAIN, score_name
from radloom.scores.statistics import Interval, difference, mean
from radloom.scores.text import score_reports
from radloom.settings import Engine
from radloom.study import OBSERVATIONS, VIEWS, Part, Report, View

TASK = "complete"

STUDIES = 100
"""Studies that every direction is scored on, spread over the split."""

SHOWN = 8
"""Studies of the sheet."""

NEAREST = 5
"""The neighbour that balls of precision and recall reach to."""

FRECHET_SAMPLES = 200
"""Draws for the Frechet distance."""


_LETTERS = {Part.FRONTAL: "F", Part.LATERAL: "L", Part.REPORT: "T"}


@dataclass(frozen=True)
class Direction:
    """What is made from what.

    Attributes:
        given, want: parts, none in both; nothing given is a whole study made of noise.
        together: see `settings.Denoising`.
    """

    given: tuple[Part, ...]
    want: tuple[Part, ...]
    together: bool = False

    def __str__(self) -> str:
        sides = ("+".join(_LETTERS[part] for part in side) for side in (self.given, self.want))
        return "->".join(side or "nothing" for side in sides) + " together" * self.together


def _subsets(parts: Sequence[Part]) -> Iterator[tuple[Part, ...]]:
    for n in range(1, len(parts) + 1):
        yield from combinations(parts, n)


DIRECTIONS = tuple(
    Direction(given, want)
    for given in _subsets(list(Part)[::-1])
    if len(given) < len(Part)
    for want in _subsets([part for part in Part if part not in given])
)
"""All twelve."""

WHOLE = Direction((), tuple(Part))
"""A whole synthetic study."""

BESIDE = (
    *(replace(direction, together=True) for direction in (Direction((Part.REPORT,), VIEWS), WHOLE)),
    *(Direction((), (part,)) for part in Part),
)
"""What the parts of others are compared with: views and whole studies denoised together, and parts made of nothing."""

BY_LANGUAGE = tuple(d for d in DIRECTIONS if len(d.want) == 1 and (Part.REPORT in d.want or d.given == (Part.REPORT,)))
"""What the language model does without a detour."""


def completable(manifest: Manifest) -> list[Row]:
    """The studies that directions are scored on: `STUDIES` of those that have all parts."""
    return spread([row for row in manifest if row.parts == tuple(Part)], STUDIES)


@dataclass(frozen=True)
class Made:
    """The wanted parts of each study by uid: drawings as files, reports."""

    views: Mapping[Part, Mapping[str, Path]]
    reports: Mapping[str, Report]

    @classmethod
    def of(cls, lines: Sequence[Mapping[str, str]], folder: Path) -> Made:
        """What `predict` wrote: its lines, with files relative to `folder`."""
        views = {
            part: {line["uid"]: folder / line[part.value] for line in lines if part.value in line} for part in VIEWS
        }
        texts = {x["uid"]: Report(x["findings"], x["impression"]) for x in lines if "findings" in x}
        return cls(views, texts)


def score_completions(
    bench: Bench, rows: Sequence[Row], made: Mapping[tuple[Direction, Engine], Made], reader: AnyToAny | None
) -> None:
    """Score completed studies direction by direction, beside the real parts.

    Args:
        bench: gathers scores and pictures.
        rows: `completable` studies.
        made: by direction and engine, for every one of the rows.
        reader: whose aligned space tells how well parts belong together; without, that is left out.
    """
    studies = _Studies(bench, rows)
    for (direction, engine), parts in made.items():
        tally = Tally(TASK, bench.name, [row.uid for row in rows])
        for part in direction.want:
            made_by = (str(direction), part.value, engine.value)
            if part is Part.REPORT:
                studies.score_reports(tally, parts.reports, made_by)
            else:
                studies.score_views(tally, part.view, parts.views[part], made_by)
        tally.gaps()
        bench.scores += tally.scores
    if reader:
        _score_agreement(studies, made, reader)
    _show(studies, made)


class _Studies:
    """The studies and what the judge sees of their real images."""

    def __init__(self, bench: Bench, rows: Sequence[Row]) -> None:
        self.bench, self.rows = bench, rows
        self.uids = [row.uid for row in rows]
        self.draw = bench.bootstrap(self.uids)
        self.order = another([row.patient for row in rows])

    def pixels(self, files: Mapping[str, Path]) -> Tensor:
        """Model pixels (n, 1, R, R) of one drawing a study."""
        return torch.stack([self.bench.vision.transform(read_image(files[uid])) for uid in self.uids])

    def real_pixels(self) -> dict[Part, Tensor]:
        """Model pixels of the real views."""
        refs = {v.part: [ref for row in self.rows if (ref := row.image(v))] for v in View}
        return {part: self.bench.vision.pixels(self.bench.split, of_view) for part, of_view in refs.items()}

    def seen(self, pixels: Tensor) -> np.ndarray:
        """The judge's features (n, 1280)."""
        parts = [self.bench.vision.features_of(pixels[i : i + 32]) for i in range(0, len(pixels), 32)]
        return np.concatenate(parts)

    def score_views(self, tally: Tally, view: View, files: Mapping[str, Path], made_by: Sequence[str]) -> None:
        """Drawings as a set, by what they show, and by their view."""
        vision = self.bench.vision
        found = self.seen(self.pixels(files))
        refs = [ref for row in self.rows if (ref := row.image(view))]
        real = vision.features(self.bench.split, refs)
        tally.add(self.bench.name, self._distances(real, found, made_by))
        stored = [ref for row in self.bench.train if (ref := row.image(view))]
        if len(stored) >= len(real):
            order = np.random.default_rng(SEED).permutation(len(stored))[: len(real)]
            floor = vision.features(self.bench.train, [stored[i] for i in order])
            tally.add(REAL, self._distances(real, floor, made_by))
        truth = np.stack([known_labels(row, view) for row in self.rows])
        chances = {self.bench.name: vision.chances(found), REAL: vision.chances(real)}
        right = (chances[self.bench.name][:, -1] > 0.5) == (view is View.LATERAL)
        tally.add(self.bench.name, {score_name("accuracy", "view", *made_by, JUDGE): self.draw(mean(right))})
        if self.order is not None:
            chances[SHUFFLED] = chances[self.bench.name][self.order]
        for system, p in chances.items():
            names = (*made_by, JUDGE, LABELLER)
            areas = score_auroc(truth, p[:, : len(OBSERVATIONS)], OBSERVATIONS, *names, bootstrap=self.draw)
            tally.add(system, {name: area for name, area in areas.items() if "observations" in name})

    def _distances(self, real: np.ndarray, found: np.ndarray, made_by: Sequence[str]) -> Results:
        name = score_name("frechet", *made_by, JUDGE)
        if len(real) <= NEAREST:
            return {name: f"unavailable: {len(real)} images are too few; score {NEAREST + 1} or more"}
        scores = SetScores(real, found, NEAREST)
        few = self.bench.bootstrap(self.uids, FRECHET_SAMPLES)(scores.frechet)
        sets = {m: self.draw(getattr(scores, m)) for m in ("precision", "recall")}
        named = {score_name(m, *made_by, JUDGE, f"k={NEAREST}"): value for m, value in sets.items()}
        return {name: recentred(few.value, few.draws), **named}

    def score_reports(self, tally: Tally, reports: Mapping[str, Report], made_by: Sequence[str]) -> None:
        """Words and content of the findings."""
        place = [i for i, row in enumerate(self.rows) if row.report.findings]
        own = Tally(TASK, self.bench.name, [self.uids[i] for i in place])
        truth = [self.rows[i].report.findings for i in place]
        texts = {self.bench.name: [reports[self.uids[i]].findings for i in place]}
        if orders := others([self.rows[i].patient for i in place]):
            texts[SHUFFLED] = [texts[self.bench.name][i] for order in orders for i in order]
        for system, written in texts.items():
            several, draw = self.bench.facing(truth, written, own.studies)
            words = score_reports(several, written, ", ".join(("findings", *made_by)), draw, self.bench.protocol)
            own.add(system, {k: v for k, v in words.items() if k.startswith(("bleu4", "rouge_l"))})
            names = ("findings", *made_by, LABELLER, CERTAIN)
            content = score_f1(stated(several, CERTAIN), stated(written, CERTAIN), OBSERVATIONS, *names, bootstrap=draw)
            own.add(system, {k: v for k, v in content.items() if k.startswith("f1_")})
        own.count(
            self.bench.name,
            score_name("different_texts", "findings", *made_by),
            len(set(texts[self.bench.name])),
        )
        own.gaps()
        tally.scores += own.scores


# -- do the parts of a study agree? -----------------------------------------------------------------------------------


def _score_agreement(studies: _Studies, made: Mapping[tuple[Direction, Engine], Made], reader: AnyToAny) -> None:
    """Likeness in the aligned space, and disagreement on the observations, of every two parts made of one study."""
    bench = studies.bench
    seen = {
        direction: _Seen(
            studies, {p: studies.pixels(files) for p, files in parts.views.items() if files}, parts, reader
        )
        for (direction, engine), parts in made.items()
        if engine is Engine.DIFFUSION
    }
    real = _Seen(studies, studies.real_pixels(), Made({}, {row.uid: row.report for row in studies.rows}), reader)
    tally = Tally(TASK, bench.name, studies.uids)
    for direction, whole in seen.items():
        for a, b in combinations(direction.want, 2):
            alone = [seen.get(Direction(direction.given, (part,))) for part in (a, b)]
            pair = f"{_LETTERS[a]} and {_LETTERS[b]} of {direction}"
            for name, measure in (("similarity", _similarity), ("disagreement", _disagreement)):
                own = score_name(name, pair)
                one = studies.draw(mean(measure(whole, a, whole, b)))
                tally.add(bench.name, {own: one})
                tally.add(REAL, {own: studies.draw(mean(measure(real, a, real, b)))})
                if studies.order is not None:
                    tally.add(SHUFFLED, {own: studies.draw(mean(measure(whole, a, whole.of(studies.order), b)))})
                if alone[0] and alone[1]:
                    other = studies.draw(mean(measure(alone[0], a, alone[1], b)))
                    tally.add(bench.name, {score_name(name, pair, "made apart"): other})
                    gain: Interval = difference(one, other)  # type: ignore[assignment]
                    tally.add(bench.name, {score_name(f"{name}_gain", pair): gain})
    tally.gaps()
    bench.scores += tally.scores


class _Seen:
    """Vectors (n, width) and chances of the observations (n, 14) of the parts of studies.

    Args:
        studies: whose.
        pixels: (n, 1, R, R) of their views.
        made: their reports.
        reader: whose aligned space the vectors are of.
    """

    def __init__(self, studies: _Studies, pixels: Mapping[Part, Tensor], made: Made, reader: AnyToAny) -> None:
        vision = studies.bench.vision
        self.vectors: dict[Part, np.ndarray] = {}
        self.chances: dict[Part, np.ndarray] = {}
        for part, shown in pixels.items():
            found = reader.pixel_vectors(vision.classifier, shown.to(vision.device), part.view)
            self.vectors[part] = found.cpu().numpy()
            self.chances[part] = vision.chances(studies.seen(shown))[:, : len(OBSERVATIONS)]
        if made.reports:
            reports = [made.reports[uid] for uid in studies.uids]
            self.vectors[Part.REPORT] = reader.report_vectors(reports).cpu().numpy()
            texts = [f"{report.findings} {report.impression}" for report in reports]
            self.chances[Part.REPORT] = stated(texts, CERTAIN).astype(np.float64)

    def of(self, order: np.ndarray) -> _Seen:
        """Those of the studies at these places."""
        other = copy(self)
        other.vectors = {part: x[order] for part, x in self.vectors.items()}
        other.chances = {part: x[order] for part, x in self.chances.items()}
        return other


def _similarity(x: _Seen, a: Part, y: _Seen, b: Part) -> np.ndarray:
    return np.asarray((x.vectors[a] * y.vectors[b]).sum(1), np.float64)


def _disagreement(x: _Seen, a: Part, y: _Seen, b: Part) -> np.ndarray:
    return np.asarray(np.abs(x.chances[a] - y.chances[b]).mean(1), np.float64)


def _show(studies: _Studies, made: Mapping[tuple[Direction, Engine], Made]) -> None:
    """A sheet a view: real images, then what each direction made of the same studies."""
    bench, picks = studies.bench, spread(studies.rows, SHOWN)
    for part in VIEWS:
        refs = [ref for row in picks if (ref := row.image(part.view))]
        cells = [Transform.to_image(bench.vision.pixels(bench.split, [ref])[0]) for ref in refs]
        lines = ["real"]
        for (direction, engine), parts in made.items():
            if part in direction.want:
                files = [parts.views[part][row.uid] for row in picks]
                cells += [Transform.to_image(bench.vision.transform(read_image(file))) for file in files]
                lines.append(f"{direction} by {engine}")
        if len(lines) > 1:
            caption = "From above: " + ", ".join(lines) + "."
            bench.exhibits.append(picture(TASK, f"Completed, {part}", caption, cells, len(picks)))
