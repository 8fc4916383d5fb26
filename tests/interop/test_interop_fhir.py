from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from radloom.errors import ImageError, RadloomError, ReportError
from radloom.interop import Maker, Origin, diagnostic_report, read_source, write_dicom
from radloom.study import OBSERVATIONS, Mention, Part, Report, View

CLEAR = Origin([Part.REPORT], Report("Clear."))

LABELS = {name: list(Mention)[i % 3] for i, name in enumerate(OBSERVATIONS)}


def contained(resource: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {part["id"]: part for part in resource["contained"] if part["resourceType"] == kind}


def references(value: Any) -> Iterator[str]:
    """Every reference below a value."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def validated(resource: dict[str, Any]) -> Any:
    """The resource as `fhir.resources` reads it from JSON, strictly."""
    r4b = pytest.importorskip("fhir.resources.R4B.diagnosticreport", reason="fhir.resources is not installed")
    return r4b.DiagnosticReport.model_validate_json(json.dumps(resource))


def test_it_is_a_valid_resource(report: Report, maker: Maker, hospital: Callable[..., Path]) -> None:
    source = read_source(hospital())
    assert source is not None
    for sources in ([], [source]):
        resource = diagnostic_report(report, maker=maker, labels=LABELS, sources=sources)
        read = validated(resource)
        assert read.status == "preliminary" and len(read.contained) == 2 + 1 + 14
        assert read.conclusion == report.impression
        with pytest.raises(ValueError, match="conclusions"):
            validated(resource | {"conclusions": "a key that FHIR does not have"})


def test_what_is_contained_is_referred_to_and_the_reverse(report: Report, maker: Maker) -> None:
    resource = diagnostic_report(report, maker=maker, labels=LABELS)
    ids = [part["id"] for part in resource["contained"]]
    assert len(ids) == len(set(ids))
    local = {reference for reference in references(resource) if reference.startswith("#")}
    # the Provenance is not referred to but refers to the report, `#`, as invariant dom-3 has it
    assert {f"#{id}" for id in ids} - local == {"#provenance"}
    assert local <= {f"#{id}" for id in ids} | {"#"}


def test_the_device_is_its_author(report: Report, maker: Maker) -> None:
    resource = diagnostic_report(report, maker=maker, labels=LABELS)
    [device], [provenance] = contained(resource, "Device").values(), contained(resource, "Provenance").values()
    assert (device["modelNumber"], device["serialNumber"]) == ("llm-cxr/nano", "0123456789abcdef")
    assert provenance["target"] == [{"reference": "#"}]
    assert provenance["agent"][0]["who"] == {"reference": "#device"}
    assert "seed 7" in provenance["activity"]["text"]
    assert all(part["device"] == {"reference": "#device"} for part in contained(resource, "Observation").values())
    assert [label["code"] for label in resource["meta"]["security"]] == ["AIAST"]
    assert "performer" not in resource  # R4 takes no device there


def test_observations_are_coded_where_a_code_means_them(report: Report, maker: Maker) -> None:
    labels = {"Pleural Effusion": Mention.POSITIVE, "Pneumothorax": Mention.NEGATIVE, "Support Devices": "uncertain"}
    made = contained(diagnostic_report(report, maker=maker, labels=labels), "Observation")
    assert list(made) == ["findings", "pneumothorax", "pleural-effusion", "support-devices"]
    sct = "http://snomed.info/sct"
    effusion, tube = made["pleural-effusion"], made["support-devices"]
    assert effusion["code"]["coding"] == [{"system": sct, "code": "60046008", "display": "Pleural effusion"}]
    assert tube["code"] == {"text": "Support Devices"}
    values = {name: part["valueCodeableConcept"]["text"] for name, part in made.items() if name != "findings"}
    assert values == {"pneumothorax": "negative", "pleural-effusion": "positive", "support-devices": "uncertain"}
    assert made["pneumothorax"]["valueCodeableConcept"]["coding"][0]["display"] == "Absent"
    assert made["findings"]["valueString"] == report.findings


def test_patient_and_study_are_referred_to_by_identifier_alone(
    report: Report, maker: Maker, hospital: Callable[..., Path]
) -> None:
    source = read_source(hospital())
    assert source is not None
    resource = diagnostic_report(report, maker=maker, sources=[source, source])
    assert resource["subject"]["identifier"] == {"value": "P17"}
    named = read_source(hospital("b.dcm", PatientID="A\\B", IssuerOfPatientID="Ward"))
    assert named is not None
    subject = diagnostic_report(report, maker=maker, sources=[named])["subject"]
    assert subject["identifier"] == {"value": "A\\B", "assigner": {"display": "Ward"}}
    [study] = resource["imagingStudy"]
    assert study["identifier"] == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert resource["effectiveDateTime"] == "2024-02-29"
    assert "Müller" not in json.dumps(resource, ensure_ascii=False)


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
@pytest.mark.parametrize("date", ["", "20240230", "2024.02.28"])
def test_a_header_that_says_little_gives_a_report_that_says_less(
    report: Report, maker: Maker, hospital: Callable[..., Path], date: str
) -> None:
    source = read_source(hospital(PatientID=""))
    assert source is not None
    source.StudyDate = date
    resource = diagnostic_report(report, maker=maker, sources=[source])
    assert "subject" not in resource and "effectiveDateTime" not in resource
    validated(resource)


def test_a_report_of_a_synthetic_image_is_test_data(
    report: Report, maker: Maker, chest: np.ndarray, tmp_path: Path
) -> None:
    drawn = read_source(write_dicom(chest, tmp_path / "x.dcm", view=View.FRONTAL, origin=CLEAR, maker=maker))
    assert drawn is not None
    resource = diagnostic_report(report, maker=maker, sources=[drawn])
    assert [label["code"] for label in resource["meta"]["security"]] == ["AIAST", "HTEST"]


def test_patients_are_not_mixed(report: Report, maker: Maker, hospital: Callable[..., Path]) -> None:
    sources = [read_source(hospital()), read_source(hospital("other.dcm", PatientID="P18"))]
    with pytest.raises(ImageError, match=r"hospital\.dcm and .*other\.dcm are of different patients"):
        diagnostic_report(report, maker=maker, sources=sources)  # type: ignore[arg-type]


def test_the_text_is_there_for_people(report: Report, maker: Maker) -> None:
    resource = diagnostic_report(report, maker=maker)
    shown = " ".join(ElementTree.fromstring(resource["text"]["div"]).itertext())
    assert report.impression in shown and "not for the care of a patient" in shown
    form = base64.b64decode(resource["presentedForm"][0]["data"]).decode()
    assert form == f"FINDINGS: {report.findings}\nIMPRESSION: {report.impression}"


def test_parts_that_are_missing_are_left_out(maker: Maker) -> None:
    findings = diagnostic_report(Report(findings="Clear\nlungs.\x0b"), maker=Maker("mine", "", seed=0))
    assert "conclusion" not in findings
    assert contained(findings, "Observation")["findings"]["valueString"] == "Clear lungs."
    impression = diagnostic_report(Report(impression="Normal."), maker=maker)
    assert impression["conclusion"] == "Normal." and not contained(impression, "Observation")
    for resource in (findings, impression):
        validated(resource)
    with pytest.raises(ReportError, match="neither findings nor an impression"):
        diagnostic_report(Report(), maker=maker)
    with pytest.raises(RadloomError, match="Unknown observation"):
        diagnostic_report(Report(findings="Clear."), maker=maker, labels={"Effusion": Mention.POSITIVE})
