"""The one noun: a chest X-ray study, whole or with parts missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL.Image import Image as PILImage

from radloom.errors import ReportError, member

OBSERVATIONS: tuple[str, ...] = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""The 14 observations of CheXpert (Irvin et al. 2019, arXiv 1901.07031), in its order."""

SIGNS: tuple[str, ...] = (
    "Hyperinflation",
    "Low Lung Volumes",
    "Tortuous Aorta",
    "Aortic Calcification",
    "Degenerative Spine",
    "Scoliosis",
    "Hiatal Hernia",
    "Elevated Hemidiaphragm",
    "Sternotomy",
    "Pacemaker",
    "Central Venous Catheter",
)
"""What reports also say, beside the 14 observations, and an X-ray shows; see `reports.signs`."""

SIDED: tuple[str, ...] = (
    "Lung Opacity",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
)
"""Observations whose side is read in a frontal view; see `classifier.sides`."""


def slug(observation: str) -> str:
    """An observation as part of a name: `pleural-effusion`."""
    return observation.lower().replace(" ", "-")


class Side(StrEnum):
    """On which of the patient's sides a finding is."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


class View(StrEnum):
    """The two projections of a chest study; AP and PA are both frontal."""

    FRONTAL = "frontal"
    LATERAL = "lateral"

    @property
    def number(self) -> int:
        """What networks are told of it."""
        return list(View).index(self)

    @property
    def part(self) -> Part:
        """The part of a study that it is."""
        return Part(self.value)


class Part(StrEnum):
    """What a study is made of: its views and its report."""

    FRONTAL = "frontal"
    LATERAL = "lateral"
    REPORT = "report"

    @property
    def view(self) -> View:
        """The view that it is.

        Raises:
            ValueError: it is the report.
        """
        return View(self.value)


VIEWS = (Part.FRONTAL, Part.LATERAL)
"""The parts of a study that are views."""


class Mention(StrEnum):
    """What a report says of an observation. Not mentioned at all is `None`, never a member of this."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    UNCERTAIN = "uncertain"


SECTIONS = ("findings", "impression")
"""Sections of a report that models write, in their order."""


@dataclass(frozen=True)
class Report:
    """The sections of a report that radloom reads and writes; a missing section is the empty string."""

    findings: str = ""
    impression: str = ""
    indication: str = ""

    def __bool__(self) -> bool:
        return bool(self.findings or self.impression)


@dataclass(frozen=True)
class Question:
    """A question about a study and its answer.

    Attributes:
        qid: unique within its corpus.
        question, answer: plain sentences.
        answer_type: `"closed"` (yes/no or a choice named in the question) or `"open"`.
        question_type: presence, location, side, severity, normality, or the corpus's own word for it.
        image: path of the one image it is about, relative to the manifest's root; `""` when it is about the study.
    """

    qid: str
    question: str
    answer: str
    answer_type: str
    question_type: str
    image: str = ""


Image = Path | str | bytes | PILImage | np.ndarray
"""An X-ray: a file by its path or its bytes, a picture of Pillow, or an array (H, W) in [0, 1] with bones bright."""


@dataclass(frozen=True)
class Study:
    """A frontal view, a lateral view and a report, each there or missing.

    Attributes:
        uid: name of the study within its corpus; `""` for one made up on the spot.
        frontal, lateral: the views, as files or arrays.
        report: the report.
        labels: observation -> what the report says of it; unmentioned observations are absent.
        source: where the study comes from: a corpus, or the model that made it.
    """

    uid: str = ""
    frontal: Image | None = None
    lateral: Image | None = None
    report: Report | None = None
    labels: dict[str, Mention] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.report, str):
            raise ReportError("The report of a study is a text; give it as Report(findings=..., impression=...).")

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that it has; an empty report is none."""
        there = (self.frontal is not None, self.lateral is not None, bool(self.report))
        return tuple(part for part, has in zip(Part, there, strict=True) if has)

    def view(self, view: View | str) -> Image | None:
        """The image of that view, or None."""
        return self.frontal if member(View, view) is View.FRONTAL else self.lateral
