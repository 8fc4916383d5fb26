from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from radloom.errors import ImageError, RadloomError, ReportError
from radloom.interop import Maker, read_source, write_report
from radloom.interop.report import REPORT_SUFFIXES
from radloom.study import Report


def test_the_suffix_decides(report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path) -> None:
    text, fhir, sr = (
        write_report(report, tmp_path / "new" / f"x{suffix}", maker=maker, images=[hospital()])
        for suffix in REPORT_SUFFIXES
    )
    assert text.read_text() == f"FINDINGS: {report.findings}\nIMPRESSION: {report.impression}\n"
    resource = json.loads(fhir.read_text())
    assert resource["resourceType"] == "DiagnosticReport"
    assert {"#pneumonia", "#pleural-effusion"} <= {result["reference"] for result in resource["result"]}
    dataset = pydicom.dcmread(sr)
    assert (dataset.Modality, dataset.PatientID) == ("SR", "P17")
    assert "Pneumonia: uncertain" in [element.value for element in dataset.iterall() if element.keyword == "TextValue"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["x.dcm", "x.json", "x.txt"]


def test_images_that_are_not_dicom_are_not_referred_to(
    report: Report, maker: Maker, chest: np.ndarray, chest_file: Path, tmp_path: Path
) -> None:
    for images in ([chest], [chest_file]):
        path = write_report(report, tmp_path / "x.json", maker=maker, images=images)
        assert "imagingStudy" not in json.loads(path.read_text())
    assert read_source(chest_file) is None


def test_bad_input(report: Report, maker: Maker, tmp_path: Path) -> None:
    with pytest.raises(RadloomError, match=r"x\.pdf does not end in \.txt, \.json or \.dcm"):
        write_report(report, tmp_path / "x.pdf", maker=maker)
    for suffix in REPORT_SUFFIXES:
        with pytest.raises(ReportError, match="nothing to write"):
            write_report(Report(), tmp_path / f"x{suffix}", maker=maker)
    with pytest.raises(ImageError, match="does not exist"):
        write_report(report, tmp_path / "x.dcm", maker=maker, images=[tmp_path / "none.dcm"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_dicom_file_is_named(report: Report, maker: Maker, tmp_path: Path) -> None:
    damaged = tmp_path / "bad.dcm"
    damaged.write_bytes(b"\0" * 128 + b"DICM" + bytes(range(256)))
    with pytest.raises(ImageError, match=r"bad\.dcm"):
        write_report(report, tmp_path / "x.dcm", maker=maker, images=[damaged])
