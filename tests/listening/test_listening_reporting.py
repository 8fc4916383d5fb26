"""Which images of a study are read, what its report says of itself, and that no study keeps others waiting."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from nodes import Stub, encoded, image
from pydicom import Dataset, dcmread
from pydicom.uid import DigitalXRayImageStorageForProcessing, SecondaryCaptureImageStorage

import radloom
from radloom.listening.reporting import Reporter, find_views, report_batch
from radloom.listening.spool import Spool, State
from radloom.study import View


def add(spool: Spool, *images: Dataset) -> None:
    for each in images:
        spool.add(each.StudyInstanceUID, each.SOPInstanceUID, encoded(each))


def work(spool: Spool, model: Any) -> None:
    reporter = Reporter(model, spool, 0.0)
    while reporter.step():
        pass


def read(path: Path | None) -> str:
    return str(dcmread(path).SOPInstanceUID) if path else ""


def test_one_image_of_each_view_is_read(spool: Spool) -> None:
    raw, sheet = DigitalXRayImageStorageForProcessing, SecondaryCaptureImageStorage
    add(
        spool,
        image("1.2", 1, SOPClassUID=sheet, view="LL"),
        image("1.2", 2, SOPClassUID=raw, view="LL"),
        image("1.2", 3, view=""),  # a frontal view to the model
        image("1.2", 4, view="PA"),
        image("1.3", 1, SOPClassUID=sheet, view="PA"),
        image("1.3", 2, SOPClassUID=sheet, view="LL"),
    )
    model: Any = Stub()
    found = {}
    for key in spool.studies(State.RECEIVED):
        batch = spool.batch(key, State.RECEIVED)
        views = find_views(model, batch.images)
        found[str(dcmread(batch.images[0]).StudyInstanceUID)] = {view: read(path) for view, path in views.items()}
    assert found == {
        "1.2": {View.FRONTAL: "1.2.7.3"},
        "1.3": {View.FRONTAL: "1.3.7.1", View.LATERAL: "1.3.7.2"},
    }


def test_a_report_is_the_same_whenever_it_is_made(spool: Spool, model: radloom.Model) -> None:
    add(spool, image("1.2", 1), image("1.2", 2, view="LL"))
    [key] = spool.studies(State.RECEIVED)
    batch = spool.batch(key, State.RECEIVED)
    first, second = (dcmread(BytesIO(report_batch(model, batch))) for _ in range(2))
    assert (first.StudyInstanceUID, first.PatientID) == ("1.2", "P17")
    evidence = first.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert {item.ReferencedSOPInstanceUID for item in evidence} == {"1.2.7.1", "1.2.7.2"}
    assert first.SOPInstanceUID == second.SOPInstanceUID and first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.ContentSequence == second.ContentSequence
    add(spool, image("1.2", 3))
    third = dcmread(BytesIO(report_batch(model, spool.batch(key, State.RECEIVED))))
    assert third.SOPInstanceUID != first.SOPInstanceUID


def test_a_study_that_fails_is_set_aside(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    class Picky(Stub):
        def reports(self, studies: Any, **options: Any) -> Any:
            if read(studies[0].frontal) == "1.4.7.1":
                raise RuntimeError("Jane Doe")
            return super().reports(studies, **options)

    add(spool, image("1.2"), image("1.2", 2, PatientID="P18", view="LL"), image("1.3"), image("1.4"))
    work(spool, Picky())
    whys = [(spool.folder / "failed" / key / "why.txt").read_text() for key in spool.studies(State.FAILED)]
    assert len(whys) == 2 and len(spool.studies(State.REPORTED)) == 1
    assert any("are of different patients" in why for why in whys)
    assert any(why.startswith("RuntimeError in test_listening_reporting.py, line ") for why in whys)
    assert caplog.text.count("set aside") == 2 and "Jane" not in caplog.text + "".join(whys)


def test_a_damaged_image_is_left_out(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    add(spool, image("1.2", 1, PixelData=b"\0\1" * 8), image("1.2", 2, view="LL"))
    add(spool, image("1.3", 1, PixelData=b"\0\1" * 8))
    work(spool, Stub())
    [reported], [failed] = spool.studies(State.REPORTED), spool.studies(State.FAILED)
    assert "1 of its 2 images cannot be read" in caplog.text
    assert "cannot be decoded" in (spool.folder / "failed" / failed / "why.txt").read_text()
    sr = dcmread(spool.batch(reported, State.REPORTED).report)
    evidence = sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert [item.ReferencedSOPInstanceUID for item in evidence] == ["1.2.7.2"]


@pytest.mark.doubting
def test_what_looks_like_no_chest_xray_is_reported_and_told_of(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    add(spool, image("1.2"))
    work(spool, Stub())
    assert len(spool.studies(State.REPORTED)) == 1
    assert "its frontal image does not look like a chest X-ray" in caplog.text and "Doe" not in caplog.text


def test_a_disk_that_is_full_is_waited_for(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Stub()
    add(spool, image("1.2"))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        Reporter(model, spool, 0.0).step()  # type: ignore[arg-type]
    assert len(spool.studies(State.RECEIVED)) == 1
    work(spool, model)
    assert len(spool.studies(State.REPORTED)) == 1


def test_an_image_that_comes_meanwhile_is_read_too(spool: Spool) -> None:
    laterals = []

    class Interrupted(Stub):
        def reports(self, studies: Any, **options: Any) -> Any:
            laterals.append(read(studies[0].lateral))
            add(spool, image("1.2", 2, view="LL"))
            return super().reports(studies, **options)

    add(spool, image("1.2"))
    work(spool, Interrupted())
    assert laterals == ["", "1.2.7.2"]
    [key] = spool.studies(State.REPORTED)
    assert len(list((spool.folder / "reported" / key).glob("report-*"))) == 1


def test_a_report_that_is_there_is_not_made_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Stub()
    add(spool, image("1.2"))
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "_move", lambda *_: (_ for _ in ()).throw(OSError(5, "as if it died here")))
        Reporter(model, spool, 0.0).step()  # type: ignore[arg-type]
    [key] = spool.studies(State.RECEIVED)
    written = spool.batch(key, State.RECEIVED).report.read_bytes()
    work(spool, model)
    assert spool.batch(key, State.REPORTED).report.read_bytes() == written
    assert len(model.seen) == 1
