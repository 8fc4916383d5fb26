"""BLEU and ROUGE-L of reports, the way R2Gen scores them.

R2Gen (Chen et al. 2020, arXiv 2010.16056) cleans both sides with a function of its tokenizer, cuts them at so many
words, both by corpus (`PROTOCOLS`), and scores them with pycocoevalcap, whose numbers `bleu` and `rouge_l` repeat: BLEU
after Papineni et al. 2002, with the reference length closest to the hypothesis and epsilons in place of smoothing;
ROUGE-L after Lin 2004 with beta = 1.2. R2Gen also puts `<unk>` for words that its training reports hold less than three
(Indiana) or ten times (MIMIC-CXR); that favours small vocabularies and is left out here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.names import score_name
from radloom.scores.statistics import Bootstrap, Interval, Statistic, mean

References = Sequence[str | Sequence[str]]
"""One reference a hypothesis, or several."""


@dataclass(frozen=True)
class Protocol:
    """How texts are cleaned and cut before they are scored.

    Attributes:
        name: in the names of scores.
        words: at which texts are cut; references one before, since R2Gen counts the token they begin with among theirs.
        one_line: whether runs of white space, underscores and full stops are first made one of each.
    """

    name: str
    words: int
    one_line: bool = False

    def __call__(self, text: str) -> str:
        """`text` cleaned and cut: at most `words` words, one space between them."""
        if self.one_line:
            text = _RUNS.sub(lambda run: " " if run[0].isspace() else run[0][0], text)
        return " ".join(r2gen_clean(text).split()[: self.words])

    def reference(self, text: str) -> str:
        """A reference cleaned and cut: one word sooner than what is scored against it."""
        return " ".join(self(text).split()[: self.words - 1])


PROTOCOL_VERSION = 2
"""Counts changes of how texts are cut: from 2 on, references are cut one word before what is scored against them."""

R2GEN = Protocol("r2gen", 60)
"""R2Gen's of Indiana reports: `clean_report_iu_xray`."""

R2GEN_MIMIC = Protocol("r2gen-mimic", 100, one_line=True)
"""R2Gen's of MIMIC-CXR: `clean_report_mimic_cxr`."""

PROTOCOLS = {"mimic-cxr": R2GEN_MIMIC}
"""Name of a corpus -> its protocol; of all others `R2GEN`."""

_RUNS = re.compile(r"\s+|_{2,}|\.{2,}")
_NUMBERING = [("..", "."), ("..", "."), ("..", "."), ("1. ", "")]
_NUMBERING += [(f". {i}. ", ". ") for i in range(2, 6)] + [(f" {i}. ", ". ") for i in range(2, 6)]
_QUOTES = str.maketrans("", "", "\"'/\\")
# `:-\[` is a range in R2Gen too: it takes `< = > @` with it, and the hyphen stays.
_PUNCTUATION = re.compile(r"[.,?;*!%^&_+():-\[\]{}]")

_BETA = 1.2
_SMALL, _TINY = 1e-9, 1e-15  # pycocoevalcap's epsilons, of denominators and numerators


def score_reports(
    references: Sequence[str],
    hypotheses: Sequence[str],
    section: str,
    bootstrap: Bootstrap | None = None,
    protocol: Protocol = R2GEN,
) -> dict[str, Interval]:
    """BLEU-1..4 and ROUGE-L under a protocol of R2Gen, with bootstrap intervals over patients.

    Args:
        references, hypotheses: raw text of one section, one a study, in the same order; n of each.
        section: which section that is, e.g. `"findings"`; it goes into the names.
        bootstrap: over the patients; by default each text is of another one.
        protocol: how the texts are cleaned and cut.

    Returns:
        `{"bleu1[findings, r2gen]": Interval, ..., "rouge_l[findings, r2gen]": Interval}`.

    Raises:
        RadloomError: no pairs, sides of different length, or a blank reference.
    """
    for i, reference in enumerate(references):
        if not reference.strip():
            raise RadloomError(f"Reference {i} has no {section}; leave out the studies without that section.")
    references, hypotheses = [protocol.reference(t) for t in references], [protocol(t) for t in hypotheses]
    counts, rouge = bleu_counts(references, hypotheses), rouge_l(references, hypotheses)
    bootstrap = bootstrap or Bootstrap(len(rouge))

    def order(k: int) -> Statistic:
        return lambda weights: counts.corpus(weights)[:, k]

    statistics = {score_name(f"bleu{k + 1}", section, protocol.name): order(k) for k in range(4)}
    statistics[score_name("rouge_l", section, protocol.name)] = mean(rouge)
    return {name: bootstrap(statistic) for name, statistic in statistics.items()}


def r2gen_clean(text: str) -> str:
    """R2Gen's `clean_report_iu_xray`: lower case, list numbers and punctuation gone, sentences joined by `" . "`."""
    for old, new in _NUMBERING:
        text = text.replace(old, new)
    sentences = text.strip().lower().split(". ")
    return " . ".join(_PUNCTUATION.sub("", s.translate(_QUOTES).strip()) for s in sentences) + " ."


@dataclass(frozen=True)
class BleuCounts:
    """What BLEU needs of each of n hypotheses, so that any weighting of them is scored by sums.

    Attributes:
        matched, guessed: clipped matches and n-grams of the hypothesis by order 1, 2, ...: (n, order).
        length: words of the hypothesis, (n,).
        reference_length: words of the reference closest in length, (n,).
    """

    matched: np.ndarray
    guessed: np.ndarray
    length: np.ndarray
    reference_length: np.ndarray

    def corpus(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Corpus BLEU-1, BLEU-2, ... of the hypotheses, each counted once: (order,); or as weights (draws, n) say:
        (draws, order)."""
        w = np.ones((1, len(self.length))) if weights is None else weights
        scores = _bleu(
            w @ self.matched,
            w @ self.guessed,
            w @ self.length,
            w @ self.reference_length,
        )
        return scores[0] if weights is None else scores

    def sentences(self) -> np.ndarray:
        """BLEU of each hypothesis alone: (n, order)."""
        return _bleu(self.matched, self.guessed, self.length, self.reference_length)


def bleu(references: References, hypotheses: Sequence[str], n: int = 4) -> np.ndarray:
    """Corpus BLEU-1 to BLEU-n, (n,), equal to pycocoevalcap's `Bleu` on the same strings.

    Raises:
        RadloomError: no pairs, or sides of different length.
    """
    return bleu_counts(references, hypotheses, n).corpus()


def bleu_counts(references: References, hypotheses: Sequence[str], n: int = 4) -> BleuCounts:
    """The counts of BLEU-1 to BLEU-n; words are what white space separates.

    Raises:
        RadloomError: no pairs, or sides of different length.
    """
    check_pairs(references, hypotheses)
    matched = np.zeros((len(hypotheses), n), np.int64)
    guessed, length = np.zeros_like(matched), np.zeros(len(hypotheses), np.int64)
    reference_length = np.zeros_like(length)
    for i, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        words, wanted = hypothesis.split(), [r.split() for r in several(reference)]
        length[i] = len(words)
        reference_length[i] = min((abs(len(w) - len(words)), len(w)) for w in wanted)[1]
        for k in range(n):
            grams = ngrams(words, k + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for w in wanted:
                most |= ngrams(w, k + 1)
            matched[i, k], guessed[i, k] = (grams & most).total(), grams.total()
    return BleuCounts(matched, guessed, length, reference_length)


def rouge_l(references: References, hypotheses: Sequence[str]) -> np.ndarray:
    """ROUGE-L of each hypothesis, (n,), equal to pycocoevalcap's `Rouge`; its corpus score is the mean.

    Words are what single spaces separate. Of several references, the best precision and the best recall count.

    Raises:
        RadloomError: no pairs, or sides of different length.
    """
    check_pairs(references, hypotheses)
    scores = np.zeros(len(hypotheses))
    for i, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        words, wanted = hypothesis.split(" "), [r.split(" ") for r in several(reference)]
        common = [_common_subsequence(w, words) for w in wanted]
        precision = max(c / len(words) for c in common)
        recall = max(c / len(w) for c, w in zip(common, wanted, strict=True))
        if precision and recall:
            scores[i] = (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)
    return scores


def _bleu(matched: np.ndarray, guessed: np.ndarray, length: np.ndarray, reference_length: np.ndarray) -> np.ndarray:
    precision = (matched + _TINY) / (guessed + _SMALL)
    geometric = np.cumprod(precision, axis=-1) ** (1 / np.arange(1, precision.shape[-1] + 1))
    ratio = (length + _TINY) / (reference_length + _SMALL)
    return geometric * np.exp(np.minimum(0.0, 1 - 1 / ratio))[..., None]


def ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of `n` words occurs."""
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def several(reference: str | Sequence[str]) -> Sequence[str]:
    """One reference as a sequence of one."""
    return [reference] if isinstance(reference, str) else reference


def check_pairs(references: References, hypotheses: Sequence[str]) -> None:
    """Raises RadloomError unless there is a hypothesis and references for each."""
    if len(references) != len(hypotheses) or not len(hypotheses):
        raise RadloomError(
            f"{len(references)} references for {len(hypotheses)} hypotheses; give one reference or more for each "
            "hypothesis, in the same order."
        )
