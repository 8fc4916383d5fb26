"""Text of a report made to agree with what was stated before it was written.

A small language model that has stated an effusion still writes, more often than not, the report of a normal chest.
`agree` mends that: sentences that say otherwise go, and what is then not said is said in plain words. These name no
side, place or size, since a statement knows none. Sentences on the chest as a whole go where they contradict what was
stated: "Normal chest." beside anything, "No acute disease." beside what is acute.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from radloom.reports.cleaning import sentences
from radloom.reports.labeller import NO_FINDING, label
from radloom.study import OBSERVATIONS, Mention, Report

PLAIN = {
    "Enlarged Cardiomediastinum": ("The mediastinum is widened.", "The mediastinum is unremarkable."),
    "Cardiomegaly": ("The heart is enlarged.", "The heart is normal in size."),
    "Lung Opacity": ("There are opacities in the lungs.", "There is no focal airspace disease."),
    "Lung Lesion": ("There are calcified granulomas or nodules.", "There are no nodules or masses."),
    "Edema": ("There is pulmonary edema.", "There is no pulmonary edema."),
    "Consolidation": ("There is a consolidation.", "There is no focal consolidation."),
    "Pneumonia": ("There is pneumonia.", "There is no pneumonia."),
    "Atelectasis": ("There is atelectasis.", "There is no atelectasis."),
    "Pneumothorax": ("There is a pneumothorax.", "There is no pneumothorax."),
    "Pleural Effusion": ("There is a pleural effusion.", "There is no pleural effusion."),
    "Pleural Other": ("There is pleural thickening.", "There is no pleural thickening."),
    "Fracture": ("There is a fracture.", "There is no fracture."),
    "Support Devices": ("Support devices or surgical hardware are present.", "There are no lines or tubes."),
}
"""Observation -> a sentence that says it is there, and one that says it is not."""

LUNGS = frozenset({"Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"})
"""Observations with which the lungs are not clear."""

ACUTE = frozenset({"Edema", "Consolidation", "Pneumonia", "Pneumothorax", "Pleural Effusion"})
"""Observations beside which radiologists do not write that nothing acute is there.

Of Indiana's training impressions with one of these, 0 to 6 in 100 say "no acute ..."; of those with atelectasis,
opacities or a large heart about 20, with granulomas or fractures 50.
"""

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


def agree(report: Report, positive: Collection[str]) -> Report:
    """The report with its written sections saying of these observations, and of no others, that they are there.

    Args:
        report: as a model wrote it; a section without text stays so.
        positive: the observations that were stated as positive.
    """
    return replace(report, findings=_agreed(report.findings, positive), impression=_agreed(report.impression, positive))


def _agreed(text: str, positive: Collection[str]) -> str:
    positive = set(positive) - {NO_FINDING}
    kept: list[str] = []
    said: set[str] = set()
    denied: set[str] = set()  # by sentences that go
    place: int | None = None
    for sentence in sentences(text):
        mentions = {name: mention for name, mention in label(sentence).items() if name != NO_FINDING}
        agrees = all((mention is Mention.POSITIVE) == (name in positive) for name, mention in mentions.items())
        if agrees and not contradicts(sentence, positive):
            kept.append(sentence)
            said |= mentions.keys()
        else:
            denied |= {name for name, mention in mentions.items() if mention is Mention.NEGATIVE}
            place = len(kept) if place is None else place
    missing = [PLAIN[o][o not in positive] for o in OBSERVATIONS if o in PLAIN and o in {*positive, *denied} - said]
    place = place or 0
    return " ".join([*kept[:place], *missing, *kept[place:]]) if text else ""


def contradicts(sentence: str, positive: Collection[str]) -> bool:
    """Whether a sentence says of lungs, bones or the chest that nothing is wrong, where these observations are."""
    clear = _CLEAR.search(sentence) and not LUNGS.isdisjoint(positive)
    calm = _NOTHING_ACUTE.search(sentence) and not _OF_BONES.search(sentence) and not ACUTE.isdisjoint(positive)
    whole = "Fracture" in positive and _BONES_FINE.search(sentence) and "Fracture" not in label(sentence)
    normal = positive and _NORMAL.search(sentence)
    return bool(clear or calm or whole or normal)
