from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from radloom.errors import ImageError, RadloomError, ReportError
from radloom.interop import Maker, Origin, read_source, write_dicom, write_sr
from radloom.study import Mention, Part, Report, View

CLEAR = Origin([Part.REPORT], Report("Clear."))

LABELS = {
    "Pleural Effusion": Mention.POSITIVE,
    "Pneumonia": Mention.UNCERTAIN,
    "Pneumothorax": Mention.NEGATIVE,
    "Lung Lesion": Mention.POSITIVE,
}


def source(path: Path) -> Dataset:
    header = read_source(path)
    assert header is not None
    return header


def outline(item: Dataset, depth: int = 0) -> list[tuple[int, str, str]]:
    """(depth, concept name, value) of a content item and all below."""
    name = item.ConceptNameCodeSequence[0].CodeMeaning
    codes = [code.CodeMeaning for code in item.get("ConceptCodeSequence", [])]
    images = [reference.ReferencedSOPInstanceUID for reference in item.get("ReferencedSOPSequence", [])]
    value = next(iter([*codes, *images]), item.get("TextValue") or item.get("UID") or "")
    return [
        (depth, name, value),
        *(line for child in item.get("ContentSequence", []) for line in outline(child, depth + 1)),
    ]


def test_it_holds_the_report_under_coded_headings(report: Report, maker: Maker, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write_sr(report, tmp_path / "new" / "x.dcm", maker=maker, labels=LABELS))
    assert outline(dataset) == [
        (0, "X-Ray Report", ""),
        (1, "Language of Content Item and Descendants", "English"),
        (1, "Observer Type", "Device"),
        (1, "Device Observer UID", maker.uid),
        (1, "Device Observer Name", "radloom"),
        (1, "Device Observer Manufacturer", "radloom"),
        (1, "Device Observer Model Name", "llm-cxr/nano"),
        (1, "Device Observer Serial Number", "0123456789abcdef"),
        (1, "Findings", ""),
        (2, "Finding", report.findings),
        (1, "Impressions", ""),
        (2, "Impression", report.impression),
        (1, "Summary", ""),
        (2, "Finding", "Lung Lesion: Present"),
        (2, "Pneumonia", "Uncertain"),
        (2, "Pneumothorax", "Absent"),
        (2, "Pleural effusion", "Present"),
    ]
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "2000"


def test_nobody_has_checked_it(report: Report, maker: Maker, tmp_path: Path) -> None:
    whole = pydicom.dcmread(write_sr(report, tmp_path / "x.dcm", maker=maker))
    assert (whole.VerificationFlag, whole.PreliminaryFlag, whole.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )
    part = pydicom.dcmread(write_sr(Report(impression="Normal."), tmp_path / "x.dcm", maker=maker))
    assert part.CompletionFlag == "PARTIAL"
    assert "Findings" not in [name for _, name, _ in outline(part)]


def test_it_joins_the_study_of_the_image(
    report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path
) -> None:
    header = source(hospital())
    assert not any(keyword in header for keyword in ("InstitutionName", "OperatorsName", "Rows"))
    dataset = pydicom.dcmread(write_sr(report, tmp_path / "x.dcm", maker=maker, sources=[header]))
    assert (str(dataset.PatientName), dataset.PatientID) == ("Müller^Jürgen", "P17")
    assert (dataset.StudyInstanceUID, dataset.StudyDate, dataset.AccessionNumber) == ("1.2.3", "20240229", "A99")
    assert str(dataset.ReferringPhysicianName) == "Weiß^Åsa"
    assert dataset.SeriesInstanceUID != header.SeriesInstanceUID
    assert dataset.Manufacturer == "radloom"
    assert not any(keyword in dataset for keyword in ("InstitutionName", "OperatorsName", "Rows", "SyntheticData"))
    [study] = dataset.CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    [image] = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.3", "1.2.3.1")
    assert (image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID) == (header.SOPClassUID, "1.2.3.4")
    assert (2, "Best illustration of finding", "1.2.3.4") in outline(dataset)


def test_an_element_that_no_report_needs_may_be_damaged(
    report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path
) -> None:
    path = hospital(KVP="12.25", StudyTime="101500")
    path.write_bytes(path.read_bytes().replace(b"12.25", b"volts").replace(b"101500", b"ten 15"))
    dataset = pydicom.dcmread(write_sr(report, tmp_path / "x.dcm", maker=maker, sources=[source(path)]))
    assert dataset.StudyInstanceUID == "1.2.3" and "KVP" not in dataset


def test_two_views_are_referenced_by_series(
    report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path
) -> None:
    lateral = hospital("lateral.dcm", SOPInstanceUID="1.2.3.5", SeriesInstanceUID="1.2.3.2")
    again = hospital("again.dcm", SOPInstanceUID="1.2.3.6")
    sources = [source(path) for path in (hospital(), lateral, again)]
    dataset = pydicom.dcmread(write_sr(report, tmp_path / "x.dcm", maker=maker, sources=sources))
    [study] = dataset.CurrentRequestedProcedureEvidenceSequence
    referenced = {
        series.SeriesInstanceUID: [image.ReferencedSOPInstanceUID for image in series.ReferencedSOPSequence]
        for series in study.ReferencedSeriesSequence
    }
    assert referenced == {"1.2.3.1": ["1.2.3.4", "1.2.3.6"], "1.2.3.2": ["1.2.3.5"]}


def test_a_report_of_a_synthetic_image_is_synthetic(
    report: Report, maker: Maker, chest: np.ndarray, tmp_path: Path
) -> None:
    drawn = write_dicom(chest, tmp_path / "drawn.dcm", view=View.FRONTAL, origin=CLEAR, maker=maker)
    dataset = pydicom.dcmread(write_sr(report, tmp_path / "x.dcm", maker=maker, sources=[source(drawn)]))
    assert dataset.SyntheticData == "YES"
    assert dataset.PatientID == pydicom.dcmread(drawn).PatientID


def test_without_a_dicom_image_it_is_of_nobody(report: Report, maker: Maker, tmp_path: Path) -> None:
    first, second = (pydicom.dcmread(write_sr(report, tmp_path / "x.dcm", maker=maker)) for _ in range(2))
    assert not first.PatientName and not first.PatientID
    assert "CurrentRequestedProcedureEvidenceSequence" not in first
    assert first.StudyInstanceUID != second.StudyInstanceUID


def test_the_device_is_the_same_whatever_the_seed(maker: Maker) -> None:
    assert maker.uid == Maker(maker.recipe, maker.fingerprint, seed=8).uid
    assert maker.uid != Maker(maker.recipe, "another", seed=7).uid
    assert pydicom.uid.UID(maker.uid).is_valid


@pytest.mark.parametrize("of", ["nothing", "synthetic", "hospital"])
def test_the_checkers_have_nothing_to_complain_about(
    of: str,
    report: Report,
    maker: Maker,
    chest: np.ndarray,
    hospital: Callable[..., Path],
    complaints: Callable,
    dcmtk: Callable,
    tmp_path: Path,
) -> None:
    sources = []
    if of == "synthetic":
        drawn = write_dicom(chest, tmp_path / "drawn.dcm", view=View.LATERAL, origin=CLEAR, maker=maker)
        sources = [source(drawn)]
    elif of == "hospital":
        sources = [source(hospital())]
    path = write_sr(report, tmp_path / "x.dcm", maker=maker, labels=LABELS, sources=sources)
    assert complaints(path, "Error") == []
    dump = dcmtk("dsrdump", "--print-all-codes", path)
    assert report.impression in dump and '(43468-8,LN,"X-Ray Report")' in dump
    assert '<contains CODE:(60046008,SCT,"Pleural effusion")=(52101004,SCT,"Present")>' in dump
    assert "Verification Flag   : UNVERIFIED" in dump


def test_times_are_in_the_zone_of_the_study(
    report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path
) -> None:
    """Whose own times are copied, and one offset is that of all."""
    for offset in ("+0900", "-0330", None, "nonsense"):
        given = {} if offset is None else {"TimezoneOffsetFromUTC": offset}
        sources = [source(hospital("x.dcm", **given))]
        made = pydicom.dcmread(write_sr(report, tmp_path / "sr.dcm", maker=maker, sources=sources))
        assert (made.StudyDate, made.StudyTime) == ("20240229", "101500")
        known = offset if offset in ("+0900", "-0330") else None
        assert made.get("TimezoneOffsetFromUTC") == known
        zone = datetime.strptime(known, "%z").tzinfo if known else None
        told = datetime.strptime(made.ContentDate + made.ContentTime, "%Y%m%d%H%M%S").replace(tzinfo=zone)
        assert abs((datetime.now(UTC) - told.astimezone(UTC)).total_seconds()) < 60


def test_what_cannot_be_referred_to_is_named(
    report: Report, maker: Maker, hospital: Callable[..., Path], tmp_path: Path
) -> None:
    bare = source(hospital("bare.dcm", StudyInstanceUID=None))
    with pytest.raises(ImageError, match=r"bare\.dcm has no StudyInstanceUID.*\.txt or \.json"):
        write_sr(report, tmp_path / "x.dcm", maker=maker, sources=[bare])
    two = [source(hospital()), source(hospital("other.dcm", PatientID="P18"))]
    with pytest.raises(ImageError, match=r"hospital\.dcm and .*other\.dcm are of different patients"):
        write_sr(report, tmp_path / "x.dcm", maker=maker, sources=two)
    assert not (tmp_path / "x.dcm").exists()


def test_bad_input(report: Report, maker: Maker, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="neither findings nor an impression"):
        write_sr(Report(indication="Cough."), tmp_path / "x.dcm", maker=maker)
    with pytest.raises(RadloomError, match=r"does not end in \.dcm"):
        write_sr(report, tmp_path / "x.sr", maker=maker)
    with pytest.raises(RadloomError, match="Unknown observation 'Effusion'"):
        write_sr(report, tmp_path / "x.dcm", maker=maker, labels={"Effusion": Mention.POSITIVE})
    assert list(tmp_path.iterdir()) == []
