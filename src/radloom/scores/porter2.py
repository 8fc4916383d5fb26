"""Stems of English words by Porter2 (snowballstem.org/algorithms/english/stemmer.html), as it was before Snowball 3.

METEOR 1.5 carries these older rules; with the later ones, and so with the package `snowballstemmer`, words such as
"radiologist" and "organization" have other stems.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WHOLE = {"skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl"}
_WHOLE |= {"gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl"}
_WHOLE |= {word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")}
_AFTER_1A = frozenset(("inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"))

_STEP_2 = {"tional": "tion", "enci": "ence", "anci": "ance", "abli": "able", "entli": "ent", "izer": "ize"}
_STEP_2 |= {"ization": "ize", "ational": "ate", "ation": "ate", "ator": "ate", "alism": "al", "aliti": "al"}
_STEP_2 |= {"alli": "al", "fulness": "ful", "ousli": "ous", "ousness": "ous", "iveness": "ive", "iviti": "ive"}
_STEP_2 |= {"biliti": "ble", "bli": "ble", "ogi": "og", "fulli": "ful", "lessli": "less", "li": ""}
_STEP_3 = {"tional": "tion", "ational": "ate", "alize": "al", "icate": "ic", "iciti": "ic", "ical": "ic"}
_STEP_3 |= {"ful": "", "ness": "", "ative": ""}
_STEP_4 = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ism", "ate", "iti", "ous"),
    *("ive", "ize", "ion"),
)

_REGION = re.compile(r"[aeiouy][^aeiouy]")
_SHORT_END = re.compile(r"(^|[^aeiouy])[aeiouy][^aeiouywxY]$|^[aeiouy][^aeiouy]$")
_VOWEL = re.compile(r"[aeiouy]")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of a lower-case word."""
    if word in _WHOLE:
        return _WHOLE[word]
    if len(word) < 3:
        return word
    word = re.sub(r"([aeiouy])y", r"\1Y", re.sub("^y", "Y", word.removeprefix("'")))
    one = _after(word, 0)
    if early := re.match("gener|commun|arsen", word):
        one = early.end()
    two = _after(word, one)
    word = _step_1a(word)
    if word not in _AFTER_1A:
        word = _step_1b(word, one)
        if word[-1:] in ("y", "Y") and len(word) > 2 and not _VOWEL.match(word[-2]):
            word = f"{word[:-1]}i"
        word = _step_5(_step_4(_step_3(_step_2(word, one), one, two), two), one, two)
    return word.replace("Y", "y")


def _after(word: str, start: int) -> int:
    """Where the region begins that follows the first vowel and consonant after `start`."""
    found = _REGION.search(word, start)
    return found.end() if found else len(word)


def _step_1a(word: str) -> str:
    word = re.sub(r"('s'|'s|')$", "", word)
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")) and _VOWEL.search(word[:-2]):
        return word[:-1]
    return word


def _step_1b(word: str, one: int) -> str:
    end = _longest(word, ("eed", "eedly", "ed", "edly", "ing", "ingly"))
    rest = word[: len(word) - len(end)]
    if end.startswith("eed"):
        return f"{rest}ee" if len(rest) >= one else word
    if not end or not _VOWEL.search(rest):
        return word
    if rest.endswith(("at", "bl", "iz")):
        return f"{rest}e"
    if rest.endswith(("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")):
        return rest[:-1]
    return f"{rest}e" if len(rest) == one and _SHORT_END.search(rest) else rest


def _step_2(word: str, one: int) -> str:
    end = _longest(word, tuple(_STEP_2))
    rest = word[: len(word) - len(end)]
    if not end or len(rest) < one:
        return word
    if (end == "ogi" and not rest.endswith("l")) or (end == "li" and rest[-1:] not in tuple("cdeghkmnrt")):
        return word
    return rest + _STEP_2[end]


def _step_3(word: str, one: int, two: int) -> str:
    end = _longest(word, tuple(_STEP_3))
    rest = word[: len(word) - len(end)]
    if not end or len(rest) < (two if end == "ative" else one):
        return word
    return rest + _STEP_3[end]


def _step_4(word: str, two: int) -> str:
    end = _longest(word, _STEP_4)
    rest = word[: len(word) - len(end)]
    if len(rest) < two or (end == "ion" and not rest.endswith(("s", "t"))):
        return word
    return rest


def _step_5(word: str, one: int, two: int) -> str:
    rest = word[:-1]
    if word.endswith("e") and (len(rest) >= two or (len(rest) >= one and not _SHORT_END.search(rest))):
        return rest
    return rest if word.endswith("ll") and len(rest) >= two else word


def _longest(word: str, ends: tuple[str, ...]) -> str:
    """The longest of `ends` that `word` ends with, or `""`."""
    return max((end for end in ends if word.endswith(end)), key=len, default="")
