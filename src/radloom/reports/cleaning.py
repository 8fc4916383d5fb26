"""Text of reports made fit for reading and training: sentences, redactions, numbering, stray signs.

De-identification left holes: `XXXX` in the Indiana collection, `___` in MIMIC-CXR. A language model that is trained
on them writes them. `clean` closes a hole by the first rule that fits:

1. *restored*: the words around it leave one reading (`x-XXXX` is an x-ray, `lymph XXXX` are lymph nodes); the table
   is `RESTORED`.
2. *date*: it is the date of another study; it goes with its preposition (`no change from XXXX.`, `dated XXXX`).
3. *modifier*: it stands before a word of `MODIFIED`, so the sentence reads on without it (`There are XXXX opacities`).
4. *sentence*: none of these; the sentence is dropped, since half a sentence teaches worse than none.

    python -m radloom.reports.cleaning DIR_OF_XML

counts how often each rule is used in a folder of Open-i reports.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from radloom.errors import RadloomError, ReportError
from radloom.study import Report

HOLE = "XXXX"

RESTORED: tuple[tuple[str, str], ...] = (
    (r"\bx-XXXX", "x-ray"),
    (r"\bXXXX-A-XXXX(?: XXXX)?", "Port-A-Cath"),
    (r"\b(are) no XXXX of", r"\1 no signs of"),
    (r"\b(no|without) XXXX of", r"\1 evidence of"),
    (r"\blymph XXXX", "lymph nodes"),
    (r"\bsternotomy XXXX", "sternotomy wires"),
    (r"\b((?:left|right)(?: \w+)? costophrenic) XXXX", r"\1 angle"),
    (r"\bcostophrenic XXXX", "costophrenic angles"),
    (r"\bfat XXXX(?= (?:is|again|noted)|[.,])", "fat pad"),
    (r"\bsuperior (?:vena XXXX|XXXX XXXX)", "superior vena cava"),
    (r"\baortic XXXX", "aortic arch"),
    (r"\b(heart(?:,| and)? pulmonary) XXXX", r"\1 vasculature"),
    (r"\bchest XXXX(?= (?:\w+ ){0,4}tip)", "chest port"),
    (r"(?<=, )XXXX (?=(?:subsegmental |discoid |mild )?(?:atelecta|scarring|edema|artifact))", "likely "),
    (r"\bmost XXXX(?= (?:represent|due|relat|compatib|consist))", "most likely"),
    (r"^(?:The )?XXXX(?: XXXX)? (are|appear)( grossly)? intact", r"The bones \1\2 intact"),
)
"""(pattern, what it stands for), case ignored."""

MODIFIED = (
    r"(?:bi)?basilar|bibasal|bilateral|biapical|left|right|upper|lower|midline|"
    r"acute|focal|mild|minimal|small|stable|old|chronic|abnormal\w*|patchy|streaky|subsegmental|blunting|"
    r"opaci\w+|air ?space|alveolar|interstitial|infiltrat\w+|consolidation\w*|scarring|atelecta\w+|densit\w+|nodul\w+|"
    r"pleural|effusions?|pulmonary|edema|pneumothora\w+|calcifi[ce]\w*|granulom\w+|fractures?|deformit\w+|degenerative|"
    r"change|changes|disease|sternotomy|examination|frontal|lateral|views?|evidence"
)
"""Words before which a hole is taken for an adjective or adverb."""

MODIFIED_WITHIN = (
    r"normal|unremarkable|enlarged|within|intact|"
    r"representing|represents|related|consistent|due|compatible|reflecting|secondary"
)
"""The same, but not at the start of a sentence, where the hole may be its subject."""

_HOLES = re.compile(r"(?:\b|(?<=\d))(?:X{3,}|_{2,})(?:[ /:-](?:X{3,}|_{2,}))*")
_DATE = re.compile(
    r"(?: (?:from|dated|since|performed on|(?:as )?compared (?:to|with)|in comparison (?:to|with)) XXXX(?:, XXXX)*"
    r"| ?\(XXXX(?:, XXXX)*\))(?=[.,;)]|$)"
)
_MODIFIER = re.compile(rf"\bXXXX (?=(?:{MODIFIED})\b)|(?<=\w )XXXX (?=(?:{MODIFIED_WITHIN})\b)", re.IGNORECASE)

_SIGNS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "•": " ", "·": " "})

_BREAK = re.compile(
    r"\n\s*\n"  # a blank line
    r"|\n\s*(?=[-*•]\s|\d{1,2}[.)]\s)"  # an item of a list
    r"|(?<=[.!])\s+|(?<=\w\?)\s+"
    r"|(?<=[a-z]{2}\.)(?=[A-Z][a-z])"  # no space after the full stop
)
_ITEM = re.compile(r"^(?:[\s>\]),;:/*•-]|\.(?!\d)|\(?\d{1,2}[.)]\s*(?=[A-Za-z(,.;:-]|$))+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:dr|mr|mrs|ms|st|vs|approx|resp|ca|cf|fig|e\.g|i\.e|a\.m|p\.m|incl|s\.p)\.$", re.IGNORECASE
)

_PRIOR = re.compile(
    r"\b(?:prior|previous(?:ly)?|earlier|last)\b"
    r"(?! (?:granulomatous|histoplasm|fracture|surg|sternotomy|median|cabg|trauma|rib|infection|resection))"
    r"|\b(?:compar\w+|interval\w*|interim|unchanged|changed|(?:no|without) (?:\w+ )?change|since|stable|stability|"
    r"new|newly|again|redemonstrat\w+|worse\w*|improv\w+|progress\w*|persist\w*|remains?|resolv\w+|resolution|"
    r"increasing(?:ly)?|decreasing|no longer|follow ?-?up)\b",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """The sentences of a report, each on one line, without the numbers and bullets of a list.

    A full stop ends a sentence except within a number (`2.5 cm`), after an abbreviation (`Dr.`, `vs.`) and after the
    number of a list item; `T10.` ends one. A blank line and a new item end one without a full stop.
    """
    found: list[str] = []
    joined = ""
    for piece in _BREAK.split(html.unescape(text)):
        joined = f"{joined} {piece}".strip() if joined else piece
        if _ABBREVIATION.search(joined.rstrip()):
            continue
        found.append(joined)
        joined = ""
    found.append(joined)
    tidy = (" ".join(_ITEM.sub("", sentence).split()) for sentence in found)
    return [sentence for sentence in tidy if re.search(r"\w", sentence)]


def clean(text: str) -> str:
    """A report's section as text to train on: one line of whole sentences.

    Redactions are closed or their sentences dropped (see the module's docstring), list numbers go, entities and odd
    signs become plain ones, stray punctuation goes, every sentence starts with a capital and ends with a stop. What is
    said of prior studies stays (`without_priors` takes it out). Cleaning twice changes nothing.
    """
    tidied = (_tidy(kept) for kept, _ in map(_close_holes, sentences(_plain(text))) if kept)
    return " ".join(sentence for sentence in tidied if sentence)


def clean_sections(report: Report) -> Report:
    """A report with all its sections cleaned."""
    return Report(**{f.name: clean(getattr(report, f.name)) for f in fields(Report)})


def without_priors(text: str) -> str:
    """`text` without the sentences that speak of another study or of change since one."""
    return " ".join(sentence for sentence in sentences(text) if not mentions_prior(sentence))


def mentions_prior(sentence: str) -> bool:
    """Whether a sentence speaks of another study or of change since one (`stable`, `new`, `has resolved`)."""
    return bool(_PRIOR.search(sentence))


def count_repairs(texts: Iterable[str]) -> Counter[str]:
    """How often each rule closed a hole: `restored`, `date`, `modifier`, and `sentence` for a sentence dropped."""
    return Counter(rule for text in texts for s in sentences(_plain(text)) for rule in _close_holes(s)[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Count the repairs in a folder of Open-i reports; exit code 2 with one sentence where that cannot be done."""
    from radloom.reports.openi import read_openi

    parser = argparse.ArgumentParser(prog="python -m radloom.reports.cleaning", description="Count closed redactions.")
    parser.add_argument("folder", type=Path, help="folder with the collection's XML files")
    folder = parser.parse_args(arguments).folder
    try:
        records = [read_openi(path) for path in sorted(folder.glob("*.xml"))]
        if not records:
            raise ReportError(f"{folder} holds no XML files; name the folder with the collection's reports.")
    except RadloomError as error:
        print(error, file=sys.stderr)
        return 2
    texts = [text for record in records for text in (record.findings, record.impression)]
    total = sum(len(sentences(_plain(text))) for text in texts)
    print(f"{len(records)} reports, {total} sentences of findings and impression\n\n| rule | times |\n|---|---:|")
    for rule, times in count_repairs(texts).most_common():
        print(f"| {rule} | {times} |")
    return 0


def _plain(text: str) -> str:
    """Entities and typographic signs made plain, invisible ones taken out."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(_SIGNS)
    return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign)[0] != "C")


def _close_holes(sentence: str) -> tuple[str, list[str]]:
    """The sentence without holes, `""` where it cannot be saved, and the rules that were used."""
    rules: list[str] = []
    sentence = re.sub(r"_{2,}", HOLE, sentence)
    for pattern, words in RESTORED:
        sentence, times = re.subn(pattern, words, sentence, flags=re.IGNORECASE)
        rules += ["restored"] * times
    sentence = _HOLES.sub(HOLE, sentence)
    for name, closing in (("date", _DATE), ("modifier", _MODIFIER)):
        sentence, times = closing.subn("", sentence)
        rules += [name] * times
    if HOLE in sentence:
        return "", [*rules, "sentence"]
    return sentence, rules


def _tidy(sentence: str) -> str:
    sentence = re.sub(r"[<>\[\]|~^*#]+", " ", sentence)
    sentence = re.sub(r"\s+([.,;:!)])", r"\1", " ".join(sentence.split()))
    sentence = re.sub(r"([.,;:!?])[.,;:]+", r"\1", sentence)
    sentence = sentence.strip(" ,;:-/")
    if not re.search(r"\w", sentence):
        return ""
    if sentence[-1] not in ".!?":
        sentence += "."
    return sentence[0].upper() + sentence[1:]


if __name__ == "__main__":
    raise SystemExit(main())
