"""Where a report says what the rule-labeller reads in it: its words, by their characters in each section."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from radloom.reports.labeller import BETWEEN, as_text, pieces, sentence_evidence
from radloom.study import OBSERVATIONS, Mention, Report


@dataclass(frozen=True)
class Span:
    """Words of a report that mention an observation.

    Attributes:
        section: that they stand in.
        start, end: `section[start:end]` are the words, counted in characters (Unicode code points).
        observation: one of the 14.
        mention: what is said of it.
    """

    section: Literal["findings", "impression"]
    start: int
    end: int
    observation: str
    mention: Mention


def spans(report: Report) -> list[Span]:
    """Every mention of the 14 observations by its place, in the order of the text; `No Finding` has none.

    They are those of `labeller.evidence`. The same words may mention several observations.
    """
    found = []
    for piece, places in _placed(as_text(report)):
        for said in sentence_evidence(piece):
            if said.observation not in OBSERVATIONS:
                continue
            start, end = places[said.start], places[said.start + len(said.phrase)]
            skipped = len(report.findings) + len(BETWEEN)
            if start < skipped:
                found.append(Span("findings", start, end, said.observation, said.mention))
            else:
                found.append(Span("impression", start - skipped, end - skipped, said.observation, said.mention))
    return found


def _placed(text: str) -> Iterator[tuple[str, list[int]]]:
    """The `pieces` of a text, each with the places of its characters in lower case.

    Of n characters there are n + 1 places: character i is `text[places[i] : places[i + 1]]`, where a space may be a
    line break and `&` may be `&amp;`. What sentences drop, numbers and bullets, has no letters, so that the next place
    where a word is found is its own.
    """
    starts, plain, at = _starts(text), html.unescape(text), 0
    for piece in pieces(text):
        places = []
        for word in piece.split():
            at = plain.index(word, at)
            end = at + len(word)
            places += [start for sign, start in zip(word, starts[at:end], strict=True) for _ in sign.lower()]
            places.append(starts[end])
            at = end
        yield piece, places


_ENTITY = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
"""What `html.unescape` replaces."""


def _starts(text: str) -> list[int]:
    """Where each character of `html.unescape(text)` begins in `text`, and at last where the text ends."""
    starts: list[int] = []
    entities = [match.span() for match in _ENTITY.finditer(text)]
    for (_, before), (start, end) in pairwise([(0, 0), *entities, (len(text), len(text))]):
        starts += range(before, start)
        signs = len(html.unescape(text[start:end]))
        starts += [start, *range(end - signs + 1, end)][:signs]
    return [*starts, len(text)]
