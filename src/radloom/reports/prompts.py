"""Wishes for drawings as prompts: denials in the words of normal reports.

A denial names what is not there, and hardly any radiologist writes "No cardiomegaly.": reports of a normal heart call
it normal. Denoisers that have learned from reports draw what such a denial names more often than not. So sentences that
do nothing but deny, and deny what normal reports pass over or put otherwise, are put as normal reports put it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from radloom.reports.facts import LUNGS, OBSERVED
from radloom.reports.labeller import SUPPORT_DEVICES, Evidence, label, pieces, sentence_evidence
from radloom.study import OBSERVATIONS, Mention, Report

CLEAR_LUNGS = "The lungs are clear."

_PLAIN = {
    "Cardiomegaly": OBSERVED["Cardiomegaly"].absent,
    "Enlarged Cardiomediastinum": OBSERVED["Enlarged Cardiomediastinum"].absent,
    "Pneumothorax": "No pneumothorax.",
    "Pleural Effusion": "No pleural effusion.",
    "Fracture": "No acute bony abnormality.",
}
"""Observation -> how reports say that it is not there; of the lungs' own, `CLEAR_LUNGS` does."""

_PASSED_OVER = {"Atelectasis", "Edema", SUPPORT_DEVICES}
"""What normal reports hardly deny."""

_DENIAL = re.compile(r"(?:there (?:is|are|was|were) )?(?:no|without|negative for)\b", re.I)
_LARGE_HEART = re.compile(
    r"\b(?:no|without)\b.*(?:cardiomegaly|enlarge)|\bnot (?:\w+ )?enlarged"
    r"|\bcardiomegaly\b.*\b(?:not|absent|excluded)\b",
    re.I,
)
_ABSENT = re.compile(r".*\b(?:is|are|was|were) (?:not|absent|excluded|ruled out)\b", re.I)


def as_prompt(report: Report) -> Report:
    """The report with denials put as normal reports put them; other sentences as they are.

    One with an impression is taken as it is: it was written whole, like those that were learned from.

    >>> as_prompt(Report(findings="No cardiomegaly. There is a right effusion.")).findings
    'The heart is normal in size. There is a right effusion.'
    """
    if report.impression or not report.findings:
        return report
    found = {name for name, what in label(report).items() if what is not Mention.NEGATIVE}
    clear = CLEAR_LUNGS if not found & LUNGS else ""
    findings = " ".join(_sentences(report.findings, clear))
    return replace(report, findings=findings or CLEAR_LUNGS)  # where it denied nothing but what reports pass over


def _sentences(text: str, clear: str) -> Iterator[str]:
    for sentence in pieces(text):
        found = sentence_evidence(sentence)
        yield from _plain(found, clear) if _is_awkward(sentence, found) else [sentence]


def _is_awkward(sentence: str, found: tuple[Evidence, ...]) -> bool:
    """Whether a sentence does nothing but deny, and denies something by a name that normal reports do not use."""
    if not found or any(each.mention is not Mention.NEGATIVE for each in found):
        return False
    names = {each.observation for each in found}
    if names & _PASSED_OVER:
        return bool(_DENIAL.match(sentence) or _ABSENT.match(sentence))
    return "Cardiomegaly" in names and bool(_LARGE_HEART.search(sentence))


def _plain(found: tuple[Evidence, ...], clear: str) -> Iterator[str]:
    denied = [name for name in OBSERVATIONS if any(each.observation == name for each in found)]
    if LUNGS.intersection(denied) and clear:
        yield clear
    if {"Pneumothorax", "Pleural Effusion"} <= set(denied):
        yield "No pleural effusion or pneumothorax."
        denied = [name for name in denied if name not in ("Pneumothorax", "Pleural Effusion")]
    yield from (_PLAIN[name] for name in denied if name in _PLAIN)
