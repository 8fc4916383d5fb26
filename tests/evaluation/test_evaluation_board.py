"""The board scores what is right as right, puts baselines on the same rows, and survives a second run."""

import json
from dataclasses import replace

import pytest

import tiny
from radloom.corpora import prepare
from radloom.corpora.manifest import Manifest
from radloom.corpora.questions import question_manifest
from radloom.errors import RadloomError
from radloom.evaluation.board import CONSTANT, NEIGHBOUR, Features, question_scores, questions, report_scores
from radloom.evaluation.run import evaluate
from radloom.study import Question, Report


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    return prepare("indiana", tiny.make_indiana(folder / "raw", studies=9), folder / "prepared")


def by_name(scores):
    return {(score.name, score.system): score for score in scores}


def test_the_truth_scores_best_and_a_neighbour_in_the_same_rows_is_the_truth(model, studies):
    train = studies.split("train")
    truth = {row.uid: row.report for row in train}
    scores = by_name(report_scores(Features(model), truth, train, train, "oracle"))
    for name in ("bleu1[findings, r2gen]", "rouge_l[findings, r2gen]"):
        assert scores[name, "oracle"].value == pytest.approx(1, abs=1e-6)
        assert scores[name, NEIGHBOUR].value == pytest.approx(1, abs=1e-6)
        assert scores[name, CONSTANT].value < 0.9
        assert scores[name, CONSTANT].low <= scores[name, CONSTANT].value <= scores[name, CONSTANT].high
    assert scores["different_texts[findings]", CONSTANT].value == 1


def test_answers_are_compared_without_case_and_full_stop(model, studies):
    train, val = (question_manifest(studies.split(split)) for split in ("train", "val"))
    asked = questions(val)
    assert asked
    right = {a.question.qid: f" {a.question.answer.upper()}. " for a in asked}
    wrong = {a.question.qid: "perhaps" for a in asked}
    for answers, value in ((right, 1), (wrong, 0)):
        for (_, system), score in by_name(question_scores(Features(model), answers, val, train, "oracle")).items():
            if system == "oracle":
                assert score.value == value


def test_baselines_answer_the_same_question_where_there_is_one(model, studies):
    rows = [
        replace(row, questions=(Question(f"{row.uid}-1", text, answer, "closed", "presence"),))
        for row, (text, answer) in zip(
            studies.split("train"), [("Effusion?", "yes"), *[("Nodule?", "no")] * 5], strict=True
        )
    ]
    train = Manifest(rows, studies.root, "made up")
    val = Manifest(rows[:1], studies.root, "made up")
    scores = by_name(question_scores(Features(model), {rows[0].questions[0].qid: "no"}, val, train, "wrong"))
    assert scores["exact_match[closed, made up]", CONSTANT].value == 1  # and not the commonest of all answers, "no"
    assert scores["exact_match[closed, made up]", NEIGHBOUR].value == 1
    assert scores["exact_match[closed, made up]", "wrong"].value == 0


def test_a_corpus_that_lacks_a_section_or_all_training_reports(model, studies, tmp_path):
    rows = [
        replace(row, report=Report(findings=row.report.findings) if row.split == "val" else Report()) for row in studies
    ]
    scores = evaluate(model, Manifest(rows, studies.root, "sparse"), tmp_path, name="tiny")
    assert {(score.name, score.system) for score in scores if "bleu1" in score.name} == {
        ("bleu1[findings, r2gen]", "tiny")
    }
    assert {score.system for score in scores} == {"tiny", CONSTANT, NEIGHBOUR}  # of questions, with nothing to go by


def test_questions_written_by_rule_say_so(studies):
    assert question_manifest(studies).corpus == "indiana, written by rule"
    assert question_manifest(question_manifest(studies)).corpus == "indiana, written by rule"


def test_evaluate_writes_a_table_and_goes_on_with_what_is_there(model, studies, tmp_path):
    first = evaluate(model, studies, tmp_path, name="tiny")
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["signature"]["model"] == model.fingerprint
    assert {score["system"] for score in written["scores"]} == {"tiny", CONSTANT, NEIGHBOUR}
    stamp = (tmp_path / "predictions" / "report-val.jsonl").stat().st_mtime_ns
    assert evaluate(model, studies, tmp_path, name="tiny") == first
    assert (tmp_path / "predictions" / "report-val.jsonl").stat().st_mtime_ns == stamp
    assert "| bleu4[findings, r2gen] |" in (tmp_path / "scores.md").read_text()


def test_an_unknown_task_names_the_known_ones(model, studies, tmp_path):
    with pytest.raises(RadloomError, match="classifier, report, question"):
        evaluate(model, studies, tmp_path, tasks=["reports"])
