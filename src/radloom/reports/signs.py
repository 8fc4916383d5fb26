"""Signs: what reports often say beside CheXpert's 14 observations.

The rule-labeller (`labeller.py`) finds their phrases, most of them as `phrases.OTHER`, and reads negation and doubt;
here each gets its name, by the words around it. Whoever changes a rule raises `labeller.VERSION`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from radloom.reports.labeller import Evidence, as_text, pieces, sentence_evidence, strongest
from radloom.study import SIGNS, Mention, Report

AROUND = 8
"""Words before and after a phrase that say what it is about."""


def _without(words: str) -> str:
    return rf"^(?!.*(?:{words}))"


_LIMBS = (
    r"shoulder|acromio|clavic|glenohum|humer|knee|patell|\bhip|femur|femoral|acetab|tibia|foot|ankle|calcan|compartment"
    r"|synov|costochon"
)
_SPINE = r"spin(?:e|al)|vertebr|\bdis[ck]s?\b|thoracic(?! aort)|lumbar|cervical|dorsal|spondyl"
_NOT_AORTIC = r"granul|node|hil(?:um|ar)|coronary|valv|annul|femoral|poplit|bronch|pulmon|window"
_BESIDE_AORTA = r"(?: (?!valv|annul|node|window)\w+)?"
_OF_AORTA = (
    rf"(?:calcif|athero)\w+{_BESIDE_AORTA} (?:of|in|within|at|along|involving) (?:the )?(?:\w+ )?aort"
    rf"|aort\w*(?: and \w+)?{_BESIDE_AORTA} (?:calcif|athero)"
)
_PACED = r"pace|icd\b|defibrill|generator|cardiac (?:device|xxxx)|ventric|coronary"
_OTHER_TUBES = (
    r"tubes?\b|pleural|pigtail|thoracostomy|drain|foley|periton|biliary|shunt|epidural|intrathecal|gastr|enteric"
    r"|suction"
)
_TUBES = r"trache|bronch|airway|cathet|tube|pulmon|vein|carotid|vasculature"

_MENTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "Hyperinflation": (
        (
            r"hyper ?(?:inflat|expan|aerat|lucen|disten)\w+|large lung volumes?",
            _without(r"cuff|balloon|hemithor|stomach|bowel|bone"),
        ),
        (r"flatten\w+", _without(r"vertebr") + r".*diaphragm"),
        (r"air ?trapping|copd|chronic obstructive", r""),
        (r"emphysem\w+", _without(r"soft tissue|mediast|neck|chest wall")),
    ),
    "Low Lung Volumes": (
        (r"(?:hypo|under) ?(?:inflat|expan|aerat|ventilat)\w+", r""),
        (r"(?:low|decreased|reduced|diminished|small) lung volumes?", r""),
        (r"(?:lung volumes?|inspiration) .*", _without(r"\bnot\b|low normal")),
        (r"crowding", _without(r"\bribs?\b|hyper|emphysem")),
    ),
    "Tortuous Aorta": ((r"tortuo\w+|ecta\w+|unfold\w+|uncoil\w+", rf"aort|{_without(_TUBES)}"),),
    "Aortic Calcification": (
        (r"calcif\w+", rf"{_OF_AORTA}|{_without(_NOT_AORTIC)}.*aort"),
        (r"athero\w+", rf"{_OF_AORTA}|athero\w+ aort|{_without(_NOT_AORTIC)}"),
    ),
    "Degenerative Spine": (
        (r"degenerat\w+|spondyl\w+|osteophyt\w*|spurr?ing|spurs?", rf"{_SPINE}|{_without(_LIMBS)}"),
    ),
    "Scoliosis": ((r"\w*scolio\w+", r""), (r"curvature", _without(r"kypho|lordo|normal"))),
    "Hiatal Hernia": ((r"hernia\w*", rf"hiat|{_without('inguinal|umbilical|ventral|bochdalek|morgagni|dis[ck]')}"),),
    "Elevated Hemidiaphragm": (
        (r"elevat\w+|eventration", rf"{_without(r'hil(?:um|ar)|fissure|pressure')}.*diaphragm"),
    ),
    "Sternotomy": ((r".*(?:wires?|sutures?|hardware)|sternotom\w+|cabg", r"stern|cabg"),),
    "Pacemaker": (
        (r"pacemakers?|pacers?|pacing .*|(?:a?icd|defibrillator)s?", _without(r"\bpads?\b")),
        (r"leads?|generators?|electrodes?", rf"^(?=.*(?:{_PACED}|atri))(?!.*(?:stimulat|monitor))"),
    ),
    "Central Venous Catheter": (
        (r"picc|cvc|port a ?cath|porta?cath(?:eter)?|medi ?port|swan ganz|(?:chest|infusion) port|port", r""),
        (r"(?:central|venous|jugular|subclavian|ij|picc|pic|dialysis) lines?|xxxx a xxxx", _without("effusion")),
        (r"catheters?|tip .*", _without(rf"{_PACED}|{_OTHER_TUBES}")),
    ),
}
"""Sign -> phrases that the labeller finds, in lower case, each with what the words around it have to be like."""


def signs(report: Report | str) -> dict[str, Mention]:
    """Sign -> what the report says of it, in the order of `SIGNS`; unmentioned ones are absent.

    Args:
        report: as `labeller.label` takes it.
    """
    said = strongest((found.observation, found.mention) for found in sign_evidence(report))
    return {sign: said[sign] for sign in SIGNS if sign in said}


def sign_evidence(report: Report | str) -> list[Evidence]:
    """Every mention of a sign, in the order of the text, with the sign as its `observation`."""
    return [found for piece in pieces(as_text(report)) for found in _in_piece(piece)]


@lru_cache(maxsize=1 << 15)
def _in_piece(piece: str) -> tuple[Evidence, ...]:
    return tuple(
        replace(found, observation=sign)
        for found in sentence_evidence(piece)
        for sign, ways in _MENTIONS.items()
        if any(
            re.fullmatch(phrase, found.phrase.replace("-", " ")) and re.search(context, _around(found))
            for phrase, context in ways
        )
    )


def _around(found: Evidence) -> str:
    """The phrase with the words before and after it, in lower case."""
    text, end = found.sentence.lower(), found.start + len(found.phrase)
    before, after = text[: found.start].split(" "), text[end:].split(" ")
    return " ".join([*before[-AROUND - 1 : -1], found.phrase, *after[1 : AROUND + 1]])
