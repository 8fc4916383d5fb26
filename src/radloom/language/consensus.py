"""One report of several drafts: of all their sentences those that say most nearly what the drafts do.

Minimum Bayes risk decoding (Kumar and Byrne 2004, "Minimum Bayes-risk decoding for statistical machine translation")
by expected counts of n-grams (DeNero et al. 2009, "Fast consensus decoding over translation forests"). A single draw
has odd words that its fellows do not share, and lacks some that they do; the likeliest text is the same for nearly
every patient. As drafts are few, half of what is expected is the mean of reports at large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from radloom.reports.cleaning import sentences
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.repair import agree, contradicts, proofread, together, unbroken
from radloom.reports.signs import signs
from radloom.scores.text import ngrams, r2gen_clean
from radloom.study import SECTIONS, Mention, Report, Side

LONGEST = 4
"""Words of the longest n-grams."""

RARE = 1 / 150
"""Share of reports below which an n-gram is left out of what is expected of reports at large."""

FEWEST = 5
"""Reports that an n-gram must be in, however few there are."""

_COMMON = """
    the a an is are there no not of and or in with to within for without be been this that on at has have
    seen identified noted again appear appears demonstrate demonstrates visible present
    normal limits clear negative abnormality acute mild stable unchanged
"""
"""Words that sentences on different things share."""

_STOP_WORDS = frozenset(_COMMON.split())


@dataclass(frozen=True)
class Phrases:
    """How often n-grams are expected in a section of a report.

    Attributes:
        counts: n-gram, its words joined by blanks -> how often.
        totals: how many n-grams of 1, 2, ... words.
    """

    counts: dict[str, float]
    totals: tuple[float, ...]

    @classmethod
    def of(cls, texts: Sequence[str], rare: float = 0.0, fewest: int = 0) -> Self:
        """The mean over sections that have text.

        Args:
            texts: of a section, one a report.
            rare, fewest: n-grams in a smaller share of the texts, or in fewer, are left out of `counts`.
        """
        each = [_grams(_words(text)) for text in texts if text]
        n = max(1, len(each))
        sums, reports = Counter[str](), Counter[str]()
        for grams in (grams for one in each for grams in one):
            sums.update(grams)
            reports.update(grams.keys())
        least = max(rare * len(each), fewest)
        kept = {gram: round(sums[gram] / n, 4) for gram in sorted(sums) if reports[gram] >= least}
        return cls(kept, tuple(round(sum(one[k].total() for one in each) / n, 4) for k in range(LONGEST)))

    def mixed(self, other: Phrases) -> Phrases:
        """The mean of both."""
        counts = {
            gram: (self.counts.get(gram, 0) + other.counts.get(gram, 0)) / 2 for gram in {**self.counts, **other.counts}
        }
        return Phrases(counts, tuple((a + b) / 2 for a, b in zip(self.totals, other.totals, strict=True)))

    def likeness(self, words: Sequence[str]) -> float:
        """How like what is expected a text is: F1 of n-grams, the mean over their lengths; from 0 to 1."""
        shares = []
        for grams, total in zip(_grams(words), self.totals, strict=True):
            if both := grams.total() + total:
                shares.append(2 * sum(min(n, self.counts.get(gram, 0)) for gram, n in grams.items()) / both)
        return sum(shares) / len(shares) if shares else 1.0


def usual_phrases(reports: Sequence[Report]) -> dict[str, Phrases]:
    """What is expected of each section of a report at large.

    Args:
        reports: for training, cleaned.

    Returns:
        Section -> its phrases, without rare n-grams.
    """
    return {name: Phrases.of([getattr(report, name) for report in reports], RARE, FEWEST) for name in SECTIONS}


def consensus(
    drafts: Sequence[Report],
    stated: Collection[str],
    usual: Mapping[str, Phrases] | None = None,
    seen: Collection[str] = (),
) -> Report:
    """One report of whole sentences of its drafts.

    In each section the sentences are those whose n-grams are most like what the drafts, and reports at large, have on
    the mean; but first of all they say what was stated, and seen. Two on one subject, an observation or a sign, stand
    together only where they do in half the drafts. A section that most drafts leave out stays out.

    Args:
        drafts: of one study; one alone is returned as it is.
        stated: the observations that all of them state as positive.
        usual: of reports at large, see `usual_phrases`; without, the drafts' own mean counts alone.
        seen: the signs that the findings should say, too.
    """
    if len(drafts) == 1:
        return drafts[0]
    made = {}
    for name in SECTIONS:
        texts = [getattr(draft, name) for draft in drafts]
        expected = Phrases.of(texts)
        if usual and any(usual[name].totals):
            expected = expected.mixed(usual[name])
        whole = name == "findings"
        made[name] = _composed(texts, expected, stated, seen if whole else (), overall=whole)
    return replace(drafts[0], **made)


def agreed(
    drafts: Sequence[Report],
    stated: Collection[str],
    usual: Mapping[str, Phrases] | None = None,
    seen: Collection[str] | None = None,
    where: Mapping[str, Side] | None = None,
) -> Report:
    """One report of drafts that says what was stated, and seen, and nothing against it.

    Args:
        drafts, stated, usual: see `consensus`.
        seen: the signs that are there; None where nobody has looked.
        where: the sides that observations are on, if they are there.
    """
    if seen is not None:
        stated, seen = together(stated, seen)
    where = {name: side for name, side in (where or {}).items() if name in stated}
    fitting = [agree(unbroken(draft), stated, seen, where) for draft in drafts]
    report = consensus(fitting, stated, usual, seen or ())
    return proofread(agree(report, stated, seen, where))  # what one draft said may have gone


def _composed(
    texts: Sequence[str], expected: Phrases, stated: Collection[str], seen: Collection[str], overall: bool
) -> str:
    """A section of sentences of several: the best draft, then changed by a sentence at a time while that helps.

    Args:
        texts: the section in each draft.
        expected: of it.
        stated, seen: see `consensus`.
        overall: whether the section should also be normal, or not, as a whole, as was stated.
    """
    written = [text for text in texts if text]
    if 2 * len(written) < len(texts):
        return ""
    split = [finished for text in written if (finished := _finished(text))]
    if not split:
        return written[0] if written else ""
    places: dict[str, list[float]] = {}
    for draft in split:
        for i, sentence in enumerate(draft):
            places.setdefault(sentence, []).append(i / len(draft))
    place = {sentence: sum(found) / len(found) for sentence, found in places.items()}

    def apart(a: str, b: str) -> bool:
        return _same(a, b) and 2 * sum(a in draft and b in draft for draft in split) < len(split)

    def worth(chosen: Sequence[str]) -> tuple[int, float]:
        text = " ".join(chosen)
        said = frozenset[str]().union(*map(_positive, chosen))
        shown = frozenset[str]().union(*map(_seen, chosen))
        wrong = len(said ^ (set(stated) - {NO_FINDING})) + len(set(seen) - shown)
        if overall:
            wrong += (NO_FINDING in stated) != (label(text).get(NO_FINDING) is Mention.POSITIVE)
        return -wrong, expected.likeness(_words(text))

    def distinct(chosen: Sequence[str]) -> list[str]:
        kept: list[str] = []
        for sentence in chosen:
            if sentence not in kept and not any(apart(sentence, other) for other in kept):
                kept.append(sentence)
        return kept

    best = max(map(distinct, split), key=worth)
    while True:
        swapped = [[*(old for old in best if not apart(old, new)), new] for new in place if new not in best]
        shorter = [[s for s in best if s is not old] for old in best] if len(best) > 1 else []
        tried = [sorted(changed, key=place.__getitem__) for changed in swapped + shorter]
        better = max(tried, key=worth, default=best)
        if worth(better) <= worth(best):
            return " ".join(best)
        best = better


def _finished(text: str) -> list[str]:
    """Its sentences, without one that was cut off: another would run on from it."""
    return [sentence for sentence in sentences(text) if sentence.endswith((".", "!", "?"))]


def _same(a: str, b: str) -> bool:
    """Whether two sentences are on one subject or at odds: one observation or sign, half the words of the shorter, or a
    normal region beside what is not normal there."""
    shared = _content(a) & _content(b)
    alike = shared and 2 * len(shared) >= min(len(_content(a)), len(_content(b)))
    at_odds = contradicts(a, _doubted(b), _seen(b)) or contradicts(b, _doubted(a), _seen(a))
    return bool(alike or _mentions(a) & _mentions(b) or at_odds)


@lru_cache(4096)
def _content(sentence: str) -> frozenset[str]:
    """Its words that say what it is about, without the s of a plural."""
    return frozenset(word.removesuffix("s") for word in _words(sentence) if word not in _STOP_WORDS)


@lru_cache(4096)
def _labels(sentence: str) -> Mapping[str, Mention]:
    return {name: mention for name, mention in label(sentence).items() if name != NO_FINDING}


@lru_cache(4096)
def _seen(sentence: str) -> frozenset[str]:
    """The signs that it says are there."""
    return frozenset(sign for sign, mention in signs(sentence).items() if mention is Mention.POSITIVE)


@lru_cache(4096)
def _mentions(sentence: str) -> frozenset[str]:
    """The observations and signs that it speaks of."""
    return frozenset(_labels(sentence)) | frozenset(signs(sentence))


def _positive(sentence: str) -> frozenset[str]:
    return frozenset(name for name, mention in _labels(sentence).items() if mention is Mention.POSITIVE)


def _doubted(sentence: str) -> frozenset[str]:
    """What it says is there, or may be."""
    return frozenset(name for name, mention in _labels(sentence).items() if mention is not Mention.NEGATIVE)


def _words(section: str) -> list[str]:
    """In lower case, without punctuation but a stop between sentences."""
    return r2gen_clean(section).split()[:-1]


def _grams(words: Sequence[str]) -> list[Counter[str]]:
    return [Counter({" ".join(gram): n for gram, n in ngrams(words, k).items()}) for k in range(1, LONGEST + 1)]
