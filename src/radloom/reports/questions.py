"""Questions about a study and their answers, written by rule from its report, or by a language model.

LLM-CXR (Lee et al. 2023, arXiv 2305.11490) had a language model write about five pairs a report and never released
them. `synthesise` writes them by rule, the same for the same seed on any machine; `from_llm` takes any callable that
completes a prompt.

By rule there are five types:

- *presence*: an observation that the report calls positive or negative; uncertain ones are never asked. In a report
  that is normal as a whole (`No Finding`), what goes unmentioned counts as negative. Positive ones are asked about,
  negative ones by chance, as often as `ABSENT` says, so that a question's words do not give its answer away: over
  studies like Indiana's, each observation is asked about where it is absent about as often as where it is there. One
  in three is asked the other way round (`free of ...?`).
- *location*, *side*, *severity*: from the words around a positive mention, in sentences that hold no negative mention
  and no device, and only where all sentences about that observation agree.
- *normality*: `yes` for `No Finding` without devices, `no` where one of the other observations is positive.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from random import Random
from typing import Protocol

from radloom.reports.cleaning import clean, mentions_prior
from radloom.reports.facts import OBSERVED
from radloom.reports.labeller import NO_FINDING, SUPPORT_DEVICES, Evidence, evidence
from radloom.study import OBSERVATIONS, Mention, Question, Report

ABSENT: dict[str, float] = {
    "Enlarged Cardiomediastinum": 0.012,
    "Cardiomegaly": 0.109,
    "Lung Opacity": 0.391,
    "Lung Lesion": 0.350,
    "Edema": 0.030,
    "Consolidation": 0.016,
    "Pneumonia": 0.041,
    "Atelectasis": 0.189,
    "Pneumothorax": 0.008,
    "Pleural Effusion": 0.044,
    "Pleural Other": 0.050,
    "Fracture": 0.071,
    "Support Devices": 0.353,
}
"""Observation -> share of the studies without it in which it is asked about.

That is studies with it over studies without it, of the 2,940 reports of Indiana's training split: cardiomegaly, say, is
positive in 262, and absent in 2,410."""

WORDINGS: dict[str, tuple[str, ...]] = {
    "presence": (
        "Is there {a}?",
        "Does this chest X-ray show {a}?",
        "Is {a} present?",
        "Can {a} be seen on this X-ray?",
    ),
    "absence": (
        "Is the chest free of {of}?",
        "Is this chest X-ray free of {of}?",
        "Is this an X-ray without {of}?",
    ),
    "location": (
        "Where is {the}?",
        "In which part of the chest is {the}?",
        "What is the location of {the}?",
    ),
    "side": (
        "On which side is {the}: left, right or both?",
        "Is {the} on the left, on the right or on both sides?",
        "Which side shows {the}: left, right or both?",
    ),
    "severity": (
        "How severe is {the}?",
        "What is the degree of {the}?",
        "How would you grade {the}?",
    ),
    "size": (
        "How big is {the}?",
        "What is the size of {the}?",
        "How would you describe the size of {the}?",
    ),
    "normality": (
        "Is this chest X-ray normal?",
        "Is this a normal chest X-ray?",
        "Does this chest X-ray look normal?",
    ),
}
"""Type -> its wordings. `absence` asks for presence the other way round, `size` is severity of what has an extent."""

_LOCATION = re.compile(
    r"\b(?:(?:left|right|bilateral|both)[ -](?:sided )?)?"
    r"(?:(?:upper|middle|lower) lobes?|(?:upper|lower) lungs?|mid(?:dle)?[ -]?lungs?(?: zones?)?|"
    r"(?:lung )?(?:bases?|apex|apices)|apical|basilar|lingula|perihilar region|hilum|hila|costophrenic angles?|"
    r"(?:(?:\d+(?:st|nd|rd|th)|anterior|posterior|lateral) )*ribs?|clavicle|scapula|humerus)\b"
    r"|\b(?:bibasilar|biapical|retrocardiac|lingular|sternum|thoracic spine|lumbar spine|[tl]\d{1,2})\b"
    r"|\b(?:left|right) (?:lung|hemithorax)\b"
)
_PLAIN_PLACE = (
    (r"^(left|right|bilateral|both)[ -](?:sided )?", r"\1 "),
    (r"^bilateral ", "both "),
    (r"^(?:bibasilar|(?:both )?(?:lung )?bases)$", "both lung bases"),
    (r"^(?:biapical|both apical|(?:both )?(?:lung )?apices)$", "both lung apices"),
    (r"^(left|right) (?:basilar|base)$", r"\1 lung base"),
    (r"^(left|right) (?:apical|apex)$", r"\1 lung apex"),
    (r"^(?:left )?lingula[r]?$", "lingula"),
    (r"^retrocardiac$", "behind the heart"),
    (r"\bmid(?:dle)?[ -]?lungs?(?: zones?)?$", "mid lung"),
    (r"^(?:(?:lung )?(?:base|apex)|apical|basilar|ribs?)$", ""),
    (r"^(left|right|both) rib$", r"\1 ribs"),
    (r"^(?:upper|middle|lower) (?:lobe|lung)$", ""),
    (r"^(?:both )?((?:upper|middle|lower) (?:lobe|lung))s?$", r"both \1s"),
)
"""(pattern, plainer words), applied in turn to a place; a place that says too little becomes `""`."""

_WEIGHED = re.compile(
    r"\b(?:greater|worse|more|larger|less|denser)\b|[<>]|\b(?:left|right)(?: and |, | ?[/&] ?)(?:left|right)\b"
)
"""Where both sides are named with one of them because they differ, or one by one."""

_BOTH = re.compile(
    r"\b(?:bilateral\w*|bibasilar|biapical|both (?:(?:the|lateral|posterior|right and|left and) )*"
    r"(?:lungs?|bases|apices|lobes|upper|lower|middle|mid|sides|hemithora\w*|costophrenic|pleural|hil\w+|right|left|xxxx))\b"
)
"""Words for both sides; `both` alone may be of views, or of two other things."""

_IMPLIED = {
    "left": r"\b(?:lt|left-?sided|lingul\w*)\b",
    "right": r"\b(?:rt|right-?sided|middle lobe)\b",
    "both": r"\b(?:bibasal|(?:each|either) side)\b",
}
"""Side -> words that mean it, beside its own."""

_DEGREE = (
    r"\b(trace|tiny|minimal|small|mild|moderate|large|severe|marked|extensive)(?:ly)?"
    r"(?:(?: |-)to(?: |-)(moderate|large|severe)(?:ly)?)?"
)
_PLAN = re.compile(
    r"\b(?:recommend\w*|follow ?-?up|should|advis\w+|suggested (?:ct|mri)|plan(?:ned|s)?|treat\w*|biopsy|therapy|"
    r"next step|clinical correlation|further (?:evaluation|imaging))\b",
    re.IGNORECASE,
)

PROMPT = """\
You are given a chest X-ray report. Write {limit} pairs of a short question about the X-ray and its short answer.
Ask only what the image itself shows: presence, place, side, size or severity of findings and devices.
Never mention earlier studies, change since one, or plans such as treatment or follow-up.
Answer with a JSON list and nothing else: [{{"question": "...", "answer": "..."}}, ...]

Report:
{report}
"""


class QuestionWriter(Protocol):
    """A language model as a function: completes a prompt and returns its text."""

    def __call__(self, prompt: str, /) -> str: ...


def synthesise(report: Report, labels: dict[str, Mention], *, seed: int, uid: str, limit: int = 5) -> list[Question]:
    """Up to `limit` questions about a study, the same for the same report, labels, seed and uid.

    Args:
        report: findings and impression are read.
        labels: what `labeller.label` says of it.
        seed: another seed draws other observations and wordings.
        uid: the study; part of each `qid`.
        limit: the most questions to return.
    """
    rng = Random(int.from_bytes(sha256(f"{seed}:{uid}".encode()).digest()[:8]))
    presence = _presence(labels, rng)
    others = [*_details(evidence(report)), *_normality(labels)]
    rng.shuffle(others)
    chosen = [*presence[:3], *others, *presence[3:]][:limit]
    rng.shuffle(chosen)
    questions = []
    for number, (kind, observation, answer) in enumerate(chosen, 1):
        questions.append(
            Question(
                qid=f"{uid}-{number}",
                question=asked_of(observation, rng.choice(WORDINGS[kind])),
                answer=answer,
                answer_type="open" if kind in ("location", "severity", "size") else "closed",
                question_type={"absence": "presence", "size": "severity"}.get(kind, kind),
            )
        )
    return questions


def asked_of(observation: str, wording: str) -> str:
    """A question about an observation, in one of the `WORDINGS`; about none where the wording names none."""
    known = OBSERVED.get(observation)
    return wording.format(a=known.a, of=known.of, the=known.the) if known else wording


def from_llm(
    report: Report, write: QuestionWriter, *, uid: str, rejected: Counter[str], limit: int = 5
) -> list[Question]:
    """Questions that a language model writes about a report.

    The model gets `PROMPT` and must answer with a JSON list of objects that hold `question` and `answer` and nothing
    else. What does not fit is left out and counted in `rejected` by reason: `not JSON`, `not a list`, `not a pair`,
    `empty`, `prior study`, `plan`, `repeated`, `too many`. Errors that `write` raises pass through.
    """
    text = f"Findings: {clean(report.findings)}\nImpression: {clean(report.impression)}"
    try:
        pairs = json.loads(write(PROMPT.format(limit=limit, report=text)))
    except json.JSONDecodeError:
        rejected["not JSON"] += 1
        return []
    if not isinstance(pairs, list):
        rejected["not a list"] += 1
        return []
    questions: list[Question] = []
    for pair in pairs:
        reason = _unfit(pair) or ("too many" if len(questions) == limit else "")
        if not reason and any(q.question == pair["question"].strip() for q in questions):
            reason = "repeated"
        if reason:
            rejected[reason] += 1
            continue
        question, answer = pair["question"].strip(), pair["answer"].strip()
        closed = answer.lower().rstrip(".") in ("yes", "no")
        questions.append(
            Question(
                qid=f"{uid}-{len(questions) + 1}",
                question=question,
                answer=answer.lower().rstrip(".") if closed else answer,
                answer_type="closed" if closed else "open",
                question_type="free",
            )
        )
    return questions


_Draft = tuple[str, str, str]
"""(key of `WORDINGS`, observation or "", answer)."""


def _presence(labels: dict[str, Mention], rng: Random) -> list[_Draft]:
    """Up to three positive observations, and as many negative ones as chance gives, in any order."""
    positive = [o for o in OBSERVED if labels.get(o) is Mention.POSITIVE]
    negative = [o for o in OBSERVED if _absent(o, labels) and rng.random() < ABSENT[o]]
    rng.shuffle(positive)
    asked = [(o, True) for o in positive[:3]] + [(o, False) for o in negative]
    rng.shuffle(asked)
    drafts = []
    for observation, present in asked:
        turned = rng.random() < 1 / 3
        drafts.append(("absence" if turned else "presence", observation, "yes" if present != turned else "no"))
    return drafts


def _absent(observation: str, labels: dict[str, Mention]) -> bool:
    """Whether a report denies an observation, or is normal and silent on it; one device that was removed is not all."""
    if observation not in labels:
        return labels.get(NO_FINDING) is Mention.POSITIVE
    return labels[observation] is Mention.NEGATIVE and observation != SUPPORT_DEVICES


def _normality(labels: dict[str, Mention]) -> list[_Draft]:
    devices = labels.get(SUPPORT_DEVICES) is Mention.POSITIVE
    found = any(labels.get(o) is Mention.POSITIVE for o in OBSERVATIONS if o not in (NO_FINDING, SUPPORT_DEVICES))
    if found:
        return [("normality", "", "no")]
    return [("normality", "", "yes")] if labels.get(NO_FINDING) is Mention.POSITIVE and not devices else []


def _details(mentions: Iterable[Evidence]) -> list[_Draft]:
    """Location, side and severity of what is positive, where every sentence about it says the same."""
    by_sentence: dict[str, list[Evidence]] = {}
    for mention in mentions:
        by_sentence.setdefault(mention.sentence, []).append(mention)
    answers: dict[tuple[str, str], set[str]] = {}
    for sentence, said in by_sentence.items():
        positive = {m.observation: m.phrase for m in said if m.mention is Mention.POSITIVE}
        if SUPPORT_DEVICES in positive or any(m.mention is not Mention.POSITIVE for m in said):
            continue
        located = {o for o in positive if OBSERVED[o].located}
        for observation in sorted(located):
            if side := _side(sentence.lower()):
                answers.setdefault(("side", observation), set()).add(side)
            if len(located) == 1 and (place := _place(sentence.lower())):
                answers.setdefault(("location", observation), set()).add(place)
        for observation, phrase in positive.items():
            asked = OBSERVED[observation].degree
            if asked and len(positive) == 1 and (degree := _degree(sentence.lower(), phrase)):
                answers.setdefault((asked, observation), set()).add(degree)
    return [(kind, observation, found.pop()) for (kind, observation), found in answers.items() if len(found) == 1]


def sides(text: str) -> dict[str, str]:
    """On which side a text says that observations are: `left`, `right` or `both`; those are left out whose it does not.

    Args:
        text: sentences of a report.
    """
    return {observation: side for kind, observation, side in _details(evidence(text)) if kind == "side"}


def named_sides(sentence: str) -> set[str]:
    """The sides that a sentence names or implies, of whatever: some of `left`, `right` and `both`."""
    words = sentence.lower()
    return _written_sides(words) | {side for side, pattern in _IMPLIED.items() if re.search(pattern, words)}


def _written_sides(words: str) -> set[str]:
    return {*re.findall(r"\b(?:left|right)\b", words), *(["both"] if _BOTH.search(words) else [])}


def _side(sentence: str) -> str:
    """The one side that a sentence is about; both where it weighs one against the other."""
    named = _written_sides(sentence)
    if "both" in named and (len(named) == 1 or _WEIGHED.search(sentence)):
        return "both"
    return named.pop() if len(named) == 1 else ""


def _place(sentence: str) -> str:
    """The one place that a sentence is about."""
    places = {match[0] for match in _LOCATION.finditer(sentence)}
    if len(places) != 1:
        return ""
    place = places.pop()
    for pattern, plain in _PLAIN_PLACE:
        place = re.sub(pattern, plain, place)
    own, named = _written_sides(place), _written_sides(sentence) - {"both"}
    if (own == {"both"} and len(named) == 1) or (own and own != {"both"} and named - own):
        return ""  # of something else, or of something in two places
    return place.upper() if re.fullmatch(r"[tl]\d+", place) else place


def _degree(sentence: str, phrase: str) -> str:
    """The degree right before the words of a mention, or in the predicate after them (`heart is mildly enlarged`)."""
    words = re.escape(phrase)
    found = re.search(rf"{_DEGREE}(?: (?!and |with )[\w-]+){{0,3}} {words}\b", sentence) or re.search(
        rf"\b{words}(?: \w+){{0,3}} {_DEGREE} (?:enlarged|prominent|increased)\b", sentence
    )
    return " to ".join(filter(None, found.groups())) if found else ""


def _unfit(pair: object) -> str:
    """Why a language model's pair cannot be used, or `""`."""
    if not isinstance(pair, dict) or set(pair) != {"question", "answer"}:
        return "not a pair"
    if not all(isinstance(value, str) for value in pair.values()):
        return "not a pair"
    if not all(value.strip() for value in pair.values()):
        return "empty"
    both = f"{pair['question']} {pair['answer']}"
    if mentions_prior(both):
        return "prior study"
    return "plan" if _PLAN.search(both) else ""
