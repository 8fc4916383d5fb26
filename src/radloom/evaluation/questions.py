"""Scores of answers: closed and open questions, by type, and what the answers owe to the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import RadloomError
from radloom.evaluation.bench import SEED, Bench, another, main_view
from radloom.evaluation.table import CONSTANT, GAP, NEIGHBOUR, RANDOM, SHUFFLED, Tally
from radloom.scores.baselines import nearest_neighbour
from radloom.scores.names import score_name
from radloom.scores.statistics import mean
from radloom.study import Question

TASK = "question"

KINDS = ("closed", "open")
"""Of answers."""


@dataclass(frozen=True)
class Asked:
    """A question of the split, with the image it is put to."""

    question: Question
    row: Row
    ref: ImageRef


def asked_of(manifest: Manifest) -> list[Asked]:
    """The questions of a split, each with its image; those about a study are put to its first frontal view."""
    asked = []
    for row in manifest:
        by_path = {ref.path: ref for ref in row.images}
        for question in row.questions:
            ref = by_path.get(question.image) if question.image else (main_view(row) if row.images else None)
            if ref is not None:
                asked.append(Asked(question, row, ref))
    return asked


def with_other_images(manifest: Manifest) -> Manifest:
    """The same questions, each put to an image of another patient, of the same view where that study has one.

    Raises:
        RadloomError: fewer than two patients have an image.
    """
    asked: dict[str, list[Asked]] = {}
    rows: list[Row] = []
    for each in asked_of(manifest):
        if each.row.uid not in asked:
            rows.append(each.row)
        asked.setdefault(each.row.uid, []).append(each)
    order = another([row.patient for row in rows])
    if order is None:
        raise RadloomError(f"{len(rows)} study with questions and an image; shuffling needs two patients.")
    shuffled = []
    for row, place in zip(rows, order, strict=True):
        other = rows[place]
        images = [(other.image(each.ref.view) or other.images[0]).path for each in asked[row.uid]]
        questions = [replace(each.question, image=image) for each, image in zip(asked[row.uid], images, strict=True)]
        shuffled.append(replace(row, images=other.images, questions=tuple(questions)))
    return replace(manifest, rows=shuffled)


def score_answers(
    bench: Bench, split: Manifest, train: Manifest, answers: Mapping[str, str], shuffled: Mapping[str, str] | None
) -> None:
    """Score answers beside the commonest, a random and the nearest image's answer.

    All baselines look at the training questions with the same words, where there are none of the same type, and where
    there are none of those either at all closed or all open ones.

    Args:
        bench: gathers scores and warnings.
        split, train: with questions.
        answers: qid -> answer, for every question that has an image.
        shuffled: the same of images of other studies; None leaves the gap out.

    Raises:
        RadloomError: a question without an answer.
    """
    asked = asked_of(split)
    if not asked:
        raise RadloomError(f"{split.corpus} has no question about an image; name another split or corpus.")
    twice = [qid for qid, count in Counter(a.question.qid for a in asked).items() if count > 1]
    if twice:
        raise RadloomError(f"Question {twice[0]!r} occurs twice; give each a number of its own, and prepare anew.")
    for given in (answers, shuffled):
        if given is not None:
            bench.check_complete([a.question.qid for a in asked], given, "questions")
    systems = {bench.name: [answers[a.question.qid] for a in asked]}
    if shuffled is not None:
        systems[SHUFFLED] = [shuffled[a.question.qid] for a in asked]
    systems |= _baselines(bench, split, train, asked)
    other = Counter(a.question.answer_type for a in asked if a.question.answer_type.lower() not in KINDS)
    for name, count in other.items():
        bench.warnings.append(f"{count} questions of answer type {name!r}, neither closed nor open, were not scored.")
    for kind in KINDS:
        places = [i for i, a in enumerate(asked) if a.question.answer_type.lower() == kind]
        if places:
            _score_kind(bench, split.corpus, kind, [asked[i] for i in places], systems, places)


def _score_kind(
    bench: Bench,
    corpus: str,
    kind: str,
    asked: Sequence[Asked],
    systems: Mapping[str, Sequence[str]],
    places: Sequence[int],
) -> None:
    types = Counter(a.question.question_type for a in asked)
    groups = {"": list(range(len(asked)))}
    if len(types) > 1:
        groups |= {t: [i for i, a in enumerate(asked) if a.question.question_type == t] for t in sorted(types)}
    for group, members in groups.items():
        some = [asked[i] for i in members]
        draw = bench.bootstrap([a.row.uid for a in some])
        tally = Tally(TASK, bench.name, [a.row.uid for a in some], detail=bool(group))
        made_by = (kind, *([group] if group else []), corpus)
        truth = [plain(a.question.answer) for a in some]
        for system, every in systems.items():
            given = [plain(every[places[i]]) for i in members]
            measure = "accuracy" if kind == "closed" else "exact_match"
            hits = [a == b for a, b in zip(given, truth, strict=True)]
            tally.add(system, {score_name(measure, *made_by): draw(mean(np.array(hits)))})
            if kind == "open":
                shared = [token_f1(a, b) for a, b in zip(given, truth, strict=True)]
                tally.add(system, {score_name("token_f1", *made_by): draw(mean(shared))})
            if system == bench.name and not group:
                tally.count(system, score_name("different_answers", *made_by), len(set(given)))
                if SHUFFLED in systems:
                    other = [plain(systems[SHUFFLED][places[i]]) for i in members]
                    changed = np.array([a != b for a, b in zip(given, other, strict=True)])
                    tally.add(system, {score_name("changed", "with another image", *made_by): draw(mean(changed))})
        tally.gaps()
        bench.scores += tally.scores
        if kind == "closed" and not group:
            gap = tally.find(score_name("accuracy", *made_by), GAP)
            if gap and gap.low <= 0:
                bench.warnings.append(
                    "Closed answers do not show that the model looks at the image: with another patient's image they "
                    f"are not shown to be worse (gap {gap})."
                )


def _baselines(bench: Bench, split: Manifest, train: Manifest, asked: Sequence[Asked]) -> dict[str, list[str]]:
    stored = asked_of(train)
    if not stored:
        return {}
    alike: dict[tuple[str, ...], list[int]] = {}
    for j, a in enumerate(stored):
        for key in (_words(a), _type(a), _kind(a)):
            alike.setdefault(key, []).append(j)
    ours = bench.vision.features(split, [a.ref for a in asked])
    theirs = bench.vision.features(train, [a.ref for a in stored])
    generator = np.random.default_rng(SEED)
    given: dict[str, list[str]] = {CONSTANT: [], RANDOM: [], NEIGHBOUR: []}
    for i, a in enumerate(asked):
        same = alike.get(_words(a)) or alike.get(_type(a)) or alike.get(_kind(a), [])
        answers = [stored[j].question.answer for j in same]
        given[CONSTANT].append(Counter(map(plain, answers)).most_common(1)[0][0] if same else "")
        given[RANDOM].append(answers[int(generator.integers(len(answers)))] if same else "")
        given[NEIGHBOUR].append(nearest_neighbour(theirs[same], answers, ours[i : i + 1])[0] if same else "")
    return given


def plain(answer: str) -> str:
    """An answer without capitals, full stop and extra spaces."""
    return " ".join(answer.lower().strip().rstrip(".").split())


def token_f1(answer: str, truth: str) -> float:
    """Harmonic mean of precision and recall of the words (Rajpurkar et al. 2016); 1 where both are empty."""
    a, b = Counter(answer.split()), Counter(truth.split())
    if not a or not b:
        return float(a == b)
    return 2 * (a & b).total() / (a.total() + b.total())


def _kind(asked: Asked) -> tuple[str, ...]:
    return (asked.question.answer_type.lower(),)


def _type(asked: Asked) -> tuple[str, ...]:
    return asked.question.answer_type.lower(), asked.question.question_type


def _words(asked: Asked) -> tuple[str, ...]:
    return ("words", plain(asked.question.question))
