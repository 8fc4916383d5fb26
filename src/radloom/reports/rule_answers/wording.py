"""What a question asks for, and its words as the rules read them."""

from __future__ import annotations

import re

LONGEST = 200
"""Characters of the longest question that is looked at."""

DEVICE = "implanted device"
"""Words that the labeller takes for support devices of any kind."""

XRAY = r"(?:(?:this|the|above|patient's) )*(?:chest )?(?:xray|radiograph|image|film|picture|cxr|study|chest)"
"""What a question calls the X-ray that it is about."""

_WORDINGS = (
    (r"\bx[- ]?ray\b", "xray"),
    (r"\(s\b\)?", "s"),
    (r"^(ab)?normal$", r"is this \1normal"),
    (r"\bfront(?:al)? (?=view|film|image|picture|xray|radiograph|projection)", "frontal "),
    (r"\bside (?=view|film|image|picture|xray|radiograph|projection)", "lateral "),
    (r"\bfluid in the pleural (?:space|cavity)\b", "pleural effusion"),
    (r"\b(?:is|are) (?:the )?lung volumes? (?:too )?(?:low|small|reduced|decreased)\b", "are there low lung volumes"),
    (r"\bpneumon?th(?:or|ro)[ao]x\b", "pneumothorax"),
    (r"\bmediastium\b", "mediastinum"),
    (r"\bsize abnormal$", "enlarged"),
    (r"\b(?:larger|wider|bigger) than normal$", "enlarged"),
    (
        r"\b(heart|cardiac silhouette) (?:(?:greater|larger|wider|more) than|>)(?: more than)? ?(?:half|50 ?%)(?: of)?"
        r"(?: the)? (?:width of the )?(?:chest|thorax)(?: (?:width|diameter))?$",
        r"\1 enlarged",
    ),
    (r"\b(heart|cardiac) (?:borders?|margins?)\b", r"\1 contour"),
    (r"\b(ribs?|bones?) broken\b", r"\1 fractured"),
    (r"\bbroken (ribs?|bones?)\b", r"fractured \1"),
    (r"(?<! is) absent$", " is absent"),
    (r"\b(?:support|medical) device|\blines? (?:or|and) tube|\btubes? (?:or|and) line", DEVICE),
    (r"\b([rl])(?= (?:lung|costophrenic|hemidiaphragm|hemithorax)\b)", lambda m: "right" if m[1] == "r" else "left"),
)
"""(what may be asked, as the patterns and the labeller read it)."""

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


def yes_or_no(question: str) -> bool:
    """Whether a question of at most 200 characters asks for nothing but yes or no.

    It begins with a verb, or with `any`, is no request, and names no alternatives.
    """
    if len(question) > LONGEST:
        return False
    text = _typed(question)
    return bool(_VERB.match(text)) and not _REQUEST.match(text) and not _MORE.search(text)


def reworded(question: str) -> str:
    """A question in lower case as the rules read it; nothing of one that is too long."""
    if len(question) > LONGEST:
        return ""
    text = _typed(question)
    for pattern, words in _WORDINGS:
        text = re.sub(pattern, words, text)
    return text


def _typed(question: str) -> str:
    """A question in lower case without what stands around it: spaces, marks at its end, a note to say yes or no."""
    marks = " ?.!,(-)"
    text = " ".join(question.lower().replace("’", "'").split()).rstrip(marks)
    text = re.sub(r"\byes ?(?:/|or) ?no$", "", text).rstrip(marks)
    return re.sub(r"\bis/are\b", "is", text)
