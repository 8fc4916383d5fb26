"""Scores of written reports: words, clinical content, and what they owe to the image."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radloom.corpora.manifest import Row
from radloom.errors import MissingPackageError, RadloomError
from radloom.evaluation.bench import SEED, Bench, main_view, others, spread
from radloom.evaluation.exhibits import dots, histogram, picture
from radloom.evaluation.labels import constant_labels
from radloom.evaluation.table import CONSTANT, CONSTANT_LABELS, GAP, NEIGHBOUR, RANDOM, SHUFFLED, Results, Tally
from radloom.imaging import Transform
from radloom.reports.labeller import NAME as LABELLER
from radloom.reports.labeller import label
from radloom.reports.report_text import report_to_text
from radloom.reports.signs import signs
from radloom.scores.adapters import TEXT, LabelAdapter, TextAdapter, UnavailableError
from radloom.scores.baselines import constant_report, nearest_neighbour
from radloom.scores.cider import cider
from radloom.scores.classification import score_f1
from radloom.scores.meteor import MeteorData, meteor_counts, meteor_data
from radloom.scores.names import CERTAIN, POSSIBLE, score_name
from radloom.scores.sacrebleu import sacrebleu_counts
from radloom.scores.statistics import Bootstrap, Interval, difference, mean
from radloom.scores.text import Protocol, bleu, score_reports
from radloom.study import OBSERVATIONS, SECTIONS, SIGNS, Mention, Report

TASK = "report"

FIVE = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
"""The five observations that CheXpert's competition scores (Irvin et al. 2019)."""

RULES = {CERTAIN: (Mention.POSITIVE,), POSSIBLE: (Mention.POSITIVE, Mention.UNCERTAIN)}
"""What counts as stated, by the name of the rule."""

METEOR = "meteor"

EXAMPLES = 6
"""Studies shown on the page with both reports."""

_PATHOLOGY = [i for i, name in enumerate(OBSERVATIONS) if name not in ("No Finding", "Support Devices")]


def score_written(
    bench: Bench, predicted: Mapping[str, Report], adapters: Sequence[type[TextAdapter] | type[LabelAdapter]] = TEXT
) -> None:
    """Score reports beside the baselines; a section that no report of the split has is left out.

    Args:
        bench: gathers scores, plots and warnings.
        predicted: uid -> report, for every study of the split that has a report and an image.
        adapters: learned measures to use where their packages are there.

    Raises:
        RadloomError: nothing to score, or a study without a prediction.
    """
    rows = [row for row in bench.split if row.report and row.images]
    if not rows:
        raise RadloomError(f"{bench.split.corpus} has no study with a report and an image; name another split.")
    bench.check_complete([row.uid for row in rows], predicted)
    texts = [getattr(report, section) for report in predicted.values() for section in SECTIONS]
    texts += [getattr(row.report, section) for row in (*rows, *bench.train) for section in SECTIONS]
    measures = _Measures.load([bench.protocol(text) for text in dict.fromkeys(texts)], adapters)
    for section in SECTIONS:
        seen = [row for row in rows if getattr(row.report, section)]
        known = [row for row in bench.train if getattr(row.report, section) and row.images]
        if seen and not any(getattr(predicted[row.uid], section) for row in seen):
            tally = Tally(TASK, bench.name, [row.uid for row in seen])
            tally.add(
                bench.name,
                {score_name("words", section): f"unavailable: nothing was written as {section}"},
            )
            bench.scores += tally.scores
        elif seen:
            _score_section(bench, section, seen, known, predicted, measures)
    _check_sections(bench, rows, predicted)
    _show_examples(bench, rows, predicted)


def _score_section(
    bench: Bench,
    section: str,
    seen: Sequence[Row],
    known: Sequence[Row],
    predicted: Mapping[str, Report],
    measures: _Measures,
) -> None:
    truth = [getattr(row.report, section) for row in seen]
    ours = [getattr(predicted[row.uid], section) for row in seen]
    systems = {bench.name: ours}
    if orders := others([row.patient for row in seen]):
        systems[SHUFFLED] = [ours[i] for order in orders for i in order]
    systems |= _baselines(bench, section, seen, known)
    uids = [row.uid for row in seen]
    draw = bench.bootstrap(uids)
    tally = Tally(TASK, bench.name, uids)
    for system, texts in systems.items():
        several, draws = bench.facing(truth, texts, uids)
        tally.add(system, _words(several, texts, section, draws, bench.protocol))
        tally.add(system, _content(several, texts, section, draws))
        first = texts[: len(truth)]
        tally.add(system, _slow_words(truth, first, section, draw, measures.synonyms, bench.protocol))
        for adapter in measures.learned:
            tally.add(system, _learned(adapter, truth, first, section, draw))
        if system == bench.name:
            tally.add(system, measures.why_lacking(section, bench.protocol))
        if system != SHUFFLED:
            tally.count(system, score_name("different_texts", section), len(set(texts)))
            tally.add(system, {score_name("words", section): draw(mean([len(t.split()) for t in texts]))})
    if known:
        told = [getattr(row.report, section) for row in known]
        tally.add(CONSTANT_LABELS, _constant_labels(truth, told, draw, section))
    tally.gaps()
    bench.scores += tally.scores
    if SHUFFLED in systems:
        _check_sight(bench, tally, section)
    _show(bench, section, tally, {"reference": truth} | {bench.name: ours})


def _baselines(bench: Bench, section: str, seen: Sequence[Row], known: Sequence[Row]) -> dict[str, list[str]]:
    if not known:
        return {}
    told = [getattr(row.report, section) for row in known]
    picked = np.random.default_rng(SEED).integers(0, len(told), len(seen))
    ours = bench.vision.features(bench.split, [main_view(row) for row in seen])
    theirs = bench.vision.features(bench.train, [main_view(row) for row in known])
    return {
        CONSTANT: [constant_report(told)] * len(seen),
        RANDOM: [told[i] for i in picked],
        NEIGHBOUR: nearest_neighbour(theirs, told, ours),
    }


# -- measures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measures:
    """What is loaded once for all systems and sections.

    Attributes:
        synonyms: METEOR's tables, cut to the texts at hand; None where they are not on the machine.
        learned: adapters that can be used.
        lacking: of the others, by name: why not.
    """

    synonyms: MeteorData | None
    learned: list[TextAdapter | LabelAdapter]
    lacking: dict[str, str]

    @classmethod
    def load(cls, texts: Iterable[str], adapters: Sequence[type[TextAdapter] | type[LabelAdapter]]) -> _Measures:
        """Of texts as they are scored, what the machine has."""
        synonyms, learned, lacking = None, [], {}
        try:
            synonyms = meteor_data(list(texts))
        except MissingPackageError as error:
            lacking[METEOR] = f"unavailable: {error}"
        for kind in adapters:
            try:
                learned.append(kind.load())
            except UnavailableError as error:
                lacking[kind.name] = f"unavailable: {error}"
            except RadloomError as error:
                lacking[kind.name] = f"error: {error}"
        return cls(synonyms, learned, lacking)

    def why_lacking(self, section: str, protocol: Protocol) -> dict[str, str]:
        """By the name of the score of what is lacking."""
        made_by = {name: (section, protocol.name) if name == METEOR else (section,) for name in self.lacking}
        return {score_name(name, *made_by[name]): why for name, why in self.lacking.items()}


def _words(truth: Sequence[str], texts: Sequence[str], section: str, draw: Bootstrap, protocol: Protocol) -> Results:
    """BLEU and ROUGE-L under a protocol of R2Gen, and sacreBLEU of the texts as they are."""
    results: dict[str, Interval | str | None] = dict(score_reports(truth, texts, section, draw, protocol))
    plain = sacrebleu_counts(truth, texts)
    results[score_name("sacrebleu", section, plain.signature)] = draw(plain.corpus)
    return results


def _slow_words(
    truth: Sequence[str],
    texts: Sequence[str],
    section: str,
    draw: Bootstrap,
    synonyms: MeteorData | None,
    protocol: Protocol,
) -> Results:
    """METEOR and CIDEr, of one text a study: one takes long, the other counts in how many references a word stands."""
    results: dict[str, Interval | str | None] = {}
    cut, ours = [protocol.reference(t) for t in truth], [protocol(t) for t in texts]
    if synonyms:
        results[score_name(METEOR, section, protocol.name)] = draw(meteor_counts(cut, ours, synonyms).corpus)
    rare = draw(mean(cider(cut, ours))) if len(cut) > 1 else "unavailable: words are rare among several texts only"
    results[score_name("cider", section, protocol.name)] = rare
    return results


def _content(truth: Sequence[str], texts: Sequence[str], section: str, draw: Bootstrap) -> Results:
    """What the rule labeller finds in both: F1 of observations and of signs, normal or not, made up and missed."""
    results: dict[str, Interval | str | None] = {}
    for rule in RULES:
        results |= label_scores(stated(truth, rule), stated(texts, rule), draw, section, LABELLER, rule)
    there, said = stated(truth, CERTAIN)[:, _PATHOLOGY], stated(texts, CERTAIN)[:, _PATHOLOGY]
    made_by = (section, LABELLER, CERTAIN)
    results |= _sign_scores(truth, _signs(texts), draw, section)
    results[score_name("accuracy", "normal or not", *made_by)] = draw(mean(there.any(1) == said.any(1)))
    results[score_name("made_up", "findings a report", *made_by)] = draw(mean((said & ~there).sum(1)))
    results[score_name("missed", "findings a report", *made_by)] = draw(mean((there & ~said).sum(1)))
    return results


def _constant_labels(truth: Sequence[str], told: Sequence[str], draw: Bootstrap, section: str) -> Results:
    """What stating the same observations of everybody scores: those that do best in the training texts."""
    results: dict[str, Interval | str | None] = {}
    for rule in RULES:
        said = np.repeat(constant_labels(stated(told, rule))[None], len(truth), axis=0)
        results |= label_scores(stated(truth, rule), said, draw, section, LABELLER, rule)
    results |= _sign_scores(truth, np.repeat(constant_labels(_signs(told))[None], len(truth), axis=0), draw, section)
    return results


def label_scores(truth: np.ndarray, said: np.ndarray, draw: Bootstrap, *made_by: str) -> Results:
    """Precision, recall and F1 over the 14 observations and over CheXpert's five; by observation under the first rule.

    Args:
        truth, said: boolean (n, 14).
        draw: the bootstrap.
        made_by: section, labeller and uncertainty rule, for the names.
    """
    scores: dict[str, Interval | str | None] = dict(score_f1(truth, said, OBSERVATIONS, *made_by, bootstrap=draw))
    if CERTAIN not in made_by:
        scores = {name: score for name, score in scores.items() if "observations" in name}
    five = [OBSERVATIONS.index(name) for name in FIVE]
    some = score_f1(truth[:, five], said[:, five], FIVE, *made_by, bootstrap=draw)
    return scores | {name: score for name, score in some.items() if "observations" in name}


def stated(texts: Sequence[str], rule: str) -> np.ndarray:
    """Which observations each text states as present, under a rule of `RULES`: boolean (n, 14)."""
    return np.array([[_labels(text).get(o) in RULES[rule] for o in OBSERVATIONS] for text in texts])


@functools.cache
def _labels(text: str) -> dict[str, Mention]:
    return label(text) if text.strip() else {}


def _sign_scores(truth: Sequence[str], said: np.ndarray, draw: Bootstrap, section: str) -> dict[str, Interval]:
    """Precision, recall and F1 of signs that were said (n, 9)."""
    made_by = (section, LABELLER, CERTAIN)
    return score_f1(_signs(truth), said, SIGNS, *made_by, bootstrap=draw, kind="signs")


def _signs(texts: Sequence[str]) -> np.ndarray:
    """Which signs each text states as present: boolean (n, 9)."""
    said = [signs(text) for text in texts]
    return np.array([[found.get(sign) is Mention.POSITIVE for sign in SIGNS] for found in said])


def _learned(
    adapter: TextAdapter | LabelAdapter,
    truth: Sequence[str],
    texts: Sequence[str],
    section: str,
    draw: Bootstrap,
) -> Results:
    """The scores of a learned measure, or one line that says why there are none."""
    try:
        if isinstance(adapter, LabelAdapter):
            results: dict[str, Interval | str | None] = {}
            both = adapter.label(truth), adapter.label(texts)
            for rule, mentions in RULES.items():
                there, said = (np.array([[m in mentions for m in row] for row in side]) for side in both)
                results |= label_scores(there, said, draw, section, adapter.name, rule)
            return results
        scores = adapter.score(truth, texts)
        return {score_name(name, section, adapter.weights): draw(mean(values)) for name, values in scores.items()}
    except RadloomError as error:
        return {score_name(adapter.name, section): f"error: {error}"}


# -- faults ----------------------------------------------------------------------------------------------------------


def _check_sight(bench: Bench, tally: Tally, section: str) -> None:
    """Warn of a model whose reports would be as good for other patients."""
    name = score_name("f1_micro", "14 observations", section, LABELLER, CERTAIN)
    gap = tally.find(name, GAP)
    if gap and gap.low <= 0:
        bench.warnings.append(
            f"The {section} section does not show that the model looks at the image: with another patient's image "
            f"{name} is not shown to be worse (gap {gap})."
        )


def _check_sections(bench: Bench, rows: Sequence[Row], predicted: Mapping[str, Report]) -> None:
    """Warn of findings and impression that stand in each other's place."""
    both = [row for row in rows if row.report.findings and row.report.impression]
    if len(both) < 5:
        return  # too few to tell

    def agreement(a: str, b: str) -> Interval:
        draw = bench.bootstrap([row.uid for row in both], 200)
        sides = []
        for mine, theirs in ((a, "findings"), (b, "impression")):
            texts = [bench.protocol(getattr(predicted[row.uid], mine)) for row in both]
            truth = [bench.protocol.reference(getattr(row.report, theirs)) for row in both]
            sides.append(np.array([bleu([t], [x], 1)[0] for t, x in zip(truth, texts, strict=True)]))
        return draw(mean(sides[0] + sides[1]))

    gain = difference(agreement("impression", "findings"), agreement("findings", "impression"))
    if gain.low > 0:
        bench.warnings.append(
            "Findings and impression look swapped: each agrees better with the other section of the truth "
            f"(BLEU-1 of both {gain.value:+.3f}). Swap them and score again."
        )


# -- page ------------------------------------------------------------------------------------------------------------


def _show(bench: Bench, section: str, tally: Tally, texts: Mapping[str, Sequence[str]]) -> None:
    rows: dict[str, dict[str, Interval]] = {}
    for observation in OBSERVATIONS:
        name = score_name("f1", observation, section, LABELLER, CERTAIN)
        rows[observation] = {s: found for s in (bench.name, NEIGHBOUR) if (found := tally.find(name, s))}
    bench.exhibits.append(
        dots(TASK, f"F1 of each observation, {section}", f"By {LABELLER}; uncertain counts as absent.", rows)
    )
    lengths = {name: [len(t.split()) for t in side] for name, side in texts.items()}
    bench.exhibits.append(histogram(TASK, f"Length of the {section}", "Words a report.", lengths, "words"))


def _show_examples(bench: Bench, rows: Sequence[Row], predicted: Mapping[str, Report]) -> None:
    for row in spread(rows, EXAMPLES):
        [pixels] = bench.vision.pixels(bench.split, [main_view(row)])
        texts = {"reference": report_to_text(row.report), bench.name: report_to_text(predicted[row.uid])}
        bench.exhibits.append(picture(TASK, row.uid, "", [Transform.to_image(pixels)], texts=texts))
