"""Questions that need no language model: which observations are there, on which side, which view it is, whether it is a
chest X-ray.

`closed_answer` takes plain questions about the presence of one of the 14 observations or a sign, and about whether an
X-ray is normal; `side_answer` those about the side of something, or its presence on one; `lung_answer` those whether
one lung is clear. The rule-based labeller reads
what is asked about. A question with any word that is not expected beside it is left alone: place, size, degree, change
and technique all need such words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Set
from enum import StrEnum
from typing import NamedTuple, Self

from radloom.reports.labeller import NO_FINDING, SUPPORT_DEVICES, evidence
from radloom.reports.repair import LUNGS
from radloom.reports.signs import sign_evidence
from radloom.study import SIGNS, Mention, Side, View


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


LONGEST = 200
"""Characters of the longest question that is looked at."""

_XRAY = r"(?:(?:this|the|above|patient's) )*(?:chest )?(?:xray|radiograph|image|film|picture|cxr|study|chest)"
_LOOKS = rf"(?:is|does) (?:{_XRAY}|this|it|everything) (?:(?:look|appear) )?(?:an? )?"
_ABNORMALITY = r"(?:abnormalit(?:y|ies)|abnormal findings?|anything (?:wrong|abnormal))"
_LUNGS_AND_PLEURA = LUNGS | {"Pneumothorax", "Pleural Effusion", "Pleural Other", "Hyperinflation", "Low Lung Volumes"}
_LUNGS = r"(?:is|are) (?:(?:the|patient's) )*(?:lungs?|lung fields?)"
_BOTH_LUNGS = rf"(?:{_LUNGS}|are (?:(?:the|patient's) )*both (?:(?:the|patient's) )*(?:lungs|lung fields))"
_SEEN = rf"(?: (?:seen|present|visible|shown))?(?: (?:in|on|with) {_XRAY})?"
_ASKED = rf"(?:(?:is|are) (?:there )?|does {_XRAY} (?:show|have) |(?:do|can) you see )?(?:any |an )?"
_WHOLE: tuple[tuple[str, bool, Set[str]], ...] = (
    (rf"{_LOOKS}normal(?: {_XRAY})?", True, {NO_FINDING}),
    (rf"{_LOOKS}abnormal(?: {_XRAY})?", False, {NO_FINDING}),
    (rf"{_ASKED}{_ABNORMALITY}{_SEEN}", False, {NO_FINDING}),
    (rf"(?:is|are) (?:there no|{_XRAY} (?:free of|without)) (?:any )?{_ABNORMALITY}{_SEEN}", True, {NO_FINDING}),
    (rf"{_BOTH_LUNGS} clear", False, LUNGS),
    (rf"{_BOTH_LUNGS} normal(?: appearing)?", False, _LUNGS_AND_PLEURA),
    (rf"{_LUNGS} abnormal", True, _LUNGS_AND_PLEURA),
    (rf"{_ASKED}{_ABNORMALITY}(?: seen)? (?:in|with) (?:the |patient's )*lungs?", True, _LUNGS_AND_PLEURA),
    (r"(?:is|are) (?:the|these) findings normal", True, {NO_FINDING}),
)
"""(a whole question, whether `yes` says that one of them is there or that none is, of which observations)."""

_ONE_LUNG = re.compile(
    r"(?:is|are) (?:(?:the|patient's) )*(left|right) (?:lung(?: fields?)?|hemithorax) "
    r"(clear|normal|abnormal)(?: appearing)?"
)

_HEART = r"(?:(?:the|patient's|this) )*(?:heart|cardiac silhouette)"
_HEART_SIZE = re.compile(
    rf"how (?:big|large|wide|enlarged) is {_HEART}|what size is {_HEART}"
    rf"|(?:what|how) is (?:the )?(?:size of {_HEART}|heart size|cardiac size)"
)

_DEVICE = "implanted device"
"""Words that the labeller takes for support devices of any kind."""

_WORDINGS = (
    (r"\bx[- ]?ray\b", "xray"),
    (r"\(s\b\)?", "s"),
    (r"\b(?:is|are) (?:the )?lung volumes? (?:too )?(?:low|small|reduced|decreased)\b", "are there low lung volumes"),
    (r"\bpneumon?th(?:or|ro)[ao]x\b", "pneumothorax"),
    (r"\bmediastium\b", "mediastinum"),
    (r"\bsize abnormal$", "enlarged"),
    (r"\b(?:larger|wider|bigger) than normal$", "enlarged"),
    (
        r"\b(heart|cardiac silhouette) (?:greater|larger|wider|more) than (?:half|50 ?%)(?: of)? the "
        r"(?:width of the )?(?:chest|thorax)$",
        r"\1 enlarged",
    ),
    (r"\b(ribs?|bones?) broken\b", r"\1 fractured"),
    (r"\bbroken (ribs?|bones?)\b", r"fractured \1"),
    (r"(?<! is) absent$", " is absent"),
    (r"\b(?:support|medical) device|\blines? (?:or|and) tube|\btubes? (?:or|and) line", _DEVICE),
)
"""(what may be asked, as the patterns and the labeller read it)."""

_PLAIN = (
    r"an?|any|some|the|this|that|there|here|it|you|is|are|be|do|does|can|have|in|on|of|at|above|"
    r"see|seen|show(?:s|n|ing)?|presen(?:t|ce)|visible|visuali[sz]ed|(?:depict|display|reveal|detect)(?:s|ed)?|"
    r"demonstrated?|identif(?:y|ied)|appreciated?|evident|apparent|noted|observed|found|evidence|signs?|"
    r"xray|radiograph|image|film|picture|cxr|scan|study|patient(?:'?s)?|chest|thorax|lungs?|fields?"
)
"""Words that may stand beside what is asked about."""

_ORGANS = r"pulmonary|pleural|focal|bones?|bony|osseous|ribs?"
"""Words that may stand beside an observation."""

_SIZES = (
    r"normal|enlarged|dilated|wide(?:ned)?|large|big|increased|sized?|width|abnormally|too|look|appear|silhouette|"
    r"shadow"
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

_PICTURE = r"(?:this|it|(?:the|this) (?:chest )?(?:image|picture|film|view|xray|radiograph|cxr|study|scan))"
_FILM = r"(?: chest)?(?: (?:view|film|image|picture|xray|radiograph|cxr|projection|plane))?(?: of the chest)?"
_VIEW = re.compile(rf"is {_PICTURE} (?:an? |the |in (?:an? |the )?|taken in (?:an? |the )?)?(?:chest )?(\w+){_FILM}")
_WHICH_VIEW = re.compile(
    rf"(?:which|what) (?:view|projection) is {_PICTURE}"
    rf"|is {_PICTURE} (?:an? )?(?:frontal(?: view)? or (?:an? )?lateral|lateral(?: view)? or (?:an? )?frontal){_FILM}"
)
_SCAN = r"ct|cta|cat|mri?|mra|pet|ultrasound|sonogram|mammogram|angiogram|fluoroscopy"
_XRAY_ALONE = r"(?:plain )?(?:film )?(?:chest |thoracic )?(?:xray|radiograph|cxr)(?: of the (?:chest|thorax))?"
_KINDS = {
    rf"is {_PICTURE} an? {_XRAY_ALONE}": "yes",
    rf"is {_PICTURE} an? (?:image|picture|study|film) of the (?:chest|thorax)": "yes",
    rf"is {_PICTURE} an? (?:chest |thoracic )?(?:{_SCAN})(?: (?:scan|image|study))?(?: of the \w+)?": "no",
}
"""A whole question about the kind of picture -> what is true of chest X-rays."""

_NAMES_OF_VIEWS = {"frontal": View.FRONTAL, "lateral": View.LATERAL}
_FRONTAL_ALONE = ("pa", "ap", "posteroanterior", "anteroposterior")
"""Projections that a lateral view is not; which of them a frontal view is, the classifier does not see."""

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

_STRUCTURE = re.compile(r"(?:heart|cardiac|mediastin\w+)(?: (?:size|silhouette|shadow))?")
_DENIAL = re.compile(r"\b(?:no|without|(?:free|clear|absence|lack) of|free from|absent)\b")
_VERB = re.compile(
    r"(?:(?:is|are|was|were|do|does|did|can|could|has|have|had|should|may|might)(?:n't)?|can't|any|anything) "
    r"(?!a look)\w"
)
_REQUEST = re.compile(
    r"(?:can|could|do) (?:you |i |we )?(?:please )?"
    r"(?:tell|describe|name|list|give|write|explain|comment|estimate|summari[sz]e|report|specify|locate)\b"
)
_MORE = re.compile(r"\b(?:or|vs|versus|what|which|where|who|when|why|how)\b|[/;:,]|[.?!] ")
"""What says that a question asks for more than yes or no: alternatives, another question, another sentence."""

_KIND = re.compile(
    r"carcinoma|neoplas|tumou?r|malignan|metasta|cavit|failure|chf|(?:hydro|hemo|chylo)\w*thora|emphysem|copd|obstruct"
    r"|cabg|defibrill|icd\b|\bpicc?\b|\bport|mediport|swan|dialysis|\btip\b"
)
"""Of phrases that stand for an observation or a sign in a report but name one kind, cause or place of it."""


def closed_answer(
    question: str, positive: Collection[str] | None, signs: Mapping[str, bool] | None = None
) -> str | None:
    """`yes` or `no`; None for a question about anything but plain presence or normality.

    An X-ray is normal where none of the observations but support devices is there, nor any sign: where a report states
    nothing abnormal.

    Args:
        question: any text.
        positive: the observations that are there; None where nobody has looked.
        signs: whether each sign that was looked for is there.
    """
    asked = _asked(question) if len(question) <= LONGEST else None
    if asked is None:
        return None
    present, names = asked
    looked = signs or {}
    unseen = not names <= looked.keys() if names <= set(SIGNS) else positive is None
    if unseen:
        return None
    there = set(positive or ()) - {NO_FINDING}
    there |= {sign for sign, seen in looked.items() if seen}
    if not there - {SUPPORT_DEVICES}:
        there.add(NO_FINDING)
    return "yes" if bool(there & names) is present else "no"


def side_answer(question: str, positive: Collection[str] | None, sides: Mapping[str, Side]) -> str | None:
    """`left`, `right` or `both`, or `yes` or `no`; None for a question about anything but the side of one observation.

    Args:
        question: any text: on which side something is, or whether it is there on one of them, or on both.
        positive: the observations that are there; None where nobody has looked.
        sides: the side of each observation whose side was looked for, if it is there.
    """
    asked = _reworded(question) if len(question) <= LONGEST else ""
    asked = re.sub(r"\bthe pleural change\b", "the pleural thickening", asked)
    if _OTHER_SIDES.search(asked) or re.search(rf"\b{_PICTURES}\b", _SHOWN_IN.sub("", asked)):
        return None
    text, asks = _WHICH_SIDE.subn(" ", asked)
    pairs = _BOTH_SIDES.findall(text)
    text = _BOTH_SIDES.sub(" ", text)
    on = _ONE_SIDE.findall(text)
    about = _about(" ".join(_ONE_SIDE.sub(" ", text).split()))
    if bool(asks) + len(pairs) + len(on) != 1 or about is None or about.observation not in sides:
        return None
    if on and on[0][-1] and not re.search(rf"\b{on[0][-1]} {about.words}", text):
        return None
    side = sides[about.observation]
    there = positive is not None and about.observation in positive
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


def lung_answer(question: str, positive: Collection[str] | None, sides: Mapping[str, Side]) -> str | None:
    """`yes` or `no`; None for a question about anything but whether one lung is clear, normal or abnormal.

    Args:
        question: any text.
        positive: the observations that are there; None where nobody has looked.
        sides: the side of each observation whose side was looked for, if it is there.
    """
    asked = _ONE_LUNG.fullmatch(_reworded(question)) if len(question) <= LONGEST else None
    if asked is None or positive is None:
        return None
    found = (LUNGS if asked[2] == "clear" else _LUNGS_AND_PLEURA).intersection(positive)
    if any(sides.get(name) in (asked[1], Side.BOTH) for name in found):
        free = False
    elif found <= sides.keys():
        free = True
    else:
        return None  # there is something, and where, nobody has looked
    return "yes" if free is (asked[2] != "abnormal") else "no"


def size_answer(question: str, positive: Collection[str] | None) -> str | None:
    """`enlarged` or `normal`; None for a question about anything but how large the heart is.

    Args:
        question: any text.
        positive: the observations that are there; None where nobody has looked.
    """
    if len(question) > LONGEST or positive is None or not _HEART_SIZE.fullmatch(_reworded(question)):
        return None
    return "enlarged" if "Cardiomegaly" in positive else "normal"


def view_answer(question: str, view: View) -> str | None:
    """`frontal`, `lateral`, `yes` or `no`; None for a question about anything but the view, or about PA or AP alone.

    Args:
        question: any text.
        view: of the X-ray.
    """
    text = _reworded(question) if len(question) <= LONGEST else ""
    if _WHICH_VIEW.fullmatch(text):
        return view.value
    named = match[1] if (match := _VIEW.fullmatch(text)) else ""
    if named in _NAMES_OF_VIEWS:
        return "yes" if _NAMES_OF_VIEWS[named] is view else "no"
    return "no" if named in _FRONTAL_ALONE and view is View.LATERAL else None


def kind_answer(question: str) -> str | None:
    """`yes` or `no` of a chest X-ray; None for a question about anything but whether it is one or another scan."""
    text = _reworded(question) if len(question) <= LONGEST else ""
    return next((answer for pattern, answer in _KINDS.items() if re.fullmatch(pattern, text)), None)


def yes_or_no(question: str) -> bool:
    """Whether a question of at most 200 characters asks for nothing but yes or no.

    It begins with a verb, or with `any`, is no request, and names no alternatives.
    """
    if len(question) > LONGEST:
        return False
    text = _typed(question)
    return bool(_VERB.match(text)) and not _REQUEST.match(text) and not _MORE.search(text)


def _typed(question: str) -> str:
    """A question in lower case without what stands around it: spaces, marks at its end, a note to say yes or no."""
    marks = " ?.!,(-)"
    text = " ".join(question.lower().replace("’", "'").split()).rstrip(marks)
    text = re.sub(r"\byes ?(?:/|or) ?no$", "", text).rstrip(marks)
    return re.sub(r"\bis/are\b", "is", text)


def _reworded(question: str) -> str:
    """The same as the patterns and the labeller read it."""
    text = _typed(question)
    for pattern, words in _WORDINGS:
        text = re.sub(pattern, words, text)
    return text


def _asked(question: str) -> tuple[bool, Set[str]] | None:
    """Whether `yes` says that one of some observations or signs is there or that none is, and of which."""
    text = _reworded(question)
    for pattern, present, observations in _WHOLE:
        if re.fullmatch(pattern, text):
            return present, observations
    about = _about(text)
    return None if about is None else (about.present, {about.observation})


class _Subject(NamedTuple):
    """What a text is about: an observation or a sign, whether it is there or not, and a pattern of the words for it."""

    present: bool
    observation: str
    words: str


def _about(text: str) -> _Subject | None:
    """The one observation or sign that a text is about."""
    signs = sign_evidence(text)
    named = {(mention.start, mention.phrase) for mention in signs}
    mentions = [*signs, *(found for found in evidence(text) if (found.start, found.phrase) not in named)]
    said = {(m.mention, m.observation) for m in mentions}
    if len(said) != 1 or len(_DENIAL.findall(text)) > 1:
        return None
    [(mention, observation)] = said
    if mention is Mention.POSITIVE and _DENIAL.search(text):
        return None
    phrases = [m.phrase for m in mentions]
    if mention is Mention.UNCERTAIN or not _plain(text, observation, phrases):
        return None
    words = rf"(?:(?:{_ORGANS}) )*(?:{'|'.join(map(re.escape, phrases))})"
    return _Subject(mention is Mention.POSITIVE, observation, words)


def _plain(text: str, observation: str, phrases: list[str]) -> bool:
    """Whether no word beside those phrases, and none in them, narrows the question down."""
    if any(_KIND.search(phrase) or (observation == SUPPORT_DEVICES and _DEVICE not in phrase) for phrase in phrases):
        return False
    if not re.search(_NAMED_BY.get(observation, ""), text):
        return False
    beside = _BESIDE_SIGNS.get(observation, _ORGANS)
    expected = [*sorted(map(re.escape, phrases), key=len, reverse=True), *filter(None, [beside]), _PLAIN]
    if any(_STRUCTURE.fullmatch(phrase) for phrase in phrases):
        expected.append(_SIZES)
    if len(phrases) > 1:
        expected.append("and|or")
    return not re.search(r"\w", re.sub(rf"\b(?:{'|'.join(expected)})\b", "", _DENIAL.sub("", text)))
