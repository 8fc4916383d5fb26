"""Studies as any-to-any learns them: what their X-rays were computed to, and their reports whole or in part.

People draw from a sentence as well as from a report, so that a report is shown in several wordings of itself: whole,
one section, or some of its sentences.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from radloom.classifier.model import targets as image_targets
from radloom.corpora.manifest import Row
from radloom.corpora.tokens import TokenStore
from radloom.diffusion.alignment import REGIONS
from radloom.reports.cleaning import sentences
from radloom.reports.labeller import label
from radloom.study import OBSERVATIONS, Mention, Part, Report, View

EXCERPTS = 3
"""Excerpts of some sentences that are made of each report."""


@lru_cache(maxsize=65536)
def excerpts(report: Report, seed: int) -> tuple[Report, ...]:
    """A report whole, its sections, and `EXCERPTS` selections of its sentences; each not empty.

    Which sentences, depends on the text and the seed.
    """
    found = [report]
    if report.findings and report.impression:
        found += [Report(findings=report.findings), Report(impression=report.impression)]
    all_sentences = sentences(f"{report.findings} {report.impression}")
    random = np.random.default_rng((seed, zlib.crc32(f"{report.findings}|{report.impression}".encode())))
    for _ in range(EXCERPTS if len(all_sentences) > 1 else 0):
        kept = random.choice(len(all_sentences), random.integers(1, min(3, len(all_sentences) - 1) + 1), replace=False)
        found.append(Report(findings=" ".join(all_sentences[i] for i in sorted(kept))))
    return tuple(found)


@lru_cache(maxsize=65536)
def targets(report: Report) -> tuple[Tensor, Tensor]:
    """Of each observation, whether the report says it is there (14,), and whether that is worth learning (14,)."""
    said = label(report)
    values = [said.get(o) is Mention.POSITIVE for o in OBSERVATIONS]
    return torch.tensor(values).float(), torch.tensor([said.get(o) is not Mention.UNCERTAIN for o in OBSERVATIONS])


def observed(row: Row) -> tuple[Tensor, Tensor]:
    """The same of a study's X-rays, by its own labels: cleaning may have taken sentences out of its report."""
    values, weights = image_targets(row.labels, has_report=bool(row.report), view=View.FRONTAL)
    return values[: len(OBSERVATIONS)], weights[: len(OBSERVATIONS)] > 0


@dataclass(frozen=True)
class StudyTable:
    """The studies of a split with what was computed of their images.

    Attributes:
        rows: studies with cleaned reports.
        store: codes and features of their images.
        seed: of the excerpts.
    """

    rows: Sequence[Row]
    store: TokenStore
    seed: int

    def __len__(self) -> int:
        return len(self.rows)

    def random(self, index: int, epoch: int) -> np.random.Generator:
        """What is random about a study in an epoch."""
        return np.random.default_rng((self.seed, epoch, index))

    def paths(self, index: int, part: Part) -> list[str]:
        """The images of a study that are that part."""
        return [ref.path for ref in self.rows[index].images if ref.view is part.view]

    def path(self, index: int, part: Part, random: np.random.Generator) -> str | None:
        """One of them, or None."""
        found = self.paths(index, part)
        return found[random.integers(len(found))] if found else None

    def features(self, path: str, random: np.random.Generator | None = None) -> Tensor:
        """(4, 1280) features of an image; of any of its variants where one is drawn."""
        variant = int(random.integers(self.store.variants(path))) if random else 0
        return torch.from_numpy(self.store.features(path, variant)).view(REGIONS, -1)

    def excerpts(self, index: int) -> tuple[Report, ...]:
        """See `excerpts`; none for a study without a report."""
        report = self.rows[index].report
        return excerpts(report, self.seed) if report else ()

    def name(self, index: int) -> str:
        """For error messages."""
        row = self.rows[index]
        return f"{row.corpus}/{row.uid}"
