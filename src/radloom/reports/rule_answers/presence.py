"""What is there, and how large the heart is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Set
from typing import NamedTuple

from radloom.reports.facts import LUNGS
from radloom.reports.labeller import NO_FINDING, SUPPORT_DEVICES
from radloom.reports.rule_answers.subject import subject
from radloom.reports.rule_answers.wording import XRAY, reworded
from radloom.study import SIGNS, Side

_LUNGS_AND_PLEURA = LUNGS | {"Pneumothorax", "Pleural Effusion", "Pleural Other", "Hyperinflation", "Low Lung Volumes"}
_PLEURA_BELOW = {"Pleural Effusion", "Pleural Other"}
_FLUID = {"Pleural Effusion", "Edema"}

_ARE = r"(?:is|are)"
_THE = r"(?:(?:the|patient's) )*"
_LOOKS = rf"(?:is|does) (?:{XRAY}|this|it|everything) (?:(?:look|appear) )?(?:an? )?"
_ABNORMALITY = r"(?:abnormalit(?:y|ies)|abnormal findings?|anything (?:wrong|abnormal))"
_SEEN = rf"(?: (?:seen|present|visible|shown))?(?: (?:in|on|with) {XRAY})?"
_ASKED = rf"(?:{_ARE} (?:there )?|does {XRAY} (?:show|have) |(?:do|can) you see )?(?:any |an )?"
_DENIED = rf"{_ARE} (?:there no|{XRAY} (?:free of|without)) (?:any )?"
_SIDE = r"(?P<side>left|right) "
_LUNG = rf"{_THE}(?:{_SIDE}(?:lung(?: fields?)?|hemithorax)|(?:both )?{_THE}(?:lungs?|lung fields?))"
_ANGLE = rf"{_THE}(?:{_SIDE})?costophrenic (?:angles?|recess(?:es)?|sulc(?:us|i))"
_EVIDENCE = r"(?:(?:evidence|presence) of )?(?:any )?"


class _Whole(NamedTuple):
    """A whole question about several observations or signs at once.

    Attributes:
        asks: its pattern; a group `side` is where it asks about one side.
        present: whether `yes` says that one of them is there, or that none is.
        names: of them.
    """

    asks: str
    present: bool
    names: Set[str]


_WHOLE = (
    # Is this normal? Are the findings normal?
    _Whole(rf"{_LOOKS}normal(?: {XRAY})?", True, {NO_FINDING}),
    _Whole(rf"{_ARE} (?:the|these) findings normal", True, {NO_FINDING}),
    _Whole(rf"{_DENIED}{_ABNORMALITY}{_SEEN}", True, {NO_FINDING}),
    # Is this abnormal? Is anything wrong?
    _Whole(rf"{_LOOKS}abnormal(?: {XRAY})?", False, {NO_FINDING}),
    _Whole(rf"{_ASKED}{_ABNORMALITY}{_SEEN}", False, {NO_FINDING}),
    # Are the lungs clear? Is the left lung normal? Are there abnormalities in the lungs?
    _Whole(rf"{_ARE} {_LUNG} clear", False, LUNGS),
    _Whole(rf"{_ARE} {_LUNG} normal(?: appearing)?", False, _LUNGS_AND_PLEURA),
    _Whole(rf"{_ARE} (?!.*\bboth\b){_LUNG} abnormal", True, _LUNGS_AND_PLEURA),
    _Whole(rf"{_ASKED}{_ABNORMALITY}(?: seen)? (?:in|with) (?!.*\bboth\b){_LUNG}", True, _LUNGS_AND_PLEURA),
    # Are the costophrenic angles sharp? Is there blunting of the left one?
    _Whole(rf"{_ARE} {_ANGLE} (?:sharp|clear|normal|free|well[- ]defined)", False, _PLEURA_BELOW),
    _Whole(rf"{_DENIED}{_EVIDENCE}blunting (?:of|in) {_ANGLE}", False, _PLEURA_BELOW),
    _Whole(rf"{_ARE} {_ANGLE} (?:blunted|obscured|obliterated)", True, _PLEURA_BELOW),
    _Whole(rf"{_ASKED}{_EVIDENCE}blunting (?:of|in) {_ANGLE}{_SEEN}", True, _PLEURA_BELOW),
    _Whole(rf"{_ASKED}{_EVIDENCE}{_ANGLE} blunting{_SEEN}", True, _PLEURA_BELOW),
    # Is there fluid in the lungs?
    _Whole(rf"{_ASKED}fluid{_SEEN} in {_LUNG}", True, _FLUID),
)

_EXISTS = re.compile(rf"(?:{_ARE} there|do you see|can you see|does {XRAY} (?:show|have)|any)\b")
"""How a question begins that asks of several things whether they are there, not which of them it is."""

_HEART = r"(?:(?:the|patient's|this) )*(?:heart|cardiac silhouette)"
_HEART_SIZE = re.compile(
    rf"how (?:big|large|wide|enlarged) is {_HEART}|what size is {_HEART}"
    rf"|(?:what|how) is (?:the )?(?:size of {_HEART}|heart size|cardiac size)"
)


def presence_answer(
    question: str,
    positive: Collection[str] | None,
    signs: Mapping[str, bool] | None = None,
    sides: Mapping[str, Side] | None = None,
) -> str | None:
    """`yes` or `no`; None for a question about anything but plain presence or normality.

    An X-ray is normal where none of the observations but support devices is there, nor any sign: where a report states
    nothing abnormal. What is not there is there of no kind and in no place; of what is there, kind and place are open.

    Args:
        question: any text.
        positive: the observations that are there; None where nobody has looked.
        signs: whether each sign that was looked for is there.
        sides: the side of each observation whose side was looked for, if it is there.
    """
    asked = _asked(reworded(question))
    if asked is None:
        return None
    looked = signs or {}
    unseen = not asked.names <= looked.keys() if asked.names <= set(SIGNS) else positive is None
    if unseen or (asked.joined and not asked.names & set(SIGNS) <= looked.keys()):
        return None
    there = set(positive or ()) - {NO_FINDING}
    there |= {sign for sign, seen in looked.items() if seen}
    if not there - {SUPPORT_DEVICES}:
        there.add(NO_FINDING)
    found = there & asked.names
    if found and not asked.whole:
        return None
    if asked.joined == "and":
        return "yes" if found == asked.names else "no"
    is_there = bool(found) if asked.side is None else _on(asked.side, found, sides or {})
    return None if is_there is None else "yes" if is_there is asked.present else "no"


def size_answer(question: str, positive: Collection[str] | None) -> str | None:
    """`enlarged` or `normal`; None for a question about anything but how large the heart is.

    Args:
        question: any text.
        positive: the observations that are there; None where nobody has looked.
    """
    if positive is None or not _HEART_SIZE.fullmatch(reworded(question)):
        return None
    return "enlarged" if "Cardiomegaly" in positive else "normal"


class _Asked(NamedTuple):
    """What a question asks for.

    Attributes:
        names: the observations or signs.
        present: whether `yes` says that one of them is there, or that none is.
        whole: whether it asks for all sorts of them, everywhere.
        side: the one side that it asks about.
        joined: `and` where it asks whether all of them are there, `or` where one is enough and each is named.
    """

    names: Set[str]
    present: bool
    whole: bool = True
    side: str | None = None
    joined: str = ""


def _asked(text: str) -> _Asked | None:
    for question in _WHOLE:
        if match := re.fullmatch(question.asks, text):
            return _Asked(question.names, question.present, side=match.groupdict().get("side"))
    if about := subject(text):
        return _Asked({about.name}, about.present, about.whole)
    for joiner in ("or", "and"):
        each = [subject(part) for part in text.split(f" {joiner} ")] if _EXISTS.match(text) else []
        if len(each) > 1 and all(one and one.present and one.whole for one in each):
            return _Asked({one.name for one in each if one}, True, joined=joiner)
    return None


def _on(side: str, found: Set[str], sides: Mapping[str, Side]) -> bool | None:
    """Whether something of what was found is on that side; None where nobody has looked on which it is."""
    if any(name in SIGNS or sides.get(name) in (side, Side.BOTH) for name in found):  # those of lungs are on both
        return True
    return False if found <= sides.keys() else None
