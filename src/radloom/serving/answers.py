"""What is answered: a report, drawings, an answer, what the classifier finds, or completions of a study."""

from __future__ import annotations

from dataclasses import dataclass

from radloom.reports.rule_answers import Answerer
from radloom.reports.spans import Span
from radloom.settings import Engine
from radloom.study import Mention, Part, View


@dataclass(frozen=True)
class ReportAnswer:
    """A report.

    Attributes:
        findings, impression: its sections.
        mentions: observation -> what the report says of it, as the rule-based labeller reads it.
        spans: the words that say so, each with its `section`, `start` and `end` in it (in Unicode code points),
            `observation` and `mention`.
        remarks: sentences on what is odd about the images.
        seed: of sampling.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    findings: str
    impression: str
    mentions: dict[str, Mention]
    spans: list[Span]
    remarks: list[str]
    seed: int
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Drawing:
    """A drawn X-ray.

    Attributes:
        png: an 8-bit grey PNG, base64, whose metadata say that it is synthetic.
        seed: of sampling.
        dicom: the same as a DICOM Secondary Capture Image, base64, where it was asked for.
    """

    png: str
    seed: int
    dicom: str | None = None


@dataclass(frozen=True)
class ImageAnswer:
    """Drawn X-rays of one view.

    Attributes:
        images: one a seed.
        view: frontal or lateral.
        engine: that drew them.
        remarks: sentences on what of the text was not read.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    images: list[Drawing]
    view: View
    engine: Engine
    remarks: list[str]
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class AskAnswer:
    """The answer to a question about an X-ray.

    Attributes:
        answer: a word or a few.
        by: what answered.
        remarks: a sentence on an image that does not look like an upright chest X-ray.
        seed: of sampling.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    answer: str
    by: Answerer
    remarks: list[str]
    seed: int
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class CheckAnswer:
    """What the classifier finds in an X-ray.

    Attributes:
        view: frontal or lateral, as it looks.
        observations: the probability of each of the 14.
        signs: that of each of eleven signs, such as hyperinflation; empty for a model that reads none.
        remarks: a sentence on an image that does not look like an upright chest X-ray.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    view: View
    observations: dict[str, float]
    signs: dict[str, float]
    remarks: list[str]
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class SaliencyAnswer:
    """Where the classifier finds it.

    Attributes:
        saliency: observation -> rows of a map over the square that the model sees; none negative, mean 1.
        fit: how the picture is brought to that square, see `imaging.Transform`.
        remarks: a sentence on an image that does not look like an upright chest X-ray.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    saliency: dict[str, list[list[float]]]
    fit: str
    remarks: list[str]
    model: str
    seconds: float = 0.0


@dataclass(frozen=True)
class MadeReport:
    """A report that was made.

    Attributes:
        findings, impression: its sections.
        mentions: observation -> what the report says of it, as the rule-based labeller reads it.
        spans: the words that say so, each with its `section`, `start` and `end` in it (in Unicode code points),
            `observation` and `mention`.
    """

    findings: str
    impression: str
    mentions: dict[str, Mention]
    spans: list[Span]


@dataclass(frozen=True)
class Completion:
    """What was made of a study; None are the parts that were not wanted.

    Attributes:
        seed: of sampling.
        frontal, lateral: drawings.
        report: the text.
    """

    seed: int
    frontal: Drawing | None = None
    lateral: Drawing | None = None
    report: MadeReport | None = None


@dataclass(frozen=True)
class CompleteAnswer:
    """Completions of a study.

    Attributes:
        samples: one a seed.
        given, made: parts of the study.
        engines: that made each part.
        remarks: sentences on what is odd about the images, and on what of the report was not read.
        model: fingerprint of the model.
        seconds: from the request to the answer.
    """

    samples: list[Completion]
    given: list[Part]
    made: list[Part]
    engines: dict[Part, Engine]
    remarks: list[str]
    model: str
    seconds: float = 0.0


Answer = ReportAnswer | ImageAnswer | AskAnswer | CheckAnswer | SaliencyAnswer | CompleteAnswer
