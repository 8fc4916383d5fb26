"""Sections of free-text reports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radloom.corpora.draft import clean_report
from radloom.reports.labeller import label
from radloom.reports.sections import one_line, parse_report, split_sections
from radloom.study import Report

MIMIC_STYLE = """\
                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old man with cough  // infiltrate?

 TECHNIQUE:  Two views of the chest.

 COMPARISON:  ___

 FINDINGS:

 The lungs are clear.  The heart is
 normal in size.

 IMPRESSION:

 1.  No acute process.
 2.  Old rib fracture.
"""


def test_a_report_in_mimic_style() -> None:
    assert split_sections(MIMIC_STYLE) == {
        "preamble": "FINAL REPORT",
        "examination": "CHEST (PA AND LAT)",
        "indication": "___ year old man with cough // infiltrate?",
        "technique": "Two views of the chest.",
        "comparison": "___",
        "findings": "The lungs are clear. The heart is normal in size.",
        "impression": "1. No acute process. 2. Old rib fracture.",
    }
    assert parse_report(MIMIC_STYLE) == Report(
        findings="The lungs are clear. The heart is normal in size.",
        impression="1. No acute process. 2. Old rib fracture.",
        indication="___ year old man with cough // infiltrate?",
    )


def test_any_order() -> None:
    report = parse_report("IMPRESSION: Normal.\nHISTORY: Cough.\nFINDINGS: Clear lungs.")
    assert report == Report(findings="Clear lungs.", impression="Normal.", indication="Cough.")


def test_repeated_sections_are_joined() -> None:
    report = parse_report(
        "FINDINGS: Clear lungs.\nIMPRESSION: Normal.\nFINDINGS: Old fracture.\nIMPRESSION: No change."
    )
    assert report == Report(findings="Clear lungs. Old fracture.", impression="Normal. No change.")


@pytest.mark.parametrize(
    ("header", "section"),
    [
        ("IMPRESSON", "impression"),
        ("IMPERSSION", "impression"),
        ("IMPRESSIION", "impression"),
        ("MPRESSION", "impression"),
        ("Impresion", "impression"),
        ("FINDNGS", "findings"),
        ("FINIDNGS", "findings"),
        ("FINDING", "findings"),
        ("COMPARISION", "comparison"),
        ("INDICATON", "indication"),
        ("CONCLUSON", "impression"),
        ("TECNIQUE", "technique"),
        ("FINDINGS/IMPRESSION", "impression"),
        ("FINDINGS AND IMPRESSION", "impression"),
        ("REASON FOR EXAM", "indication"),
        ("WET READ", "wet read"),
        ("CLINICAL HISTORY", "history"),
    ],
)
def test_headers_and_their_misspellings(header: str, section: str) -> None:
    assert split_sections(f"{header}: Some text.\n") == {section: "Some text."}


@pytest.mark.parametrize(
    "text",
    [
        "findings: Clear lungs.\n\nimpression: Normal.",
        "Findings: Clear lungs.\nImpression: Normal.",
        "FINDINGS\nClear lungs.\nIMPRESSION\nNormal.",
        "Findings\nClear lungs.\n\nImpression\nNormal.",
        "FINDINGS: Clear lungs. IMPRESSION: Normal.",
        "Findings: Clear lungs. Impression: Normal.",
        "FINDINGS :\r\nClear lungs.\r\nIMPRESSION :\r\nNormal.",
    ],
)
def test_lower_case_without_colon_and_within_a_line(text: str) -> None:
    assert parse_report(text) == Report(findings="Clear lungs.", impression="Normal.")


@pytest.mark.parametrize(
    "prose",
    [
        "These findings are unchanged.",
        "The overall impression\nis that of a normal chest.",
        "Dr. Example was told of the\nfindings\nat noon.",
        "We note the following\nfindings: an effusion and a nodule.",
        "Comparison is made with the\nprior film.",
        "Findings were discussed. The impression remains.",
        "Clear lungs.\nConcussion: none.",
        "Clear lungs.\nContusion: none.",
        "Clear lungs.\nCompression: mild.",
    ],
)
def test_words_in_prose_are_no_headers(prose: str) -> None:
    assert split_sections(f"IMPRESSION: {prose}") == {"impression": " ".join(prose.split())}


def test_words_that_look_like_headers_in_capitals_are_other_sections() -> None:
    assert parse_report("HISTORY:\nDEPRESSION\nHYPERTENSION\n\nFINDINGS: Clear.") == Report(
        findings="Clear.", indication="DEPRESSION HYPERTENSION"
    )


def test_unknown_header_in_capitals_keeps_its_text_out_of_the_impression() -> None:
    sections = split_sections("IMPRESSION: Effusion.\n\nNOTIFICATION: Told by phone.\nSIGNED BY: A. Nobody")
    assert sections == {"impression": "Effusion.", "notification": "Told by phone.", "signed by": "A. Nobody"}


def test_header_that_describes_the_view_opens_the_findings() -> None:
    assert parse_report("CHEST, TWO VIEWS: Clear lungs.\nIMPRESSION: Normal.").findings == "Clear lungs."


@pytest.mark.parametrize("line", ["AP CHEST, 10:30 A.M., ___", "PORTABLE CHEST AT 7:05", "CHEST 2:14 P.M."])
def test_the_colon_of_a_time_ends_no_header(line: str) -> None:
    text = f"FINAL REPORT\n {line}\n\n HISTORY: Cough.\n\n IMPRESSION: AP chest compared to ___: No change."
    assert parse_report(text) == Report(impression="AP chest compared to ___: No change.", indication="Cough.")
    assert parse_report(f"{line}\n\nFINDINGS: Clear lungs.").findings == "Clear lungs."


def test_organ_subheadings_stay_within_the_findings() -> None:
    text = "FINDINGS:\nLUNGS: Clear.\nHEART AND MEDIASTINUM: Normal.\nBones: Intact.\nIMPRESSION: Normal."
    assert parse_report(text).findings == "LUNGS: Clear. HEART AND MEDIASTINUM: Normal. Bones: Intact."
    without_header = "COMPARISON: None.\nLUNGS: Clear.\nHEART: Normal.\nIMPRESSION: Normal."
    assert parse_report(without_header).findings == "LUNGS: Clear. HEART: Normal."


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("The lungs are clear. No effusion.", "The lungs are clear. No effusion."),
        ("CHEST X-RAY\n\nThe lungs are clear.\n\nNo effusion.", "CHEST X-RAY. The lungs are clear. No effusion."),
        (
            "HISTORY: Cough.\n\nCOMPARISON: None.\n\nThe lungs are clear.\n\nNo effusion.",
            "The lungs are clear. No effusion.",
        ),
        ("HISTORY: Cough.\n\nCOMPARISON: No effusion any more.", "No effusion any more."),
        ("WET READ: No acute process.", "No acute process."),
        ("HISTORY: Cough.", ""),
        ("HISTORY: Cough.\n\nThe lungs are clear.\n\nIMPRESSION: Normal.", "The lungs are clear."),
        ("IMPRESSION: Normal.", ""),
    ],
)
def test_where_no_header_says_findings(text: str, findings: str) -> None:
    assert parse_report(text).findings == findings


def test_empty_sections_are_left_out() -> None:
    assert split_sections("FINDINGS:\n\nIMPRESSION: Normal.") == {"impression": "Normal."}


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(parse_report(text), Report)


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="FINDGSimpreso: \n.", max_size=200))
def test_no_text_of_header_letters_is_too_odd(text: str) -> None:
    assert isinstance(parse_report(text), Report)


@pytest.mark.parametrize("mark", ["1) {}", "{}. ", "- ", "* ", "• "])
def test_items_of_a_list_do_not_run_into_each_other(mark: str) -> None:
    items = ["No pneumothorax", "Left lower lobe pneumonia", "Cardiomegaly"]
    marks = ["1) ", "2) ", "3) "] if mark == "1) {}" else ["1. ", "2. ", "3. "] if mark == "{}. " else [mark] * 3
    text = "IMPRESSION:\n" + "\n".join(before + item for before, item in zip(marks, items, strict=True))
    report = clean_report(parse_report(text))
    assert report.impression == "No pneumothorax. Left lower lobe pneumonia. Cardiomegaly"
    assert clean_report(Report(impression=text.partition("\n")[2])) == report
    said = label(report)
    assert [said[o].value for o in ("Pneumothorax", "Pneumonia", "Cardiomegaly")] == [
        "negative",
        "positive",
        "positive",
    ]


def test_a_blank_line_ends_a_sentence() -> None:
    assert one_line("No pneumothorax\n\nModerate right\neffusion") == "No pneumothorax. Moderate right effusion"
    assert one_line("Clear.\n\nNormal:\n\n- heart\n") == "Clear. Normal: - heart"
    assert one_line("") == ""
