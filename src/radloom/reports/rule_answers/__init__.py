"""Questions that need no language model: what the classifier and its readers see decides them.

Which observations and signs are there, on which side, how large the heart is, which view it is, and whether it is a
chest X-ray. Each module knows one kind of question and answers None of all others. The rule-based labeller reads what
is asked about; a question with any word that is not expected beside it is left alone: place, size, degree, change and
technique all need such words. But where nothing is, no kind of it is either.

An answer of a rule is what the report of the same X-ray states; `rule_answer` tries them in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from radloom.reports.rule_answers.pictures import kind_answer, view_answer
from radloom.reports.rule_answers.presence import presence_answer, size_answer
from radloom.reports.rule_answers.sides import side_answer
from radloom.study import Side, View


class Answerer(StrEnum):
    """What of a model answers a question."""

    CLASSIFIER = "classifier"
    LANGUAGE = "language model"


class Reply(str):
    """The answer to a question, a string that knows where it comes from.

    Attributes:
        by: the classifier, whose evidence answers plain questions, or the language model.
    """

    by: Answerer

    def __new__(cls, text: str, by: Answerer) -> Self:
        reply = super().__new__(cls, text)
        reply.by = by
        return reply

    def __getnewargs__(self) -> tuple[str, Answerer]:  # type: ignore[override]
        return str(self), self.by


@dataclass(frozen=True)
class Findings:
    """What is seen in one X-ray.

    Attributes:
        view: frontal or lateral.
        positive: the observations that are there; None where nobody has looked.
        signs: whether each sign that was looked for is there.
        sides: of each observation whose side was looked for, where it is if it is there.
    """

    view: View
    positive: Set[str] | None = None
    signs: Mapping[str, bool] = field(default_factory=dict)
    sides: Mapping[str, Side] = field(default_factory=dict)


def rule_answer(question: str, found: Findings, is_chest: Callable[[], bool]) -> str | None:
    """The answer of the first rule that has one; None of a question that is not decided by what is seen.

    Args:
        question: any text.
        found: in the X-ray.
        is_chest: whether the picture passes for a chest X-ray; called where the question asks for it.
    """
    return (
        view_answer(question, found.view)
        or side_answer(question, found.positive, found.sides)
        or size_answer(question, found.positive)
        or presence_answer(question, found.positive, found.signs, found.sides)
        or kind_answer(question, is_chest)
    )
