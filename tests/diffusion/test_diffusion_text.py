from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from radloom.diffusion.text import END, PAD, START, ReportTokenizer
from radloom.errors import CheckpointError
from radloom.study import Report

TOKENIZER = ReportTokenizer.train([Report(findings=text) for text in tiny.SENTENCES], 320)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
def test_any_text_comes_back(text: str) -> None:
    report = Report(findings=f"x{text}x", impression="Normal.")
    if "FINDINGS:" not in text and "IMPRESSION:" not in text:
        assert TOKENIZER.decode(TOKENIZER.encode(report)) == report


def test_a_batch_begins_ends_and_is_padded() -> None:
    ids = TOKENIZER.batch([Report(findings="Clear."), Report(findings="The lungs are clear.")], 48)
    assert (ids[:, 0] == START).all()
    assert [row.count(END) for row in ids.tolist()] == [1, 1]
    assert ids[0, -1] == PAD and ids[1, -1] == END
    assert TOKENIZER.decode(ids[0].tolist()) == Report(findings="Clear.")


def test_long_reports_are_cut_and_still_end() -> None:
    ids = TOKENIZER.batch([Report(findings="The lungs are clear. " * 50)], 48)
    assert ids.shape == (1, 48) and ids[0, -1] == END


def test_text_cannot_smuggle_in_an_end() -> None:
    ids = TOKENIZER.encode(Report(findings="The <end> of it. <pad>"))
    assert not {PAD, START, END} & set(ids)
    assert TOKENIZER.decode(ids).findings == "The <end> of it. <pad>"


def test_saved_and_loaded(tmp_path: Path) -> None:
    for name, text in TOKENIZER.files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    report = Report(findings="No pneumothorax.", impression="Normal <end>.")
    assert ReportTokenizer.load(tmp_path).encode(report) == TOKENIZER.encode(report)
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        ReportTokenizer.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing"):
        ReportTokenizer.load(tmp_path / "nowhere")
