"""METEOR 1.5 of reports (Denkowski and Lavie 2014, "Meteor Universal") without Java.

The numbers are those of pycocoevalcap's `Meteor`, which runs `meteor-1.5.jar - - -stdio -l en -norm`: the text is cut
into lower-case tokens; words and phrases that are equal, share a stem, are synonyms or paraphrases are matched; of
all alignments a beam search keeps the one that covers most, in few chunks, at short distance. Function words count
less than content words. The tables of English are read from the files of the package pycocoevalcap.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from radloom.errors import MissingPackageError, RadloomError
from radloom.scores.porter2 import stem
from radloom.scores.text import References, check_pairs, several

_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
_EXACT, _STEM, _SYNONYM, _PARAPHRASE = range(4)
_BEAM = 40
_JAR, _PARAPHRASES = "meteor/meteor-1.5.jar", "meteor/data/paraphrase-en.gz"
_LONGEST = 7  # words of a phrase in the table of paraphrases

_LETTERS = "A-Za-z\u0160\u017d\u0161\u017e\u0178\xc0-\xd6\xd8-\xf6\xf8-\u017e\u0400-\u04ff\u0500-\u0527"
_LETTERS += "\ua640-\ua66e\ua67e-\ua697\u1d00-\u1d7f"
_SPACE = " \t\n\r\f"
_TRIM = "".join(map(chr, range(33)))
_APART = [
    (re.compile(rf"([^0-9{_LETTERS} \t\n\x0b\f\r.'`,\-\u2018\u2019])"), r" \1 "),
    (re.compile(r"\.(\.+)"), r" DOTMULTI\1"),
]
_DOTS = re.compile(r"DOTMULTI\.([^.])")
_JOINED = [
    (re.compile(r"([^0-9]),([^0-9])"), r"\1 , \2"),
    (re.compile(r"([0-9]),([^0-9])"), r"\1 , \2"),
    (re.compile(r"([^0-9]),([0-9])"), r"\1 , \2"),
    (re.compile("[`\u2018\u2019]"), "'"),
    (re.compile("[\u201c\u201d]|''"), ' " '),
    (re.compile("\u2013"), "-"),
    (re.compile("--"), "-"),
    (re.compile(rf"([0-9{_LETTERS}.])-([0-9{_LETTERS}])"), r"\1 \2"),
    (re.compile(rf"([^{_LETTERS}])'([^{_LETTERS}])"), r"\1 ' \2"),
    (re.compile(rf"([^{_LETTERS}0-9])'([{_LETTERS}])"), r"\1 ' \2"),
    (re.compile(rf"([{_LETTERS}])'([^{_LETTERS}])"), r"\1 ' \2"),
    (re.compile(rf"([{_LETTERS}])'([{_LETTERS}])"), r"\1 '\2"),
    (re.compile(r"([0-9])'(s)"), r"\1 '\2"),
]
_WHITE = re.compile("[ \u2000-\u200a\u202f\u205f\u3000\xa0]+")
_LETTER = re.compile(f"[{_LETTERS}]")

_ENDINGS = [("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man")]
_ENDINGS += [("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")]
_ENDINGS += [("er", ""), ("est", ""), ("er", "e"), ("est", "e")]


@dataclass(frozen=True)
class MeteorData:
    """The tables of English that METEOR matches with.

    Attributes:
        function_words: words that count less.
        prefixes: words that keep their full stop; true for those that do so before a number alone.
        synsets: the WordNet synsets of a word.
        bases: the base forms of an irregular word.
        paraphrases: the phrases that mean the same as a phrase, in the order of the table; one space between words.
    """

    function_words: frozenset[str] = frozenset()
    prefixes: Mapping[str, bool] = field(default_factory=dict)
    synsets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    paraphrases: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class MeteorCounts:
    """What METEOR needs of each of n hypotheses, so that any weighting of them is scored by sums.

    Axes of two are hypothesis and reference, of which the best one counts; axes of four are the matchers: exact, stem,
    synonym, paraphrase.

    Attributes:
        length, function_words: words of either side, and the function words among them: (n, 2).
        content_matches, function_matches: matched content words and function words: (n, 2, 4).
        chunks: runs of matches that are in the same order on both sides, (n,).
    """

    length: np.ndarray
    function_words: np.ndarray
    content_matches: np.ndarray
    function_matches: np.ndarray
    chunks: np.ndarray

    def sentences(self) -> np.ndarray:
        """METEOR of each hypothesis alone: (n,)."""
        return _score(self.length, self.function_words, self.content_matches, self.function_matches, self.chunks)

    def corpus(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Corpus METEOR of the hypotheses, each counted once: a float; or as weights (draws, n) say: (draws,)."""
        n = len(self.chunks)
        matched = self.content_matches + self.function_matches
        chunks = np.where(_whole(self.length, matched, self.chunks), 0, self.chunks)
        parts = [self.length, self.function_words, self.content_matches, self.function_matches, chunks]
        w = np.ones((1, n)) if weights is None else weights
        sums = w @ np.concatenate([part.reshape(n, -1) for part in parts], axis=1).astype(np.float64)
        content, function = sums[:, 4:12].reshape(-1, 2, 4), sums[:, 12:20].reshape(-1, 2, 4)
        scores = _score(sums[:, :2], sums[:, 2:4], content, function, sums[:, 20])
        return scores[0] if weights is None else scores


def meteor(references: References, hypotheses: Sequence[str]) -> float:
    """Corpus METEOR, equal to pycocoevalcap's `Meteor` on the same strings.

    Raises:
        RadloomError: no pairs, sides of different length, or a hypothesis without a reference.
        MissingPackageError: the package pycocoevalcap is not installed.
    """
    return float(meteor_counts(references, hypotheses).corpus())


def meteor_counts(references: References, hypotheses: Sequence[str], data: MeteorData | None = None) -> MeteorCounts:
    """The counts of METEOR.

    Args:
        references, hypotheses: text, a line each; n of each.
        data: the tables to match with; those of METEOR 1.5 by default, read anew in a few seconds.

    Raises:
        RadloomError: no pairs, sides of different length, or a hypothesis without a reference.
        MissingPackageError: no `data`, and the package pycocoevalcap is not installed.
    """
    check_pairs(references, hypotheses)
    wanted = [several(reference) for reference in references]
    for i, given in enumerate(wanted):
        if not given:
            raise RadloomError(f"Hypothesis {i} has no reference; give it one or more.")
    data = data or meteor_data([*hypotheses, *(text for given in wanted for text in given)])
    known: dict[tuple[str, str], MeteorCounts] = {}
    best = []
    for given, hypothesis in zip(wanted, hypotheses, strict=True):
        pairs = [(hypothesis, text) for text in given]
        for pair in pairs:
            if pair not in known:
                known[pair] = _count(_tokens(hypothesis, data.prefixes), _tokens(pair[1], data.prefixes), data)
        best.append(max((known[pair] for pair in pairs), key=lambda counts: counts.sentences()[0]))
    return MeteorCounts(*(np.concatenate([getattr(c, f.name) for c in best]) for f in fields(MeteorCounts)))


def meteor_data(texts: Iterable[str]) -> MeteorData:
    """The tables of METEOR 1.5 for English; of the paraphrases, those between phrases of `texts`.

    Raises:
        MissingPackageError: the package pycocoevalcap is not installed.
    """
    found = importlib.util.find_spec("pycocoevalcap")
    folders = found.submodule_search_locations if found else None
    if not folders or not Path(folders[0], _PARAPHRASES).is_file():
        raise MissingPackageError(
            "METEOR's tables of English come from the package pycocoevalcap; run `pip install --no-deps pycocoevalcap`."
        )
    prefixes: dict[str, bool] = {}
    bases: dict[str, list[str]] = defaultdict(list)
    with zipfile.ZipFile(Path(folders[0], _JAR)) as jar:
        for line in _lines(jar, "nonbreaking/english.prefixes"):
            if (words := line.split()) and not words[0].startswith("#"):
                prefixes[words[0]] = words[1:2] == ["#NUMERIC_ONLY#"]
        lines = _lines(jar, "synonym/english.exceptions")
        for base, forms in zip(lines, lines, strict=True):
            for form in forms.split():
                bases[form].append(base)
        lines = _lines(jar, "synonym/english.synsets")
        synsets = {word: numbers.split() for word, numbers in zip(lines, lines, strict=True)}
        function_words = frozenset(_lines(jar, "function/english.words"))
    phrases = (phrase for text in set(texts) for phrase in _phrases(_tokens(text, prefixes)))
    paraphrases = _read_paraphrases(Path(folders[0], _PARAPHRASES), phrases)
    return MeteorData(function_words, prefixes, synsets, bases, paraphrases)


def _lines(jar: zipfile.ZipFile, name: str) -> Iterator[str]:
    with io.TextIOWrapper(jar.open(name), "utf-8") as file:
        for line in file:
            yield line.rstrip("\n")


def _read_paraphrases(path: Path, phrases: Iterable[str]) -> dict[str, list[str]]:
    """The paraphrases in a table of three lines an entry (probability, phrase, paraphrase) that are in `phrases`."""
    wanted = {f"{phrase}\n".encode(errors="replace") for phrase in phrases}
    found = defaultdict(list)
    with gzip.open(path) as packed, io.BufferedReader(packed, 1 << 20) as lines:
        for _, phrase, other in zip(lines, lines, lines, strict=True):
            if phrase in wanted and other in wanted:
                found[phrase[:-1].decode()].append(other[:-1].decode())
    return dict(found)


def _tokens(text: str, prefixes: Mapping[str, bool]) -> list[str]:
    """The words and marks of a text, in lower case, as METEOR's `-norm` cuts them."""
    line = f" {text.strip(_TRIM)} "
    for pattern, new in _APART:
        line = pattern.sub(new, line)
    while "DOTMULTI." in line:
        line = _DOTS.sub(r"DOTDOTMULTI \1", line).replace("DOTMULTI.", "DOTDOTMULTI")
    for pattern, new in _JOINED:
        line = pattern.sub(new, line)
    line = " ".join(_full_stops(_split(line), prefixes))
    while "DOTDOTMULTI" in line:
        line = line.replace("DOTDOTMULTI", "DOTMULTI.")
    return _split(_WHITE.sub(" ", line.replace("DOTMULTI", ".")).strip(_TRIM).lower())


def _split(line: str) -> list[str]:
    return [word for word in re.split(f"[{_SPACE}]+", line) if word]


def _full_stops(words: Sequence[str], prefixes: Mapping[str, bool]) -> Iterator[str]:
    """`words`, the full stop cut off from those that end in one, unless it belongs to an abbreviation."""
    for word, after in zip(words, [*words, ""][1:], strict=True):
        start = word[:-1]
        if not start or not word.endswith("."):
            yield word
        elif "." in start and _LETTER.search(start):
            yield word.replace(".", "")
        elif re.match("[a-z]", after) or (start in prefixes and (not prefixes[start] or re.match("[0-9]", after))):
            yield word
        else:
            yield f"{start} ."


def _count(hypothesis: Sequence[str], reference: Sequence[str], data: MeteorData) -> MeteorCounts:
    """The counts of one pair, of n = 1."""
    matches, chunks = _align(hypothesis, reference, data)
    sides = [[word in data.function_words for word in words] for words in (hypothesis, reference)]
    counts = np.zeros((2, 2, 4), np.int64)  # content and function words by side and matcher
    for match in matches:
        spans = [(match.other, match.other_length), (match.start, match.length)]
        for side, (start, words) in enumerate(spans):
            for function in sides[side][start : start + words]:
                counts[int(function), side, match.matcher] += 1
    length, function_words = [len(side) for side in sides], [sum(side) for side in sides]
    return MeteorCounts(
        np.array([length]), np.array([function_words]), counts[None, 0], counts[None, 1], np.array([chunks])
    )


class _Match(NamedTuple):
    """Words of the reference from `start` that match words of the hypothesis from `other`."""

    matcher: int
    start: int
    length: int
    other: int
    other_length: int


_Chain = tuple[_Match, "_Chain | None"]


class _Path(NamedTuple):
    """An alignment of the first words of the reference; the smaller by its first three fields, the better.

    Attributes:
        uncovered: minus the matched words of both sides; of a match that is not exact, half of them, rounded down.
        chunks: of the matches so far, without the one that is open at the end.
        distance: how far apart the two sides of the matches are. METEOR adds the distance of a match to the path that
            passes it over, not to the one that takes it; so does this.
        done: end of the last match in the reference.
        last: end of the open chunk in the hypothesis, or -1.
        used: the words that are matched, as bits: those of the reference, then those of the hypothesis.
        matches: the match taken last, and those before it.
    """

    uncovered: int
    chunks: int
    distance: int
    done: int
    last: int
    used: int
    matches: _Chain | None


_RANK = itemgetter(0, 1, 2)


def _align(hypothesis: Sequence[str], reference: Sequence[str], data: MeteorData) -> tuple[list[_Match], int]:
    """The matches of the best alignment that a beam search finds, and the number of their chunks."""
    n = len(reference)
    options = _matches(hypothesis, reference, data)
    masks = {match: _mask(match, n) for matches in options for match in matches}
    fixed = _undisputed(options, len(hypothesis))
    paths = [_Path(0, 0, 0, 0, -1, sum(masks[match] for match in fixed.values()), None)]
    for i, matches in enumerate(options):
        grown = []
        for path in paths:
            if i < path.done:
                grown.append(path)
            elif i in fixed:
                distance = path.distance + abs(i - fixed[i].other)
                grown.append(_taken(path, fixed[i], distance, path.used, path.matches))
            else:
                distance = path.distance
                for match in matches:
                    if not path.used & masks[match]:
                        used, taken = path.used | masks[match], (match, path.matches)
                        grown.append(_taken(path, match, distance, used, taken))
                        distance += abs(i - match.other)
                closed = path.chunks + (path.last != -1)
                grown.append(_Path(path.uncovered, closed, distance, i + 1, -1, path.used, path.matches))
        paths = sorted(grown, key=_RANK)[:_BEAM]
    best = min((path._replace(chunks=path.chunks + (path.last != -1)) for path in paths), key=_RANK)
    chosen, rest = list(fixed.values()), best.matches
    while rest:
        match, rest = rest
        chosen.append(match)
    return chosen, best.chunks


def _taken(path: _Path, match: _Match, distance: int, used: int, matches: _Chain | None) -> _Path:
    """`path` with `match` at its end, and the rest as given."""
    lengths = (match.length, match.other_length)
    covered = sum(lengths) if match.matcher == _EXACT else sum(length // 2 for length in lengths)
    chunks = path.chunks + (path.last not in (-1, match.other))
    end, other_end = match.start + match.length, match.other + match.other_length
    return _Path(path.uncovered - covered, chunks, distance, end, other_end, used, matches)


def _mask(match: _Match, n: int) -> int:
    """The words of a match as bits; the reference has `n` words."""
    return ((1 << match.length) - 1) << match.start | ((1 << match.other_length) - 1) << (n + match.other)


def _undisputed(options: Sequence[Sequence[_Match]], words: int) -> dict[int, _Match]:
    """By start, the matches whose words have no other match; the hypothesis has `words` words."""
    of_reference, of_hypothesis = [0] * len(options), [0] * words
    for match in (match for matches in options for match in matches):
        for k in range(match.start, match.start + match.length):
            of_reference[k] += 1
        for k in range(match.other, match.other + match.other_length):
            of_hypothesis[k] += 1
    alone = {i: matches[0] for i, matches in enumerate(options) if len(matches) == 1}
    return {
        i: m
        for i, m in alone.items()
        if all(k == 1 for k in of_reference[i : i + m.length])
        and all(k == 1 for k in of_hypothesis[m.other : m.other + m.other_length])
    }


def _matches(hypothesis: Sequence[str], reference: Sequence[str], data: MeteorData) -> list[list[_Match]]:
    """All matches by where they start in the reference, in METEOR's order, which decides between equal alignments.

    A paraphrase that the table holds in both directions comes twice.
    """
    found: list[list[_Match]] = [[] for _ in reference]

    def match_words(matcher: int, keys: Callable[[str], Collection[str]]) -> None:
        places = defaultdict(list)
        for other, word in enumerate(hypothesis):
            for key in keys(word):
                places[key].append(other)
        for i, word in enumerate(reference):
            for other in sorted({other for key in keys(word) for other in places.get(key, ())}):
                if matcher == _EXACT or hypothesis[other] != word:
                    found[i].append(_Match(matcher, i, 1, other, 1))

    match_words(_EXACT, lambda word: (word,))
    if hypothesis == reference:
        return found
    match_words(_STEM, lambda word: (stem(word),))
    match_words(_SYNONYM, lambda word: _senses(word, data))
    of_hypothesis, of_reference = _phrases(hypothesis), _phrases(reference)
    for i, length, meanings in _paraphrases(reference, data):
        for meaning in meanings:
            for other in of_hypothesis.get(meaning, ()):
                found[i].append(_Match(_PARAPHRASE, i, length, other, meaning.count(" ") + 1))
    for other, length, meanings in _paraphrases(hypothesis, data):
        for meaning in meanings:
            for i in of_reference.get(meaning, ()):
                found[i].append(_Match(_PARAPHRASE, i, meaning.count(" ") + 1, other, length))
    return found


def _senses(word: str, data: MeteorData) -> set[str]:
    """The synsets of a word and of its base forms."""
    if word in data.bases:
        bases: Sequence[str] = data.bases[word]
    elif word.endswith("ss") or len(word) < 3:
        bases = []
    else:
        forms = (word[: len(word) - len(end)] + new for end, new in _ENDINGS if word.endswith(end))
        bases = [next((form for form in forms if form in data.synsets), "")]
    return {synset for form in (word, *bases) for synset in data.synsets.get(form, ())}


def _paraphrases(words: Sequence[str], data: MeteorData) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Start and length of the phrases in `words` that have paraphrases, and these."""
    for i in range(len(words)):
        for length in range(1, min(_LONGEST, len(words) - i) + 1):
            if meanings := data.paraphrases.get(" ".join(words[i : i + length])):
                yield i, length, meanings


def _phrases(words: Sequence[str]) -> dict[str, list[int]]:
    """Where each phrase of `words` starts, the phrases up to the longest in the table."""
    places = defaultdict(list)
    for length in range(1, _LONGEST + 1):
        for i in range(len(words) - length + 1):
            places[" ".join(words[i : i + length])].append(i)
    return places


def _score(
    length: np.ndarray, function_words: np.ndarray, content: np.ndarray, function: np.ndarray, chunks: np.ndarray
) -> np.ndarray:
    """METEOR of counts as in `MeteorCounts`: (...); 0 where nothing matches."""
    matched = content + function
    size = _DELTA * (length - function_words) + (1 - _DELTA) * function_words
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = np.moveaxis((_DELTA * content + (1 - _DELTA) * function) @ _WEIGHTS / size, -1, 0)
        mean = 1 / ((1 - _ALPHA) / precision + _ALPHA / recall)
        fragmentation = np.where(_whole(length, matched, chunks), 0, chunks / matched.sum((-2, -1)) * 2)
        score = mean * (1 - _GAMMA * fragmentation**_BETA)
    return np.where(np.isnan(score), 0, np.maximum(score, 0))


def _whole(length: np.ndarray, matched: np.ndarray, chunks: np.ndarray) -> np.ndarray:
    """Whether all words of both sides are matched in one chunk: then there is no penalty, and no chunk is summed."""
    return (matched.sum(-1) == length).all(-1) & (chunks == 1)
