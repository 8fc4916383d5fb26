"""Reports as one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radloom.errors import ReportError
from radloom.reports.report_text import Sections, as_report, report_from_text, report_to_text
from radloom.study import Report

SENTENCES = st.text("abc .,\n", max_size=20).map(str.strip)


@given(SENTENCES, SENTENCES)
def test_an_answer_is_parsed_back(findings, impression):
    report = Report(findings, impression)
    assert report_from_text(report_to_text(report)) == report


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
    assert report_from_text(text) == report


def test_sections_that_are_not_wanted_are_left_out():
    report = Report("Clear.", "Normal.")
    assert report_to_text(report, Sections.FINDINGS) == "FINDINGS: Clear."
    assert report_to_text(report, Sections.IMPRESSION) == "IMPRESSION: Normal."
    assert report_to_text(report) == "FINDINGS: Clear. IMPRESSION: Normal."


def test_a_heading_of_which_the_end_is_missing_is_no_text_yet() -> None:
    whole = "FINDINGS: The heart is big. In all, IMPRESSION: F waves."
    seen = [report_from_text(whole[:n], growing=True) for n in range(len(whole) + 1)]
    for report in seen:
        assert "The heart is big. In all,".startswith(report.findings) and "F waves.".startswith(report.impression)
    assert report_from_text(whole, growing=True) == report_from_text(whole) == seen[-1]


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("FINDINGS : Large effusion.\nIMPRESSION : No pneumothorax.", Report("Large effusion.", "No pneumothorax.")),
        ("FINDINGS\nLarge effusion.\nIMPRESSION\nNone.", Report("Large effusion.", "None.")),
        ("INDICATION: Pain.\nCONCLUSION: Large effusion.", Report("", "Large effusion.", "Pain.")),
        ("There is a mass. Technique: PA.", Report("There is a mass.")),
        ("Heart: enlarged.\nLungs: clear.", Report("Heart: enlarged. Lungs: clear.")),
        ("No pneumothorax\n\nLarge effusion", Report("No pneumothorax. Large effusion")),
    ],
)
def test_a_text_to_draw_from_is_split_at_its_headings(text, report):
    assert as_report(text) == report


def test_headings_with_nothing_to_draw_below_them_are_refused():
    with pytest.raises(ReportError, match="is empty"):
        as_report("INDICATION: Rule out pneumonia.")
