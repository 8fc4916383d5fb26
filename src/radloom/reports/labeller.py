"""The rule-labeller: what a report says of each of the 14 CheXpert observations.

Mentions are found by phrase, then each gets the negation or uncertainty whose scope covers it, sentence by sentence,
after the ideas of NegBio (Peng et al. 2018, arXiv 1712.05898) and of the CheXpert labeller (Irvin et al. 2019, arXiv
1901.07031), whose categories and aggregation it keeps. All rules are tables in `phrases.py`. It is neither of those
programs and agrees with them only in part: scores made with it are named after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

from radloom.reports import phrases
from radloom.reports.cleaning import sentences
from radloom.study import OBSERVATIONS, Mention, Report

NAME = "rule-labeller"
VERSION = 3
"""Raised whenever a rule changes, so that scores made with different rules are not compared."""

LONGEST_SENTENCE = 100
"""Words after which a sentence is cut, so that text without stops takes no more than its share of time."""

BETWEEN = "\n\n"
"""What parts findings from impression where both are read."""

NO_FINDING, SUPPORT_DEVICES = OBSERVATIONS[0], OBSERVATIONS[-1]

_RANK = {Mention.NEGATIVE: 0, Mention.UNCERTAIN: 1, Mention.POSITIVE: 2}


@dataclass(frozen=True)
class Evidence:
    """One mention of an observation: what is said of it, in which sentence, by which words.

    Attributes:
        observation: one of the 14, or `phrases.OTHER`.
        mention: what is said of it.
        sentence: one of `pieces`.
        phrase: the words, in lower case.
        start: where the phrase begins in the sentence in lower case.
    """

    observation: str
    mention: Mention
    sentence: str
    phrase: str
    start: int


def label(report: Report | str) -> dict[str, Mention]:
    """Observation -> what the report says of it, in the order of `OBSERVATIONS`; unmentioned ones are absent.

    Several mentions of one observation count as positive if one is positive, else uncertain if one is uncertain.
    `No Finding` is positive when nothing else but support devices is positive or uncertain, and never negative.

    Args:
        report: findings and impression are read, the indication is not; a string is read as it is, without looking
            for sections (`sections.parse_report` does that).
    """
    said = strongest((found.observation, found.mention) for found in _evidence(report))
    nothing_found = all(
        mention is Mention.NEGATIVE for observation, mention in said.items() if observation != SUPPORT_DEVICES
    )
    if nothing_found and any(re.search(r"[a-z]{3}", s.lower().replace("xxxx", "")) for s in sentences(as_text(report))):
        said[NO_FINDING] = Mention.POSITIVE
    return {observation: said[observation] for observation in OBSERVATIONS if observation in said}


def strongest(found: Iterable[tuple[str, Mention]]) -> dict[str, Mention]:
    """What several mentions of each name come to: positive if one is, else uncertain if one is."""
    said: dict[str, Mention] = {}
    for name, mention in found:
        if name not in said or _RANK[mention] > _RANK[said[name]]:
            said[name] = mention
    return said


def verdicts(report: Report | str) -> tuple[Mention | None, ...]:
    """What the report says of each of `OBSERVATIONS`; None of those it does not mention."""
    said = label(report)
    return tuple(said.get(observation) for observation in OBSERVATIONS)


def evidence(report: Report | str) -> list[Evidence]:
    """Every mention of the 14 observations, in the order of the text. `No Finding` has none."""
    return [found for found in _evidence(report) if found.observation in OBSERVATIONS]


def as_text(report: Report | str) -> str:
    """What is read of a report: findings and impression with `BETWEEN` them."""
    return report if isinstance(report, str) else f"{report.findings}{BETWEEN}{report.impression}"


def pieces(text: str) -> Iterator[str]:
    """What the rules read one by one: the sentences of a text, long ones cut."""
    for sentence in sentences(text):
        words = sentence.split()
        for start in range(0, len(words), LONGEST_SENTENCE):
            yield " ".join(words[start : start + LONGEST_SENTENCE])


def _evidence(report: Report | str) -> Iterator[Evidence]:
    for piece in pieces(as_text(report)):
        yield from sentence_evidence(piece)


@lru_cache(maxsize=1 << 15)
def sentence_evidence(sentence: str) -> tuple[Evidence, ...]:
    """Mentions in one of `pieces`, of `phrases.OTHER` too; reports repeat their sentences, so the answers are kept."""
    text = sentence.lower()
    scopes = _scopes(text)
    asserted = [m for m in _mentions(text) if not any(s.kind == "ignore" and s.covers(m) for s in scopes)]
    said = [_mention(scopes, m) for m in asserted]
    for i, (first, second) in enumerate(pairwise(asserted)):
        if _alternatives(text, first, second) and Mention.NEGATIVE not in (said[i], said[i + 1]):
            said[i] = said[i + 1] = Mention.UNCERTAIN
    found = [*zip(asserted, said, strict=True), *_structures(text, scopes, asserted)]
    found.sort(key=lambda pair: pair[0].start)
    return tuple(Evidence(m.name, what, sentence, text[m.start : m.end], m.start) for m, what in found)


@dataclass(frozen=True)
class _Span:
    """A stretch of a sentence: a mention of the observation `name`, or a predicate of that kind."""

    name: str
    start: int
    end: int
    weak: bool = False


@dataclass(frozen=True)
class _Scope:
    """What a cue covers: `[start, end)`. `after` is whether the cue follows what it covers."""

    kind: str
    start: int
    end: int
    after: bool

    def covers(self, span: _Span) -> bool:
        return self.start <= span.start and span.end <= self.end


def _mentions(text: str) -> list[_Span]:
    found: list[_Span] = []
    for observation, pattern in _mention_patterns().items():
        for match in pattern.finditer(text):
            start, end = match.span()
            known = observation == phrases.OTHER and any(start < m.end and m.start < end for m in found)
            if match.lastgroup is not None and not known:
                found.append(_Span(observation, start, end, weak=match.lastgroup == "weak"))
    return sorted(found, key=lambda span: (span.start, span.end))


def _scopes(text: str) -> list[_Scope]:
    stops = [m.span() for m in _any_of(phrases.TERMINATORS).finditer(text)]
    scopes = []
    for match in _cues().finditer(text):
        kind, cue = str(match.lastgroup), match[0]
        if kind.startswith("post_"):
            hard = max((end for _, end in stops if end <= match.start()), default=0)
            start = _reach_back(text, hard, match.start(), plural=cue.startswith(_PLURAL))
            scopes.append(_Scope(kind.removeprefix("post_"), start, match.start(), after=True))
        elif kind != "pseudo":
            hard = min((start for start, _ in stops if start >= match.end()), default=len(text))
            through_lists = kind in ("negation", "ignore") or cue.startswith("differential")
            end = _reach(text, match.end(), hard, through_lists=through_lists)
            scopes.append(_Scope(kind, match.end(), end, after=False))
    return scopes


def _reach(text: str, start: int, hard: int, *, through_lists: bool) -> int:
    """Where the scope of a cue that ends at `start` ends: at `hard`, or where a new statement begins before it.

    A comma or `and` is passed when an `or` follows in the same list. Else a negation passes it if what follows goes
    on with the list (neither a new clause nor a word such as `stable`), an uncertainty does not.
    """
    for match in _SEPARATOR.finditer(text, start, hard):
        rest = text[match.end() : hard]
        in_list = re.match(r"(.*?)\b(?:or|nor|versus|vs)\b", rest) or (through_lists and _SLASHED.match(rest))
        if in_list and not _any_of(phrases.VERB).search(in_list[1]):
            continue
        clause = re.split(r",| and ", rest.removeprefix(" and").strip(), maxsplit=1)[0]
        fresh = _any_of(phrases.FRESH_START).match(rest.strip()) or (
            match[0] == "," and re.match(phrases.SIDE, rest.strip())
        )
        if not through_lists or fresh or _any_of(phrases.VERB).search(clause):
            return match.start()
    return hard


def _reach_back(text: str, hard: int, end: int, *, plural: bool) -> int:
    """Where the scope of a cue that starts at `end` and looks back begins: at `hard`, or after the last clause."""
    for match in reversed(list(_SEPARATOR.finditer(text, hard, end))):
        rest = text[match.end() : end]
        if re.fullmatch(r" *(?:now|also|\w+ly)? *", rest):
            continue
        in_list = (plural and not _any_of(phrases.FRESH_START).match(rest.strip())) or re.search(r"\bn?or\b", rest)
        if _any_of(phrases.VERB).search(text, hard, match.start()) or not in_list:
            return match.end()
    return hard


def _mention(scopes: list[_Scope], span: _Span) -> Mention:
    """What the cues make of a mention or predicate: a cue after it counts first, then the nearest before."""
    covering = [s for s in scopes if s.kind != "ignore" and s.covers(span)]
    behind = [s for s in covering if s.after]
    if behind:
        return Mention.NEGATIVE if behind[0].kind == "negation" else Mention.UNCERTAIN
    if any(s.kind == "negation" for s in covering):
        while covering[-1].kind == "suspicion":
            covering.pop()
        return Mention.NEGATIVE if covering[-1].kind == "negation" else Mention.UNCERTAIN
    return Mention.UNCERTAIN if covering or span.weak else Mention.POSITIVE


def _alternatives(text: str, first: _Span, second: _Span) -> bool:
    """Whether two neighbouring mentions are joined by `versus` or `or`, so that either may be meant."""
    if SUPPORT_DEVICES in (first.name, second.name) or first.name == second.name:
        return False
    between = text[first.end : second.start]
    return (
        len(between.split()) <= 6
        and bool(_any_of(phrases.VERSUS).search(between))
        and not _any_of(phrases.VERB).search(between)
    )


def _structures(text: str, scopes: list[_Scope], asserted: list[_Span]) -> Iterator[tuple[_Span, Mention]]:
    """What is said of heart, mediastinum and interstitial markings, by their predicates."""
    predicates = [_Span(str(m.lastgroup), m.start(), m.end()) for m in _predicates().finditer(text)]
    taken = [(m.start, m.end) for m in asserted if m.name != phrases.OTHER]
    for pattern, abnormal, normal in _structure_patterns():
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < b and a < end for a, b in taken):
                continue
            taken.append((start, end))
            predicate = _predicate(text, start, end, predicates, asserted)
            if predicate is None:
                continue
            if predicate.name in ("abnormal", "not_normal"):
                what = _mention(scopes, predicate)
            else:
                what = Mention.NEGATIVE if predicate.name == "normal" else Mention.UNCERTAIN
            for observation in normal if what is Mention.NEGATIVE else abnormal:
                yield _Span(observation, start, end), what


def _predicate(text: str, start: int, end: int, predicates: list[_Span], asserted: list[_Span]) -> _Span | None:
    """The predicate of the structure at `[start, end)`: right before it, else the next one, else one shared."""
    before = [p for p in predicates if p.end <= start]
    if before and _ATTRIBUTE_GAP.fullmatch(text, before[-1].end, start):
        return before[-1]
    named = _COLON.match(text, end)  # `Heart size: enlarged.`
    begin = named.end() if named else end
    stop = min((m.start() for m in _any_of(phrases.TERMINATORS).finditer(text, begin)), default=len(text))
    stop = min([stop, *(m.start for m in asserted if m.start >= end and m.name != phrases.OTHER)])
    after = [p for p in predicates if p.start >= end]
    if after and after[0].end <= stop:
        first, *rest = after
        if first.name == "stable" and rest and _SAME_SUBJECT_GAP.fullmatch(text, first.end, rest[0].start):
            return rest[0]
        return first
    if before and _SHARED_GAP.fullmatch(text, before[-1].end, start):
        return before[-1]
    return None


_COLON = re.compile(r" ?: *")
_SLASHED = re.compile(r"((?: ?\w+){1,4})/(?! ?\d)")
"""The end of a list that a slash joins: `no consolidation, large effusion/pneumothorax`."""

_SEPARATOR = re.compile(r",| and(?= )")
_PLURAL = ("are ", "were ", "have ", "appear ", "remain ")
_ATTRIBUTE_GAP = re.compile(
    r"(?: (?:\w+ly|the|appearing|overall|sized|xxxx|appearance of|(?:size|shape|contours?|configuration)"
    r"(?: and (?:size|shape|contours?|configuration))? (?:of|to)))* (?:the )?"
)
_SAME_SUBJECT_GAP = re.compile(
    r",?(?: (?:and|but|in|at|size|appearance|remains?|is|still|again|overall|\w+ly)){0,4},? "
)
_SHARED_GAP = re.compile(r"(?:,? (?!is |are |was |were |appears? |remains? )\w+){1,7},? ")


def _pattern(alternatives: Iterable[str]) -> str:
    joined = "|".join(f"(?:{a})" for a in alternatives).replace(" ", "[ -]")
    return rf"(?:\b|(?=\W))(?:{joined})(?:\b|(?<=\W))"


@cache
def _mention_patterns() -> dict[str, re.Pattern[str]]:
    patterns = {}
    for observation in phrases.MENTIONS:
        tables = {"": phrases.NOT_MENTIONS, "?P<weak>": phrases.WEAK_MENTIONS, "?P<mention>": phrases.MENTIONS}
        parts = [f"({group or '?:'}{_pattern(t[observation])})" for group, t in tables.items() if observation in t]
        patterns[observation] = re.compile("|".join(parts))
    return patterns


@cache
def _structure_patterns() -> list[tuple[re.Pattern[str], tuple[str, ...], tuple[str, ...]]]:
    return [(re.compile(_pattern([p])), abnormal, normal) for p, abnormal, normal in phrases.STRUCTURES]


@cache
def _predicates() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{kind}>{_pattern(table)})" for kind, table in phrases.PREDICATES.items()))


@cache
def _cues() -> re.Pattern[str]:
    """One pattern for all cues; where several start at one place, the first table wins."""
    tables = {
        "pseudo": phrases.PSEUDO_CUES,
        "ignore": phrases.IGNORE_CUES,
        "post_ignore": phrases.POST_IGNORE,
        "post_uncertainty": phrases.POST_UNCERTAINTY,
        "post_negation": phrases.POST_NEGATION,
        "uncertainty": phrases.PRE_UNCERTAINTY,
        "negation": phrases.PRE_NEGATION,
        "suspicion": phrases.PRE_SUSPICION,
    }
    return re.compile("|".join(f"(?P<{kind}>{_pattern(table)})" for kind, table in tables.items()))


@cache
def _any_of(table: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(_pattern(table))
