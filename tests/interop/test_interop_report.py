from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from radloom.errors import ImageError, RadloomError, ReportError
from radloom.imaging import ImageWarning, noting, write_png
from radloom.interop import Maker, Origin, check_same_patient, read_source, write_dicom, write_report
from radloom.interop.report import REPORT_SUFFIXES
from radloom.provenance import marks
from radloom.reports.sections import parse_report
from radloom.study import Part, Report, View


def test_the_suffix_decides(report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path) -> None:
    text, fhir, sr = (
        write_report(report, tmp_path / "new" / f"x{suffix}", maker=maker, images=[hospital()])
        for suffix in REPORT_SUFFIXES
    )
    loud = write_report(report, tmp_path / "new" / "X.DCM", maker=maker, images=[str(hospital())])
    assert pydicom.dcmread(loud).PatientID == "P17"
    loud.unlink()
    note = f"NOTE: Written by {maker}, and checked by nobody. For research only.\n"
    assert text.read_text() == f"FINDINGS: {report.findings}\nIMPRESSION: {report.impression}\n{note}"
    assert parse_report(text.read_text()) == replace(report, indication="")
    resource = json.loads(fhir.read_text())
    assert resource["resourceType"] == "DiagnosticReport"
    assert {"#pneumonia", "#pleural-effusion"} <= {result["reference"] for result in resource["result"]}
    dataset = pydicom.dcmread(sr)
    assert (dataset.Modality, dataset.PatientID) == ("SR", "P17")
    assert "Uncertain" in [element.value for element in dataset.iterall() if element.keyword == "CodeMeaning"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["x.dcm", "x.json", "x.txt"]


def test_images_that_are_not_dicom_are_not_referred_to(
    report: Report, maker: Maker, chest: np.ndarray, chest_file: Path, tmp_path: Path
) -> None:
    for images in ([chest], [chest_file]):
        path = write_report(report, tmp_path / "x.json", maker=maker, images=images)
        assert "imagingStudy" not in json.loads(path.read_text())
    assert read_source(chest_file) is None


@pytest.mark.parametrize("suffix", [".png", ".dcm"])
def test_a_report_of_a_drawing_says_that_it_is_synthetic(
    report: Report, maker: Maker, chest: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    origin, drawing = Origin([Part.LATERAL]), tmp_path / f"drawing{suffix}"
    if suffix == ".dcm":
        write_dicom(chest, drawing, view=View.FRONTAL, origin=origin, maker=maker)
    else:
        write_png(chest, drawing, text=marks(View.FRONTAL, maker, origin))
    files = [tmp_path / f"x{end}" for end in REPORT_SUFFIXES]
    text, fhir, sr = (write_report(report, file, maker=maker, images=[drawing]) for file in files)
    assert text.read_text().endswith("For research only. Of a synthetic X-ray.\n")
    assert "HTEST" in [label["code"] for label in json.loads(fhir.read_text())["meta"]["security"]]
    assert pydicom.dcmread(sr).SyntheticData == "YES"


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


def test_x_rays_of_two_studies_of_a_patient_are_told(hospital: Callable[..., Path]) -> None:
    with pytest.warns(ImageWarning, match=r"hospital\.dcm and .*later\.dcm are of two studies by their DICOM headers"):
        check_same_patient([hospital(), hospital("later.dcm", StudyInstanceUID="1.2.3.99")])
    with noting() as said:
        check_same_patient([hospital(), hospital("same.dcm")])
    assert said == []


def test_x_rays_of_two_patients_are_refused(hospital: Callable[..., Path], chest_file: Path) -> None:
    check_same_patient([hospital(), hospital("second.dcm"), chest_file, None, np.zeros((20, 20))])
    check_same_patient([hospital(), hospital("nameless.dcm", PatientName=None)])
    check_same_patient([hospital(), hospital("bare.dcm", PatientName=None, PatientID=None)])
    check_same_patient([hospital(), hospital("drawn.dcm", PatientID="SYNTHETIC-1", SyntheticData="YES")])
    check_same_patient([hospital(), hospital("spelt.dcm", PatientName="Mueller^J")])  # the number counts
    check_same_patient([hospital(), hospital("moved.dcm", IssuerOfPatientID="B")])
    one = {"PatientID": "P17", "IssuerOfPatientID": "A"}
    check_same_patient([hospital(**one), hospital("b.dcm", PatientID="4", IssuerOfPatientID="B")])
    other = {"PatientName": "Gonzalez^Bob"}
    for differs in (other | {"IssuerOfPatientID": "B"}, {"PatientBirthDate": "20000101"}, {"PatientSex": "F"}):
        with pytest.raises(ImageError, match="are of different patients"):
            check_same_patient([hospital(**one), hospital("other.dcm", **differs)])
    with pytest.raises(ImageError, match="are of different patients"):
        check_same_patient([hospital().read_bytes(), hospital("other.dcm", PatientID="P18").read_bytes()])
    with pytest.raises(ImageError, match=r"hospital\.dcm and .*other\.dcm are of different patients"):
        check_same_patient([hospital(), hospital("other.dcm", PatientID="P18")])
