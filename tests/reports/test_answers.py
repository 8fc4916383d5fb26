"""Reports as one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radloom.reports.answers import Sections, format_answer, parse_answer
from radloom.study import Report

SENTENCES = st.text("abc .,\n", max_size=20).map(str.strip)


@given(SENTENCES, SENTENCES)
def test_an_answer_is_parsed_back(findings, impression):
    report = Report(findings, impression)
    assert parse_answer(format_answer(report)) == report


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("", Report()),
        ("The lungs are clear.", Report("The lungs are clear.")),
        ("IMPRESSION: Clear. FINDINGS: Lungs clear.", Report("Lungs clear.", "Clear.")),
        ("FINDINGS: One. FINDINGS: Two.", Report("One. Two.")),
        ("FINDINGS: The findings: none. IMPRESSION:", Report("The findings: none.")),
    ],
)
def test_what_a_model_may_write_is_parsed_too(text, report):
    assert parse_answer(text) == report


def test_sections_that_are_not_wanted_are_left_out():
    report = Report("Clear.", "Normal.")
    assert format_answer(report, Sections.FINDINGS) == "FINDINGS: Clear."
    assert format_answer(report, Sections.IMPRESSION) == "IMPRESSION: Normal."
    assert format_answer(report) == "FINDINGS: Clear. IMPRESSION: Normal."


def test_a_heading_of_which_the_end_is_missing_is_no_text_yet() -> None:
    whole = "FINDINGS: The heart is big. In all, IMPRESSION: F waves."
    seen = [parse_answer(whole[:n], growing=True) for n in range(len(whole) + 1)]
    for report in seen:
        assert "The heart is big. In all,".startswith(report.findings) and "F waves.".startswith(report.impression)
    assert parse_answer(whole, growing=True) == parse_answer(whole) == seen[-1]
