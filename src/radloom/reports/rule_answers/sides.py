"""On which side something is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from radloom.reports.rule_answers.subject import subject
from radloom.reports.rule_answers.wording import reworded
from radloom.study import Side

_OF = r"(?: of the (?:chest|thorax|patient|body))?"
_PART = rf"(?:[- ]?sided?)?(?: (?:lungs?(?: fields?)?|sides?|hemithorax|chest))?{_OF}"
_AT = r"(?:(?:in|on|at|within) )?(?:(?:the|patient's|patients) )*"
_WHICH = (
    rf"\b{_AT}(?:(?:which|what) (?:side|hemithorax)|which lung(?= (?:is|are|has|have|shows?|can|does|do|of)\b|[,:]|$))"
    rf"{_OF}(?: has\b)?"
)
_BOTH = rf"(?:{_AT}both|bilateral){_PART}"
_WHICH_SIDE = re.compile(
    rf"{_WHICH}|\b{_AT}(?:left{_PART},? or {_AT}right|right{_PART},? or {_AT}left){_PART}(?:,? or {_BOTH})?\b"
    rf"|\b{_AT}(?:left{_PART}, {_AT}right|right{_PART}, {_AT}left){_PART},? or {_BOTH}\b"
)
"""What asks for a side, by that word or by naming them all."""

_BILATERAL = r"\bbilateral(?:ly)?\b"
_BOTH_SIDES = re.compile(
    rf"{_BILATERAL}|\b{_AT}(?:both|(?:both )?(?:left and right|right and left)) "
    rf"(?:lungs?(?: fields?)?|sides|hemithoraces)\b{_OF}"
)
_ONE_SIDE = re.compile(
    rf"\b(?:in|on|at|within) (?:(?:the|patient's|patients) )*(left|right){_PART}\b"
    rf"|\b(?:(?:the|patient's|patients) )*(left|right)(?:[- ]sided?\b|(?= (?:lungs?|sides?|hemithorax)\b)){_PART}\b"
    rf"|\b(left|right)(?= \w)"
)
"""The last, a side alone, has to stand before what is on it: `right` may be `correct`, and `left` `remaining`."""

_PICTURES = r"(?:(?:image|picture|film|xray|radiograph|cxr|scan|view)s?|stud(?:y|ies))"
_OTHER_SIDES = re.compile(r"\b(?:left|right) patient\b|\b(?:patient|chest) on the (?:left|right)\b")
"""Sides of a row of patients."""

_SHOWN_IN = re.compile(
    rf"^(?:does|is) (?:this|the) (?:chest )?{_PICTURES} (?=(?:show|have|reveal|demonstrate|depict|free|without)\b)"
    rf"|(?: (?:seen|visible|shown|present))? on (?:this|the) (?:chest )?{_PICTURES}$"
)
"""Where a question speaks of a picture, but not of the sides of it or of one of two."""


def side_answer(question: str, positive: Collection[str] | None, sides: Mapping[str, Side]) -> str | None:
    """`left`, `right` or `both`, or `yes` or `no`; None for a question about anything but the side of one observation.

    Args:
        question: any text: on which side something is, or whether it is there on one of them, or on both.
        positive: the observations that are there; None where nobody has looked.
        sides: the side of each observation whose side was looked for, if it is there.
    """
    asked = reworded(question)
    asked = re.sub(r"\bthe pleural change\b", "the pleural thickening", asked)
    if _OTHER_SIDES.search(asked) or re.search(rf"\b{_PICTURES}\b", _SHOWN_IN.sub("", asked)):
        return None
    text, asks = _WHICH_SIDE.subn(" ", asked)
    pairs = _BOTH_SIDES.findall(text)
    text = _BOTH_SIDES.sub(" ", text)
    on = _ONE_SIDE.findall(text)
    about = subject(" ".join(_ONE_SIDE.sub(" ", text).split()))
    if bool(asks) + len(pairs) + len(on) != 1 or about is None or not about.whole or about.name not in sides:
        return None
    if on and on[0][-1] and not re.search(rf"\b{on[0][-1]} {about.words}", text):
        return None
    side = sides[about.name]
    there = positive is not None and about.name in positive
    if asks:
        presupposed = bool(
            re.search(_WHICH, asked) or re.search(rf"\b(?:the|this|these|that|those) {about.words}", text)
        )
        if not about.present or (positive is None and not presupposed):
            return None
        return side.value if there or presupposed else "no"
    if positive is None or (pairs and not about.present and re.search(_BILATERAL, pairs[0])):
        return None
    free = bool(pairs) and not about.present  # both lungs are free: neither has it
    covered = side is Side.BOTH or any(side.value in names for names in on) or free
    return "yes" if (there and covered) is about.present else "no"
