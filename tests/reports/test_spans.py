"""Where in its sections a report says what the rule-labeller reads."""

from __future__ import annotations

import html

import pytest

from radloom.reports.labeller import BETWEEN, evidence, label
from radloom.reports.spans import Span, spans
from radloom.study import Mention, Report


def words_of(report: Report) -> list[str]:
    return [getattr(report, span.section)[span.start : span.end] for span in spans(report)]


def test_a_span_names_its_section_its_place_and_what_is_said() -> None:
    report = Report("The heart is enlarged.", "1. Possible pneumonia.\n2. No pleural fluid.", "Edema.")
    assert spans(report) == [
        Span("findings", 4, 9, "Cardiomegaly", Mention.POSITIVE),
        Span("impression", 12, 21, "Pneumonia", Mention.UNCERTAIN),
        Span("impression", 29, 42, "Pleural Effusion", Mention.NEGATIVE),
    ]
    assert words_of(report) == ["heart", "pneumonia", "pleural fluid"]


def test_the_same_words_may_mention_several_observations() -> None:
    first, second = spans(Report(impression="Left hydropneumothorax."))
    assert (first.start, first.end) == (second.start, second.end) == (5, 22)
    assert {first.observation, second.observation} == {"Pneumothorax", "Pleural Effusion"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Small\n  Pleural\n  Fluid .", ["Pleural\n  Fluid"]),
        ("• 1) 2 nodules\n• 2) 2 nodules", ["nodules", "nodules"]),
        ("See Dr. Roe on the effusion.No edema", ["effusion", "edema"]),
        ("Edema. Edema. Edema.", ["Edema", "Edema", "Edema"]),
        ("S&amp;P: small pleural&nbsp;fluid&#46; R&D: edema", ["pleural&nbsp;fluid", "edema"]),
        ("A 2 µm 𝟙 “nodule” – İ effusion", ["nodule", "effusion"]),
        ("word " * 99 + "pleural effusion, " + "word " * 99 + "edema", ["effusion", "edema"]),
        ("", []),
        ("1. - •", []),
    ],
)
def test_the_words_stand_where_the_span_says(text: str, words: list[str]) -> None:
    assert words_of(Report(findings=text)) == words_of(Report(impression=text)) == words


@pytest.mark.parametrize("joint", ["", " ", "\n", "\n\n", "&amp;", " vs. ", "•", "1. "])
def test_spans_are_the_evidence_and_lie_in_their_section(joint: str) -> None:
    findings = joint.join(["No pneumothorax or effusion", "Heart size is normal.", "Nodular opacity, likely scar, é"])
    report = Report(f"{findings}{joint}", f"{joint}May be edema{joint}")
    found, expected = spans(report), evidence(report)
    assert [(s.observation, s.mention) for s in found] == [(e.observation, e.mention) for e in expected]
    for words, said in zip(words_of(report), expected, strict=True):
        assert " ".join(html.unescape(words).lower().split()) == said.phrase
    assert {span.observation for span in found} == label(report).keys() - {"No Finding"}


def test_findings_and_impression_are_counted_apart() -> None:
    for findings in ("", "Clear lungs", "Clear lungs." + BETWEEN):
        [span] = spans(Report(findings, "Edema."))
        assert (span.section, span.start, span.end) == ("impression", 0, 5)
