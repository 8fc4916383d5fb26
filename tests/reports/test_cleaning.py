"""Cleaning of report text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radloom.reports import cleaning
from radloom.reports.cleaning import clean, count_repairs, mentions_prior, sentences, without_priors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Clear lungs. No effusion.", ["Clear lungs.", "No effusion."]),
        ("A 2.5 cm nodule. No effusion.", ["A 2.5 cm nodule.", "No effusion."]),
        ("Told to Dr. Example. Normal.", ["Told to Dr. Example.", "Normal."]),
        ("Wedge deformity of T10. No effusion.", ["Wedge deformity of T10.", "No effusion."]),
        ("1. Cardiomegaly. 2. No effusion.", ["Cardiomegaly.", "No effusion."]),
        ("1) Cardiomegaly\n2) No effusion", ["Cardiomegaly", "No effusion"]),
        ("- Cardiomegaly\n- No effusion", ["Cardiomegaly", "No effusion"]),
        ("Atelectasis vs. scarring. Normal heart.", ["Atelectasis vs. scarring.", "Normal heart."]),
        ("Clear lungs.Heart is normal.", ["Clear lungs.", "Heart is normal."]),
        ("Clear\nlungs\n\nNormal heart", ["Clear lungs", "Normal heart"]),
        ("Pneumonia? Or edema.", ["Pneumonia?", "Or edema."]),
        ("? pneumonia", ["? pneumonia"]),
        ("Clear lungs. . ", ["Clear lungs."]),
        ("; 1. Cardiomegaly.", ["Cardiomegaly."]),
        (".5 cm nodule.", [".5 cm nodule."]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Normal chest x-XXXX.", "Normal chest x-ray."),
        ("There are no XXXX of an effusion.", "There are no signs of an effusion."),
        ("No XXXX of pneumonia.", "No evidence of pneumonia."),
        ("Calcified lymph XXXX.", "Calcified lymph nodes."),
        ("Sternotomy XXXX are intact.", "Sternotomy wires are intact."),
        ("Blunted left costophrenic XXXX.", "Blunted left costophrenic angle."),
        ("Right XXXX-A-XXXX XXXX ends in the atrium.", "Right Port-A-Cath ends in the atrium."),
    ],
)
def test_redaction_with_one_reading_is_restored(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No change from XXXX.", "No change."),
        ("Compared to the film dated XXXX, XXXX, no change.", "Compared to the film, no change."),
        ("No change since ___.", "No change."),
        ("There are XXXX opacities in both bases.", "There are opacities in both bases."),
        ("Heart size is XXXX within normal limits.", "Heart size is within normal limits."),
        ("XXXX XXXX airspace disease.", "Airspace disease."),
    ],
)
def test_redacted_date_or_modifier_is_left_out(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    "text",
    ["The XXXX are unremarkable.", "XXXX are normal.", "Told to XXXX at noon.", "XXXX.", "Seen by ___ in the clinic."],
)
def test_sentence_with_any_other_redaction_is_dropped(text: str) -> None:
    assert clean(text) == ""
    assert clean(f"Clear lungs. {text} No effusion.") == "Clear lungs. No effusion."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. Cardiomegaly. 2. No effusion", "Cardiomegaly. No effusion."),
        ("Heart size &lt; normal", "Heart size normal."),
        ("clear  lungs .\n No effusion..", "Clear lungs. No effusion."),
        ("The heart’s size – normal.", "The heart's size - normal."),
        ("No pneumothorax\u200b, no effusion ,.", "No pneumothorax, no effusion."),
        ("Unchanged effusion compared to the prior film.", "Unchanged effusion compared to the prior film."),
        ("", ""),
        (" . .", ""),
    ],
)
def test_numbering_space_signs_and_stops(text: str, expected: str) -> None:
    assert clean(text) == expected


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from(["XXXX", "The", "heart", "1.", ".", ",", "normal", "?", "x-XXXX", "no", "of", ";", "2.5", "\n"])
    )
)
def test_cleaning_twice_changes_nothing(words: list[str]) -> None:
    once = clean(" ".join(words))
    assert clean(once) == once
    assert "XXXX" not in once


def test_repairs_are_counted() -> None:
    texts = ["Normal x-XXXX. No change from XXXX.", "XXXX opacities. The XXXX are normal. Lymph XXXX near the XXXX."]
    assert count_repairs(texts) == {"restored": 2, "date": 1, "modifier": 1, "sentence": 2}


@pytest.mark.parametrize(
    ("sentence", "prior"),
    [
        ("The effusion is unchanged.", True),
        ("New left base opacity.", True),
        ("Compared to the prior film, the opacity is smaller.", True),
        ("The heart remains enlarged.", True),
        ("Interval removal of the tube.", True),
        ("Stable cardiomegaly.", True),
        ("Mild cardiomegaly.", False),
        ("Evidence of prior granulomatous disease.", False),
        ("Increased interstitial markings.", False),
    ],
)
def test_mention_of_a_prior(sentence: str, prior: bool) -> None:
    assert mentions_prior(sentence) is prior


def test_without_priors() -> None:
    assert without_priors("Mild cardiomegaly. The effusion is unchanged. No pneumothorax.") == (
        "Mild cardiomegaly. No pneumothorax."
    )


def test_counting_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cleaning.main([str(tmp_path)]) == 2
    assert "holds no XML files" in capsys.readouterr().err
    text = '<eCitation><uId id="CXR1"/><a><AbstractText Label="FINDINGS">Normal x-XXXX.</AbstractText></a></eCitation>'
    (tmp_path / "1.xml").write_text(text, encoding="utf-8")
    assert cleaning.main([str(tmp_path)]) == 0
    assert "| restored | 1 |" in capsys.readouterr().out
