"""Questions written from reports."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest

from radloom.reports.facts import OBSERVED
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.labeller import SUPPORT_DEVICES as DEVICES
from radloom.reports.questions import ABSENT, WORDINGS, _place, from_llm, sides, synthesise
from radloom.study import Mention, Question, Report

NORMAL = Report(findings="Heart size is normal. The lungs are clear. No effusion.", impression="Normal chest.")
SICK = Report(
    findings="Moderate left pleural effusion. Patchy right lower lobe opacity. The heart is mildly enlarged. "
    "No pneumothorax.",
    impression="Left pleural effusion. Possible pneumonia.",
)
SEVERAL = range(150)


def asked(report: Report, seed: int = 0, uid: str = "1", limit: int = 5) -> list[Question]:
    return synthesise(report, label(report), seed=seed, uid=uid, limit=limit)


def every_pair(report: Report) -> set[tuple[str, str, str]]:
    return {(q.question_type, q.question, q.answer) for seed in SEVERAL for q in asked(report, seed, limit=20)}


def test_the_same_seed_asks_the_same_and_another_seed_something_else() -> None:
    assert asked(SICK) == asked(SICK)
    assert asked(SICK, seed=1) != asked(SICK, seed=2)
    assert asked(SICK, uid="1") != asked(SICK, uid="2")


def test_ids_are_unique_and_the_limit_holds() -> None:
    for limit in range(8):
        questions = asked(SICK, limit=limit)
        assert len(questions) <= limit
        assert len({q.qid for q in questions}) == len(questions)
    assert all(q.qid.startswith("1-") for q in asked(SICK))


def test_every_type_is_asked_and_answered_shortly() -> None:
    pairs = every_pair(SICK)
    assert {kind for kind, _, _ in pairs} == {"presence", "location", "side", "severity", "normality"}
    assert {a for k, q, a in pairs if k == "side" and "effusion" in q} == {"left"}
    assert {a for k, q, a in pairs if k == "side" and "opacity" in q} == {"right"}
    assert {a for k, q, a in pairs if k == "location" and "opacity" in q} == {"right lower lobe"}
    assert {a for k, q, a in pairs if k == "severity" and "effusion" in q} == {"moderate"}
    assert {a for k, q, a in pairs if k == "severity" and "cardiomegaly" in q} == {"mild"}
    assert {a for k, _, a in pairs if k == "normality"} == {"no"}
    assert {a for k, _, a in pairs if k == "presence"} == {"yes", "no"}


def test_what_is_uncertain_is_not_asked_about() -> None:
    assert not [q for _, q, _ in every_pair(SICK) if "pneumonia" in q.lower()]


def test_presence_agrees_with_the_labels() -> None:
    for kind, question, answer in every_pair(SICK):
        if kind == "presence":
            present = any(word in question for word in ("effusion", "opacit", "cardiomegaly"))
            turned = "free of" in question or "without" in question
            assert answer == ("yes" if present != turned else "no")


def test_in_a_normal_report_all_that_goes_unmentioned_is_absent() -> None:
    pairs = every_pair(NORMAL)
    assert {a for k, _, a in pairs if k == "normality"} == {"yes"}
    presence = {(q, a) for k, q, a in pairs if k == "presence"}
    assert {"Is there a support device?", "Is there a fracture?"} <= {q for q, _ in presence}
    assert all((a == "yes") == ("free of" in q or "without" in q) for q, a in presence)
    findings_only = Report(findings="Degenerative changes of the spine. No effusion.")
    assert not any("opacit" in q for _, q, _ in every_pair(findings_only))


def test_a_device_that_was_removed_does_not_mean_that_there_is_none() -> None:
    removed = Report(findings="The chest tube has been removed. The heart is normal. The lungs are clear.")
    assert label(removed)["Support Devices"] is Mention.NEGATIVE
    assert not any("device" in q for _, q, _ in every_pair(removed))


def test_a_device_is_neither_normal_nor_abnormal() -> None:
    device = Report(findings="Right PICC. The lungs are clear. No effusion.")
    assert "normality" not in {kind for kind, _, _ in every_pair(device)}


@pytest.mark.parametrize(
    ("findings", "side"),
    [
        ("Small right effusion.", {"right"}),
        ("Bilateral effusions, right greater than left.", {"both"}),
        ("Right effusion and left base atelectasis.", set()),
        ("Right effusion. Left effusion.", set()),
        ("No right effusion, left pneumothorax.", set()),
        ("Effusion next to the left chest tube.", set()),
        ("Small effusion.", set()),
    ],
)
def test_side_only_where_the_report_is_clear(findings: str, side: set[str]) -> None:
    assert {a for k, q, a in every_pair(Report(findings=findings)) if k == "side" and "effusion" in q} == side


@pytest.mark.parametrize(
    ("findings", "place"),
    [
        ("Opacity in the left base.", {"left lung base"}),
        ("Bibasilar opacities.", {"both lung bases"}),
        ("Retrocardiac opacity.", {"behind the heart"}),
        ("Opacity in the right upper lobe and the left base.", set()),
        ("A lung opacity.", set()),
    ],
)
def test_location(findings: str, place: set[str]) -> None:
    assert {a for k, _, a in every_pair(Report(findings=findings)) if k == "location"} == place


@pytest.mark.parametrize(
    ("findings", "degree"),
    [
        ("Small to moderate left effusion.", {"small to moderate"}),
        ("Mild degenerative changes and a left effusion.", set()),
        ("Small effusion. Large effusion.", set()),
        ("Severe cardiomegaly.", {"severe"}),
    ],
)
def test_severity(findings: str, degree: set[str]) -> None:
    assert {a for k, _, a in every_pair(Report(findings=findings)) if k == "severity"} == degree


def test_no_question_holds_its_answer() -> None:
    """A choice that a question offers names every answer alike, so it gives none away."""
    for report in (SICK, NORMAL):
        for kind, question, answer in every_pair(report):
            words = set(question.lower().rstrip("?").replace(",", "").replace(":", "").split())
            if kind == "side":
                assert {"left", "right", "both"} <= words
            else:
                assert not set(answer.split()) & words


def test_words_do_not_give_the_answer_away() -> None:
    """Each observation as frequent as in Indiana; whoever hears which one is asked about knows no more than before."""
    rng, answers = Random(0), Counter[tuple[str, bool, str]]()
    for uid in range(1500):
        there = {o for o, odds in ABSENT.items() if rng.random() < odds / (1 + odds)}
        labels = {o: Mention.POSITIVE if o in there else Mention.NEGATIVE for o in ABSENT if o in there or o != DEVICES}
        if not there - {DEVICES}:
            labels[NO_FINDING] = Mention.POSITIVE
        for asks in synthesise(Report(), labels, seed=0, uid=str(uid)):
            if asks.question_type == "presence":
                [observation] = {
                    o for o, known in OBSERVED.items() if known.a in asks.question or known.of in asks.question
                }
                turned = "free of" in asks.question or "without" in asks.question
                answers[observation, turned, asks.answer] += 1
    for observation in ("Lung Opacity", "Lung Lesion", "Atelectasis", "Cardiomegaly"):
        for turned in (False, True):
            yes, no = (answers[observation, turned, answer] for answer in ("yes", "no"))
            assert yes + no > 50 and 0.35 < yes / (yes + no) < 0.65


def test_every_type_has_three_wordings() -> None:
    assert all(len(set(wordings)) >= 3 for wordings in WORDINGS.values())


def test_labels_decide_not_the_words() -> None:
    report = Report(findings="Nothing that the labeller knows.")
    questions = synthesise(report, {"Fracture": Mention.POSITIVE}, seed=0, uid="1")
    assert {q.question_type for q in questions} == {"presence", "normality"}


def test_a_language_model_writes_pairs() -> None:
    prompts = []

    def write(prompt: str) -> str:
        prompts.append(prompt)
        pairs = [("Is there an effusion?", "Yes."), ("Where is the opacity?", "right lower lobe")]
        return json.dumps([{"question": q, "answer": a} for q, a in pairs])

    rejected: Counter[str] = Counter()
    first, second = from_llm(SICK, write, uid="7", rejected=rejected)
    assert first == Question("7-1", "Is there an effusion?", "yes", "closed", "free")
    assert second == Question("7-2", "Where is the opacity?", "right lower lobe", "open", "free")
    assert "Moderate left pleural effusion." in prompts[0] and not rejected


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("Sure! Here are five pairs.", "not JSON"),
        ('{"question": "Q?", "answer": "a"}', "not a list"),
        ('["Q?"]', "not a pair"),
        ('[{"question": "Q?"}]', "not a pair"),
        ('[{"question": "Q?", "answer": 3}]', "not a pair"),
        ('[{"question": "Q?", "answer": "a", "why": "b"}]', "not a pair"),
        ('[{"question": "Q?", "answer": " "}]', "empty"),
        ('[{"question": "Has the effusion improved?", "answer": "yes"}]', "prior study"),
        ('[{"question": "What is seen?", "answer": "An unchanged effusion"}]', "prior study"),
        ('[{"question": "What is recommended?", "answer": "CT"}]', "plan"),
    ],
)
def test_what_does_not_fit_is_counted(response: str, reason: str) -> None:
    rejected: Counter[str] = Counter()
    assert from_llm(SICK, lambda prompt: response, uid="1", rejected=rejected) == []
    assert rejected == {reason: 1}


def test_repeated_and_surplus_pairs_are_counted() -> None:
    pairs = [{"question": f"Is there sign {i}?", "answer": "no"} for i in (1, 1, 2, 3)]
    rejected: Counter[str] = Counter()
    questions = from_llm(SICK, lambda prompt: json.dumps(pairs), uid="1", rejected=rejected, limit=2)
    assert [q.question for q in questions] == ["Is there sign 1?", "Is there sign 2?"]
    assert rejected == {"repeated": 1, "too many": 1}


def test_an_error_of_the_language_model_passes_through() -> None:
    def write(prompt: str) -> str:
        raise TimeoutError("no answer")

    with pytest.raises(TimeoutError):
        from_llm(SICK, write, uid="1", rejected=Counter())


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Left pleural effusion.", {"Pleural Effusion": "left"}),
        ("Bilateral pleural effusions, right greater than left.", {"Pleural Effusion": "both"}),
        ("Left lower lobe pneumonia with bilateral effusions.", {}),
        ("Bilateral axillary densities, healed right rib fracture.", {}),
        ("Opacities in both lungs.", {"Lung Opacity": "both"}),
    ],
)
def test_a_side_is_of_one_thing(sentence: str, said: dict[str, str]) -> None:
    assert sides(sentence) == said


@pytest.mark.parametrize(
    ("sentence", "place"),
    [
        ("opacity in the left lower lobe", "left lower lobe"),
        ("left pleural effusion, right lung clear", ""),
        ("atelectasis in the left upper and right lower lobes", ""),
        ("opacity in the right middle and lower lobes", ""),
        ("bibasilar opacities, left greater than right", "both lung bases"),
        ("mild left lingular atelectasis", "lingula"),
    ],
)
def test_a_place_is_on_no_other_side(sentence: str, place: str) -> None:
    assert _place(sentence) == place
