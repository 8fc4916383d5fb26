"""Answers beside the commonest, a random and the nearest image's answer; the answers to other studies' images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluation.conftest import NewBench, found, value
from radloom.corpora.manifest import Manifest
from radloom.corpora.questions import question_manifest
from radloom.errors import RadloomError
from radloom.evaluation.questions import asked_of, score_answers, token_f1, with_other_images
from radloom.evaluation.table import CONSTANT, GAP, NEIGHBOUR, SHUFFLED
from radloom.study import Question


def test_answers_are_compared_without_case_and_full_stop(new_bench: NewBench, studies: Manifest) -> None:
    train, val = (question_manifest(studies.split(split)) for split in ("train", "val"))
    asked = asked_of(val)
    assert asked
    right = {a.question.qid: f" {a.question.answer.upper()}. " for a in asked}
    wrong = {a.question.qid: "perhaps" for a in asked}
    for answers, expected in ((right, 1), (wrong, 0)):
        bench = new_bench()
        score_answers(bench, val, train, answers, wrong)
        own = [score for score in bench.scores if score.system == "oracle" and score.name.startswith("acc")]
        assert own and all(value(score) == expected for score in own)
        overall = found(bench)["accuracy[closed, indiana, written by rule]", GAP]
        assert value(overall) == expected
        blind = any("Closed answers do not show" in warning for warning in bench.warnings)
        assert blind == (expected == 0)


def test_baselines_answer_the_same_question_where_there_is_one(new_bench: NewBench, studies: Manifest) -> None:
    texts = [("Effusion?", "yes"), *[("Nodule?", "no")] * 11]
    rows = [
        replace(row, questions=(Question(f"{row.uid}-1", text, answer, "closed", "presence"),))
        for row, (text, answer) in zip(studies.split("train"), texts, strict=True)
    ]
    train = Manifest(rows, studies.root, "made up")
    val = Manifest(rows[:1], studies.root, "made up")
    bench = new_bench(val, train)
    score_answers(bench, val, train, {rows[0].questions[0].qid: "no"}, None)
    scores = found(bench)
    assert value(scores["accuracy[closed, made up]", CONSTANT]) == 1  # and not the commonest of all answers, "no"
    assert value(scores["accuracy[closed, made up]", NEIGHBOUR]) == 1
    assert value(scores["accuracy[closed, made up]", "oracle"]) == 0
    assert ("accuracy[closed, made up]", SHUFFLED) not in scores


def test_shuffled_questions_keep_their_words_and_get_an_image_of_another_study(studies: Manifest) -> None:
    asked = question_manifest(studies.split("val"))
    shuffled = with_other_images(asked)
    views = {ref.path: ref.view for row in asked for ref in row.images}
    for before, after in zip(asked_of(asked), asked_of(shuffled), strict=True):
        assert before.question.question == after.question.question
        assert before.question.qid == after.question.qid
        assert after.ref.path not in {ref.path for ref in before.row.images}
        assert views[after.ref.path] is before.ref.view
    with pytest.raises(RadloomError, match="shuffling needs two"):
        with_other_images(replace(asked, rows=asked.rows[:1]))


def test_a_question_without_an_answer_is_an_error(new_bench: NewBench, studies: Manifest) -> None:
    val = question_manifest(studies.split("val"))
    with pytest.raises(RadloomError, match="questions have no prediction"):
        score_answers(new_bench(), val, val, {}, None)


def test_words_of_open_answers_are_compared() -> None:
    assert token_f1("right lower lobe", "right lobe") == pytest.approx(0.8)
    assert token_f1("", "right") == 0
    assert token_f1("", "") == 1


def test_questions_written_by_rule_say_so(studies: Manifest) -> None:
    assert question_manifest(studies).corpus == "indiana, written by rule"
    assert question_manifest(question_manifest(studies)).corpus == "indiana, written by rule"


def test_two_questions_with_one_number_are_an_error(new_bench: NewBench, studies: Manifest) -> None:
    rows = [replace(row, questions=(Question("1", "Edema?", "no", "closed", "presence"),)) for row in studies]
    twice = Manifest(rows, studies.root, "made up")
    with pytest.raises(RadloomError, match="Question '1' occurs twice"):
        score_answers(new_bench(), twice, twice, {"1": "no"}, None)


def test_only_questions_that_are_scored_are_put_to_other_images(studies: Manifest) -> None:
    lost = Question("lost", "Edema?", "no", "closed", "presence", image="nowhere.png")
    asked = question_manifest(studies.split("val"))
    rows = [replace(row, questions=(*row.questions, lost)) if not i else row for i, row in enumerate(asked)]
    shuffled = with_other_images(replace(asked, rows=rows))
    numbers = [[a.question.qid for a in asked_of(manifest)] for manifest in (replace(asked, rows=rows), shuffled)]
    assert numbers[0] == numbers[1] == [question.qid for row in shuffled for question in row.questions]
