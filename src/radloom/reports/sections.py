"""Sections of free-text radiology reports, in the style of MIMIC-CXR (Johnson et al. 2019, arXiv 1901.07042).

A section starts at a header. Headers come in any order and any case, repeated, misspelt or not at all:

- at the start of a line with a colon: `FINDINGS:`, `Impression :`, `IMPRESSON:`; the colon of a time (`10:30 A.M.`)
  ends no header;
- alone on a line without a colon: `FINDINGS`, or `Findings` after a blank line;
- within a line, in capitals or after a full stop, with a colon: `... effusion. IMPRESSION: No change.`

A known header may be misspelt by one edit (insertion, deletion, substitution, transposition of neighbours). A word in
running prose is never a header. An unknown header in capitals (`NOTIFICATION:`) opens a section of its own, so that its
text stays out of the impression, except that one which describes the view (`CHEST, TWO VIEWS:`) opens the findings, as
in MIMIC's own parser, and one which names an organ (`LUNGS:`) stays within the findings as text.

When a report has no findings header, its description often stands without one, below the first paragraph of another
section. As in MIMIC's create_section_files, the paragraphs after the first one of the last section are then the
report's body, or else what stands under `comparison` or `wet read`; text without any header is all body. Beyond
MIMIC's rule, a report that has an impression is searched for a body just before it. The body counts as findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from radloom.study import Report

HEADERS: dict[str, tuple[str, ...]] = {
    "examination": ("examination", "exam", "type of examination", "type of exam", "study", "procedure"),
    "indication": (
        "indication",
        "indications",
        "clinical indication",
        "reason for exam",
        "reason for examination",
        "reason for the exam",
        "reason for study",
        "reason",
    ),
    "history": ("history", "clinical history", "clinical information", "patient history", "clinical data"),
    "technique": ("technique", "views"),
    "comparison": ("comparison", "comparisons", "comparison exam", "comparison film", "reference exam", "prior"),
    "findings": ("findings", "finding", "report", "observations", "description"),
    "impression": (
        "impression",
        "impressions",
        "conclusion",
        "conclusions",
        "opinion",
        "summary",
        "findings and impression",
        "findings/impression",
        "impression and findings",
        "final impression",
    ),
    "wet read": ("wet read", "wetread", "preliminary report", "provisional findings impression"),
    "recommendations": ("recommendation", "recommendations", "recommendation(s)"),
    "notification": ("notification", "notifications"),
    "addendum": ("addendum",),
}
"""Section -> the headers that open it. Findings and impression under one header are an impression, as in MIMIC."""

VIEW_WORDS = frozenset(re.findall(r"\w+", "chest cxr radiograph radiographs portable pa ap view views"))
"""A word of an unknown header that describes the view and so opens the findings."""

ORGAN_WORDS = frozenset(
    re.findall(
        r"\w+",
        "abdomen airway airways aorta bone bones cardiac cardiomediastinal devices diaphragm hardware heart hila lines "
        "lung lungs mediastinum osseous parenchyma pleura pleural pulmonary tissues tubes vasculature vessels",
    )
)
"""A word of a subheading that stays within the findings."""

_SPELLINGS = {spelling: section for section, spellings in HEADERS.items() for spelling in spellings}

_LINE_HEADER = re.compile(r"^[ \t]*(?P<name>[A-Za-z][A-Za-z0-9 ()/,&'-]{1,50}?)[ \t]*:", re.M)
_INLINE_HEADER = re.compile(r"(?<=[\s.;])(?P<name>[A-Z][A-Z()/]+(?: [A-Z()/]+){0,3})[ \t]*:")
_SENTENCE_HEADER = re.compile(r"(?<=[.;])\s+(?P<name>[A-Z][a-z]+(?: [A-Za-z()/]+){0,3})[ \t]*:")
_BREAK = re.compile(r"\n[ \t]*(?:\n\s*|(?=(?:[-*•]|\(?\d{1,2}[.)])\s))")
"""A blank line, or the begin of an item of a list."""

_STOPS = (".", "!", "?", ":", ";", ",")
_BARE_HEADER = re.compile(r"^[ \t]*(?P<name>[A-Za-z][A-Za-z ()/]{3,40}?)[ \t]*$", re.M)


def parse_report(text: str) -> Report:
    """The report in `text`. Nothing is raised for odd text; an empty text gives an empty report.

    The indication is what stands under indication and history. Where no header says findings, the description
    without header becomes the findings (see the module's docstring).
    """
    sections = split_sections(text)
    history = [sections[name] for name in ("indication", "history") if name in sections]
    return Report(
        findings=sections.get("findings") or _body(_sections(text)),
        impression=sections.get("impression", ""),
        indication=" ".join(history),
    )


def split_sections(text: str) -> dict[str, str]:
    """Section name -> its text on one line, in the order of first appearance; sections of the same name are joined.

    Names are the keys of `HEADERS`, an unknown header in lower case, or `preamble` for text before the first header.
    Empty sections are left out.
    """
    sections: dict[str, list[str]] = {}
    for name, body in _sections(text):
        if body.strip():
            sections.setdefault(name, []).append(one_line(body))
    return {name: ended(bodies) for name, bodies in sections.items()}


def has_headings(text: str) -> bool:
    """Whether a text has a header of `HEADERS`, be there anything below it or not."""
    return any(name in HEADERS for name, _ in _sections(text))


def one_line(text: str) -> str:
    """Text on one line; what a blank line or the next item of a list ends, a full stop ends there."""
    return ended(filter(None, (" ".join(piece.split()) for piece in _BREAK.split(text))))


def ended(pieces: Iterable[str]) -> str:
    """Pieces as one text, in which no piece runs on into the next."""
    *some, last = [*pieces] or [""]
    return " ".join([*(piece if piece.endswith(_STOPS) else f"{piece}." for piece in some), last])


def _sections(text: str) -> list[tuple[str, str]]:
    """(name, body) of each stretch of text, as written, the preamble first."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    headers: dict[int, tuple[int, str]] = {}
    kinds = (
        (_LINE_HEADER, _line_header),
        (_INLINE_HEADER, lambda match, _: _known_section(match["name"])),
        (_SENTENCE_HEADER, lambda match, _: _SPELLINGS.get(match["name"].lower())),
        (_BARE_HEADER, _bare_header),
    )
    for pattern, section_of in kinds:
        for match in pattern.finditer(text):
            section = section_of(match, text)
            if section is not None:
                headers.setdefault(match.start("name"), (match.end(), section))
    found: list[tuple[str, str]] = []
    name, begin = "preamble", 0
    for start, (end, section) in sorted(headers.items()):
        if start < begin:
            continue
        if section == "organ":
            if name in ("findings", "impression"):
                continue
            section, end = "findings", start
        found.append((name, text[begin:start]))
        name, begin = section, end
    return [*found, (name, text[begin:])]


def _line_header(match: re.Match[str], text: str) -> str | None:
    name = match["name"]
    known = _known_section(name)
    if known is not None:
        return known if name != name.lower() or _starts_paragraph(match, text) else None
    words = re.findall(r"[a-z]+", name.lower())
    if text[match.end() : match.end() + 1].isdigit():
        return None
    if ORGAN_WORDS.intersection(words) and (name == name.upper() or len(words) <= 3):
        return "organ"
    if name != name.upper():
        return None
    return "findings" if VIEW_WORDS.intersection(words) else " ".join(name.lower().split())


def _bare_header(match: re.Match[str], text: str) -> str | None:
    name = match["name"]
    if name == name.upper():
        return _known_section(name)
    return _SPELLINGS.get(" ".join(name.lower().split())) if _starts_paragraph(match, text) else None


def _starts_paragraph(match: re.Match[str], text: str) -> bool:
    before = text[: match.start()].rstrip(" \t")
    return not before.strip() or before.endswith("\n\n") or before.rstrip().endswith((".", ":"))


@lru_cache(maxsize=4096)
def _known_section(header: str) -> str | None:
    """The section of a header; one with a single misspelling too, if it is long enough not to be another word.

    With two, *Contusion* would be a conclusion and *Compression* an impression.
    """
    name = " ".join(header.lower().split())
    name = re.sub(r"\s*/\s*", "/", name)
    if name in _SPELLINGS:
        return _SPELLINGS[name]
    for spelling, section in _SPELLINGS.items():
        if len(spelling) >= 6 and abs(len(spelling) - len(name)) <= 1 and _edits(name, spelling) <= 1:
            return section
    return None


def _edits(a: str, b: str) -> int:
    """Damerau-Levenshtein distance in its optimal string alignment form."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _body(sections: list[tuple[str, str]]) -> str:
    """The description of a report without a findings header."""
    names = [name for name, _ in sections]
    if "impression" in names:
        sections = sections[: names.index("impression")]
    if not sections:
        return ""
    name, text = sections[-1]
    paragraphs = [one_line(p) for p in re.split(r"\n[ \t]*\n", text.strip()) if p.strip()]
    if len(names) == 1:
        return ended(paragraphs)
    if len(paragraphs) > 1:
        return ended(paragraphs[1:])
    return paragraphs[0] if paragraphs and name in ("comparison", "wet read") and "impression" not in names else ""
