"""Open-i report files."""

from __future__ import annotations

from pathlib import Path

import pytest

from radloom.errors import ReportError
from radloom.reports.openi import OpenIRecord, read_openi
from radloom.study import Report

XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
  <uId id="CXR9001"/>
  <MedlineCitation><Article><Abstract>
    <AbstractText Label="COMPARISON">None.</AbstractText>
    <AbstractText Label="INDICATION"/>
    <AbstractText Label="FINDINGS">The heart is large &amp; the
      lungs are clear.</AbstractText>
    <AbstractText Label="IMPRESSION">Cardiomegaly.</AbstractText>
  </Abstract></Article></MedlineCitation>
  <MeSH>
    <major>Cardiomegaly/mild</major>
    <major> Technical Quality of Image Unsatisfactory </major>
    <automatic>Cardiomegaly</automatic>
  </MeSH>
  <parentImage id="CXR9001_IM-0001-1001"><caption>PA view</caption></parentImage>
  <parentImage id="CXR9001_IM-0001-2001"/>
</eCitation>
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "9001.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_record(tmp_path: Path) -> None:
    record = read_openi(write(tmp_path, XML))
    assert record == OpenIRecord(
        uid="9001",
        indication="",
        comparison="None.",
        findings="The heart is large & the lungs are clear.",
        impression="Cardiomegaly.",
        mesh=("Cardiomegaly/mild", "Technical Quality of Image Unsatisfactory"),
        mesh_automatic=("Cardiomegaly",),
        images=("CXR9001_IM-0001-1001", "CXR9001_IM-0001-2001"),
        captions=("PA view", ""),
    )
    assert record.report == Report(findings=record.findings, impression="Cardiomegaly.")


def test_a_report_without_images_or_terms(tmp_path: Path) -> None:
    record = read_openi(write(tmp_path, '<eCitation><uId id="CXR7"/></eCitation>'))
    assert record == OpenIRecord(uid="7")
    assert not record.report


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not readable XML"),
        ("FINDINGS: clear", "not readable XML"),
        (XML[:300], "not readable XML"),
        ("<html/>", "not an Open-i report"),
        ("<eCitation/>", "not an Open-i report"),
        ('<?xml version="1.0" encoding="no-such"?><eCitation/>', "not readable XML"),
    ],
)
def test_file_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ReportError, match=says) as error:
        read_openi(write(tmp_path, text))
    assert "9001.xml" in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"absent\.xml"):
        read_openi(tmp_path / "absent.xml")
