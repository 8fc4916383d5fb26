"""Which view an X-ray is, and whether it is one."""

from __future__ import annotations

import re
from collections.abc import Callable

from radloom.reports.rule_answers.wording import reworded
from radloom.study import View

_PICTURE = r"(?:this|it|(?:the|this) (?:chest )?(?:image|picture|film|view|xray|radiograph|cxr|study|scan))"
_FILM = r"(?: chest)?(?: (?:view|film|image|picture|xray|radiograph|cxr|projection|plane))?(?: of the chest)?"
_VIEW = re.compile(rf"is {_PICTURE} (?:an? |the |in (?:an? |the )?|taken in (?:an? |the )?)?(?:chest )?(\w+){_FILM}")
_WHICH_VIEW = re.compile(
    rf"(?:which|what) (?:view|projection) is {_PICTURE}"
    rf"|is {_PICTURE} (?:an? )?(?:frontal(?: view)? or (?:an? )?lateral|lateral(?: view)? or (?:an? )?frontal){_FILM}"
)
_NAMES_OF_VIEWS = {"frontal": View.FRONTAL, "lateral": View.LATERAL}
_FRONTAL_ALONE = ("pa", "ap", "posteroanterior", "anteroposterior")
"""Projections that a lateral view is not; which of them a frontal view is, the classifier does not see."""

_SCAN = r"ct|cta|cat|mri?|mra|pet|ultrasound|sonogram|mammogram|angiogram|fluoroscopy"
_XRAY_ALONE = r"(?:plain )?(?:film )?(?:chest |thoracic )?(?:xray|radiograph|cxr)(?: of the (?:chest|thorax))?"
_KINDS = {
    rf"is {_PICTURE} an? {_XRAY_ALONE}": "yes",
    rf"is {_PICTURE} an? (?:image|picture|study|film) of the (?:chest|thorax)": "yes",
    rf"is {_PICTURE} an? (?:chest |thoracic )?(?:{_SCAN})(?: (?:scan|image|study))?(?: of the \w+)?": "no",
}
"""A whole question about the kind of picture -> what is true of chest X-rays."""


def view_answer(question: str, view: View) -> str | None:
    """`frontal`, `lateral`, `yes` or `no`; None for a question about anything but the view, or about PA or AP alone.

    Args:
        question: any text.
        view: of the X-ray.
    """
    text = reworded(question)
    if _WHICH_VIEW.fullmatch(text):
        return view.value
    named = match[1] if (match := _VIEW.fullmatch(text)) else ""
    if named in _NAMES_OF_VIEWS:
        return "yes" if _NAMES_OF_VIEWS[named] is view else "no"
    return "no" if named in _FRONTAL_ALONE and view is View.LATERAL else None


def kind_answer(question: str, is_chest: Callable[[], bool]) -> str | None:
    """`yes` or `no`; None for a question about anything but whether it is a chest X-ray or another scan.

    What else a picture is that is no chest X-ray, nobody has looked.

    Args:
        question: any text.
        is_chest: whether the picture passes for a chest X-ray; called where the question asks for it.
    """
    text = reworded(question)
    asked = next((answer for pattern, answer in _KINDS.items() if re.fullmatch(pattern, text)), None)
    if asked is None or is_chest():
        return asked
    return "no" if asked == "yes" else None
