"""What a question is about: one observation or sign, and whether any word narrows it down."""

from __future__ import annotations

import re
from typing import NamedTuple

from radloom.reports.labeller import SUPPORT_DEVICES, evidence
from radloom.reports.rule_answers.wording import DEVICE
from radloom.reports.signs import sign_evidence
from radloom.study import Mention

_DENIAL = re.compile(r"\b(?:no|without|(?:free|clear|absence|lack) of|free from|absent)\b")

_PLAIN = (
    r"an?|any|some|the|this|that|there|here|it|you|is|are|be|do|does|can|have|in|on|of|at|above|anywhere|"
    r"see|seen|show(?:s|n|ing)?|presen(?:t|ce)|visible|visuali[sz]ed|(?:depict|display|reveal|detect)(?:s|ed)?|"
    r"demonstrated?|identif(?:y|ied)|appreciated?|evident|apparent|noted|observed|found|evidence|signs?|appears?|"
    r"xray|radiograph|image|film|picture|cxr|scan|study|patient(?:'?s)?|chest|thorax|lungs?|fields?"
)
"""Words that may stand beside what is asked about."""

_ORGANS = r"pulmonary|pleural|focal|bones?|bony|osseous|ribs?"
"""Words that may stand beside an observation."""

_SIZES = (
    r"normal|enlarged|dilated|wide(?:ned)?|large|big|increased|sized?|width|abnormally|too|look|silhouette|"
    r"shadow|contours?|borders?|margins?|outline|shaped?"
)
"""Words that may stand beside heart and mediastinum, which assert nothing by themselves."""

_BESIDE_SIGNS = {
    "Hyperinflation": r"(?:hemi)?diaphragms?",
    "Low Lung Volumes": r"",
    "Tortuous Aorta": r"aort(?:a|ic)|thoracic",
    "Aortic Calcification": r"aort(?:a|ic)|thoracic|arch|knob",
    "Degenerative Spine": r"(?:thoracic )?spine|spinal|vertebrae|(?<=degenerative) (?:changes?|disease)",
    "Scoliosis": r"(?:thoracic )?spine|spinal",
    "Hiatal Hernia": r"hiat(?:al|us)",
    "Elevated Hemidiaphragm": r"(?:hemi)?diaphragms?",
    "Sternotomy": r"wires?",
    "Pacemaker": r"cardiac|wires?|leads?",
    "Central Venous Catheter": r"central|venous|place",
}
"""Words that may stand beside a sign."""

_NAMED_BY = {
    "Low Lung Volumes": r"volume|inspir|inflat|expan|ventilat|aerat",
    "Tortuous Aorta": r"aort",
    "Aortic Calcification": r"aort",
    "Degenerative Spine": r"spin|vertebr|spondyl",
    "Hiatal Hernia": r"hiat",
}
"""Words of which a question about a sign has one: what a report calls tortuous is the aorta, a question perhaps not."""

_STRUCTURE = re.compile(r"(?:heart|cardiac|mediastin\w+)(?: (?:size|silhouette|shadow|contours?|outline))?")

_OTHER = re.compile(r"failure|chf|overload|(?:hydro|hemo|chylo)\w*thora|copd|obstruct|\btip\b")
"""Of phrases that stand for an observation or a sign in a report but name a disease, or a place."""

_KIND = re.compile(
    r"interstitial (?:lung )?disease|scar|reticul|bronchial|cuffing|haz|fibro|plaque|\bcap|granulom|pneumonitis|"
    r"carcinoma|neoplas|tumou?r|malignan|metasta|cavit|emphysem|cabg|defibrill|icd\b|\bpicc?\b|\bport|mediport|swan|"
    r"dialysis"
)
"""Of such phrases that name one kind of it."""

_SORTS = (
    r"left|right|bilateral|both|(?:left|right)[- ]sided|upper|lower|middle|apical|basal|basilar|perihilar|peripheral|"
    r"tiny|small|large|massive|mild|moderate|severe|extensive|subtle|multiple|single|solitary|several|diffuse|patchy|"
    r"streaky|new|acute|old|healed|displaced|tension|loculated|calcified|cavitary|cystic|nodular|interstitial|"
    r"alveolar|airspace|spiculated|compression|mass|endotracheal|tracheostomy|nasogastric|chest|feeding"
)
_PLACES = (
    r"sides?|lobes?|zones?|ap(?:ex|ices)|bases?|hil(?:um|a|ar)|hemithorax|lingula|near|within|throughout|location|"
    r"clavic(?:les?|ular)|humer(?:us|al)|scapula|shoulders?|sternum|spine|vertebrae?|arms?"
)
"""Words that narrow down what is asked about: of which sort, or where."""


class Subject(NamedTuple):
    """What a text is about.

    Attributes:
        present: whether it speaks of it as being there.
        name: an observation or a sign.
        words: a pattern of the words for it.
        whole: whether it speaks of all of it; otherwise of one sort of it, or of it in one place.
    """

    present: bool
    name: str
    words: str
    whole: bool


def subject(text: str) -> Subject | None:
    """The one observation or sign that a text is about; None of several, or where other words stand beside it."""
    signs = sign_evidence(text)
    named = {(mention.start, mention.phrase) for mention in signs}
    mentions = [*signs, *(found for found in evidence(text) if (found.start, found.phrase) not in named)]
    said = {(m.mention, m.observation) for m in mentions}
    if len(said) != 1 or len(_DENIAL.findall(text)) > 1:
        return None
    [(mention, name)] = said
    present = mention is Mention.POSITIVE
    if mention is Mention.UNCERTAIN or (present and _DENIAL.search(text)):
        return None
    phrases = [m.phrase for m in mentions]
    if not re.search(_NAMED_BY.get(name, ""), text) or any(map(_OTHER.search, phrases)):
        return None
    words = rf"(?:(?:{_ORGANS}) )*(?:{'|'.join(map(re.escape, phrases))})"
    kind = all(_KIND.search(phrase) or (name == SUPPORT_DEVICES and DEVICE not in phrase) for phrase in phrases)
    if not kind and not _beside(text, name, phrases):
        return Subject(present, name, words, whole=True)
    spoken_of = re.search(rf"\b(?:the|this|these|that|those) (?:(?:{_SORTS}) )*{words}", text)
    if present and not spoken_of and not _beside(text, name, [*phrases], _SORTS, _PLACES):
        return Subject(present, name, words, whole=False)
    return None


def _beside(text: str, name: str, phrases: list[str], *further: str) -> bool:
    """Whether there are words beside those phrases that are not expected there."""
    expected = [*sorted(map(re.escape, phrases), key=len, reverse=True), _BESIDE_SIGNS.get(name, _ORGANS), _PLAIN]
    if any(_STRUCTURE.fullmatch(phrase) for phrase in phrases):
        expected.append(_SIZES)
    if len(phrases) > 1:
        expected.append("and|or")
    rest = re.sub(rf"\b(?:{'|'.join(filter(None, [*expected, *further]))})\b", "", _DENIAL.sub("", text))
    return bool(re.search(r"\w", rest))
