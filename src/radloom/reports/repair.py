"""Text of a report made to agree with what was stated before it was written.

A small language model that has stated an effusion still writes, more often than not, the report of a normal chest.
`agree` mends that: sentences that say otherwise go, and what is then not said is said in plain words. These name no
place or size, since a statement knows none, and a side only where a reader has seen it. Sentences on the chest as a
whole go where they contradict what was stated: "Normal chest." beside anything, "No acute disease." beside what is
acute; and so do those that name another side than was seen. Signs (`signs.py`), which no statement names, are dealt
with in the same way where a reader has looked for them.

`proofread` mends the commonest slips of the language model's grammar, in what is left in the end; `unbroken` takes out
sentences that nothing mends, `without_repeats` what diffusion has written twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache

from radloom.reports.cleaning import sentences
from radloom.reports.facts import ACUTE, LUNGS, OBSERVED, OF_LUNGS, SAID_SIGNS
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.questions import named_sides, sides
from radloom.reports.signs import signs
from radloom.study import OBSERVATIONS, SECTIONS, SIGNS, Mention, Report, Side

NOTHING = "There is no acute cardiopulmonary abnormality."
"""What stands in place of a section of which no sentence is left."""

_CLEAR = re.compile(r"\blungs?\b.*\bclear\b", re.IGNORECASE)
_NOTHING_ACUTE = re.compile(r"\b(?:no|without|negative for)\b.*\b(?:acute|active)\b", re.IGNORECASE)
_OF_BONES = re.compile(r"\b(?:bon[ey]|osseous|skelet\w+|fractures?)\b", re.IGNORECASE)
_BONES_FINE = re.compile(
    r"\b(?:bon(?:es?|y)|osseous|skelet\w+|ribs?)\b(?:(?!\bnot\b)[^,;.])*\b(?:intact|unremarkable|normal)(?=[.,;]|$)"
    r"|\bno (?:acute )?(?:bone|bony|osseous|skeletal) (?:abnormalit|finding)",
    re.IGNORECASE,
)
_NORMAL = re.compile(
    r"\b(?:normal|negative|unremarkable) (?:chest|exam\w*|study|radiographs?|x-?rays?)\b", re.IGNORECASE
)

_NONE = r"no (?:(?!(?:no|or|and|of|in|on|for|to|with|from|the|evidence)\b)[a-z-]+ ){0,4}?"
_ONE_NOT_MANY = re.compile(
    rf"\b(there )are (?={_NONE}(?:finding|abnormality|opacity|effusion|infiltrate|consolidation|disease|pneumothorax"
    r"|process|nodule|mass|lesion|fracture)\b)",
    re.IGNORECASE,
)
_MANY_NOT_ONE = re.compile(
    rf"\b(there )is (?={_NONE}(?:findings|abnormalities|opacities|effusions|infiltrates|consolidations|pneumothoraces"
    r"|processes|nodules|masses|lesions|fractures|changes)\b)",
    re.IGNORECASE,
)
_TWICE = re.compile(
    r"(?<=^there )((?:is|are) no (?:(?!but\b|evidence\b)[\w -])*) (?:is|are) (?:seen|identified|noted|present)(?=\W*$)",
    re.IGNORECASE,
)
"""`There is no effusion is seen`: two ways to say it in one."""

_BROKEN = re.compile(
    r"\b(?:is|are)\b.* (?:in|of) the (?:lungs|bones) are\b"
    r"|\b(?:silhouette|heart|mediastinum|contours?|vasculature|lungs) (?:is|are) (?:no|there)\b(?! longer)"
    r"|^there is (?:an? |the )?(?:left|right) (?:lung )?(?:base|hemidiaphragm|hemithorax|lobe|lung)(?=[.,]|$)",
    re.IGNORECASE,
)
"""Two statements run into one, or a place without what is there."""

_REPEATED = re.compile(r"\b(\w+(?: \w+){0,3})(?: \1\b)+", re.IGNORECASE)
_STUCK = re.compile(r"(\w)\1{4}")

_FINE_AS = r"(?<!low )(?:normal|unremarkable)"
_INFLATED = re.compile(
    r"\b(?:normal(?:ly)?|well|adequate(?:ly)?|fully)[ -](?:inflat|expan|aerat|ventilat)\w+|\bclear and expanded\b"
    rf"|\b{_FINE_AS} (?:[\w,]+ )*?(?:lung volumes?|aeration)\b|\blung volumes?\b[^,;.]*\b(?:{_FINE_AS}|not low)\b",
    re.IGNORECASE,
)
_AORTA_FINE = re.compile(
    rf"\b{_FINE_AS} (?:[\w,]+ ){{0,3}}aort(?:a|ic (?:arch|knob|contour))\b"
    rf"|\baort(?:a|ic (?:arch|knob|contour))\b(?: [\w]+){{0,4}} {_FINE_AS}\b",
    re.IGNORECASE,
)
_SPINE_FINE = re.compile(
    rf"\b{_FINE_AS} (?:\w+ ){{0,2}}spine|\b(?:spine|vertebra\w*|bones|bony|osseous|skelet\w+)\b[^,;.]*\b{_FINE_AS}\b",
    re.IGNORECASE,
)
_DIAPHRAGM_FINE = re.compile(
    rf"\b{_FINE_AS} (?:hemi)?diaphragms?\b|\b(?:hemi)?diaphragms?\b[^,;.]*\b{_FINE_AS}\b", re.IGNORECASE
)
_FINE = {
    "Hyperinflation": _INFLATED,
    "Low Lung Volumes": _INFLATED,
    "Tortuous Aorta": _AORTA_FINE,
    "Aortic Calcification": _AORTA_FINE,
    "Degenerative Spine": _SPINE_FINE,
    "Scoliosis": _SPINE_FINE,
    "Elevated Hemidiaphragm": _DIAPHRAGM_FINE,
}
"""Sign -> what says that nothing of the kind is there."""


def agree(
    report: Report,
    positive: Collection[str],
    seen: Collection[str] | None = None,
    where: Mapping[str, Side] | None = None,
) -> Report:
    """The report with its written sections saying of these observations, and of no others, that they are there.

    Args:
        report: as a model wrote it; a section without text stays so.
        positive: the observations that were stated as positive.
        seen: the signs that are there. The findings say them, and no section says others, also none that nobody can
            see; None where nobody has looked, and signs are left as they were written.
        where: the side that observations are on, of those whose side was seen. What nothing else says is said with it,
            and no sentence that says it names another.
    """
    if seen is not None:
        positive, seen = together(positive, seen)
    findings = _agreed(report.findings, positive, seen, where or {})
    impression = _agreed(report.impression, positive, seen, where or {}, brief=True)
    return replace(report, findings=findings, impression=impression)


def proofread(report: Report) -> Report:
    """The report with verbs that fit their nouns: `There are no findings` for `There is no findings`."""
    mended = {name: " ".join(map(_in_number, sentences(getattr(report, name)))) for name in SECTIONS}
    return replace(report, **mended)


def unbroken(report: Report) -> Report:
    """The report without sentences in which two run into one another, or that name a place and not what is there.

    A section of none but such stays.
    """
    left = {name: " ".join(s for s in sentences(getattr(report, name)) if not _BROKEN.search(s)) for name in SECTIONS}
    return replace(report, **{name: text for name, text in left.items() if text})


def without_repeats(report: Report) -> Report:
    """The report without words and sentences that follow one another twice, as a denoised latent may hold them.

    A sentence with a letter five times in a row is no sentence; a section of none but such stays.
    """
    left = {name: " ".join(_once(getattr(report, name))) for name in SECTIONS}
    return replace(report, **{name: text for name, text in left.items() if text})


def _once(text: str) -> Iterator[str]:
    told: set[str] = set()
    for sentence in sentences(text):
        sentence = _REPEATED.sub(r"\1", sentence)
        if sentence.lower() not in told and not _STUCK.search(sentence):
            yield sentence
        told.add(sentence.lower())


def _in_number(sentence: str) -> str:
    return _MANY_NOT_ONE.sub(r"\1are ", _ONE_NOT_MANY.sub(r"\1is ", _TWICE.sub(r"\1", sentence)))


def together(positive: Collection[str], seen: Collection[str]) -> tuple[set[str], set[str]]:
    """What can be said together, of observations that are stated and signs that are there.

    Returns:
        The observations, `No Finding` not among them where a sign is a finding; and the signs, without two that exclude
        each other, and without those that are an observation which is not stated: wires are support devices.
    """
    fitting = {sign for sign in seen if _implied(sign) <= set(positive)}
    fitting -= OF_LUNGS if fitting >= OF_LUNGS else set()
    return set(positive) - ({NO_FINDING} if any(map(_found, fitting)) else set()), fitting


def _agreed(
    text: str,
    positive: Collection[str],
    seen: Collection[str] | None,
    where: Mapping[str, Side],
    brief: bool = False,
) -> str:
    """A section that agrees; a brief one needs no sentence on signs that are no observation."""
    positive = set(positive) - {NO_FINDING}
    kept: list[str] = []
    said: set[str] = set()
    denied: set[str] = set()  # by sentences that go
    place: int | None = None
    for sentence in sentences(text):
        mentions = {name: mention for name, mention in label(sentence).items() if name != NO_FINDING}
        named = {} if seen is None else signs(sentence)
        there = positive | set(seen or ())
        agrees = all((mention is Mention.POSITIVE) == (name in there) for name, mention in (mentions | named).items())
        if agrees and not contradicts(sentence, positive, seen or ()) and not _elsewhere(sentence, mentions, where):
            kept.append(sentence)
            said |= mentions.keys() | named.keys()
        else:
            denied |= {name for name, mention in mentions.items() if mention is Mention.NEGATIVE}
            place = len(kept) if place is None else place
    first: list[str] = []
    last: list[str] = []
    for sign in SIGNS:
        if sign in (seen or ()) and sign not in said and not (brief and _implied(sign) <= said):
            (first if sign in OF_LUNGS else last).append(SAID_SIGNS[sign])
            said |= _implied(sign)
    missing = [
        OBSERVED[o].said(where.get(o)) if o in positive else OBSERVED[o].absent
        for o in OBSERVATIONS
        if o in OBSERVED and o in {*positive, *denied} - said
    ]
    place = place or 0
    made = [*kept[:place], *missing, *kept[place:]]
    whole = len(made) - bool(made and not made[-1].endswith((".", "!", "?")))  # what was cut off stays last
    made = [*first, *made[:whole], *last, *made[whole:]]
    return " ".join(made or [NOTHING]) if text else ""


def _elsewhere(sentence: str, mentions: Mapping[str, Mention], where: Mapping[str, Side]) -> bool:
    """Whether a sentence says something that is there, but with another side than was seen, or as plainly as without.

    Where it names several sides, and it cannot be told which of them is meant, it does.
    """
    seen = {o: side for o, side in where.items() if mentions.get(o) is Mention.POSITIVE}
    if not seen:
        return False
    words = sentence.lower()
    named, said = named_sides(sentence), sides(sentence)
    return any(
        (said.get(o) != side and named - {side.value}) or words.rstrip(".!?") == OBSERVED[o].there.lower().rstrip(".")
        for o, side in seen.items()
    )


@cache
def _found(sign: str) -> bool:
    """Whether with a sign there is a finding."""
    return NO_FINDING not in label(SAID_SIGNS[sign])


@cache
def _implied(sign: str) -> frozenset[str]:
    """The observations that saying a sign says are there."""
    said = label(SAID_SIGNS[sign])
    return frozenset(name for name, mention in said.items() if name != NO_FINDING and mention is Mention.POSITIVE)


def contradicts(sentence: str, positive: Collection[str], seen: Collection[str] = ()) -> bool:
    """Whether a sentence says of lungs, bones or the chest that nothing is wrong, where this is there.

    Args:
        sentence: of a report.
        positive: observations.
        seen: signs.
    """
    clear = _CLEAR.search(sentence) and not LUNGS.isdisjoint(positive)
    calm = _NOTHING_ACUTE.search(sentence) and not _OF_BONES.search(sentence) and not ACUTE.isdisjoint(positive)
    whole = "Fracture" in positive and _BONES_FINE.search(sentence) and "Fracture" not in label(sentence)
    normal = (positive or any(map(_found, seen))) and _NORMAL.search(sentence)
    fine = any(sign in _FINE and _FINE[sign].search(sentence) for sign in seen)
    return bool(clear or calm or whole or normal or fine)
