"""A report as a FHIR R4 DiagnosticReport (hl7.org/fhir/R4/diagnosticreport.html), as data for a JSON file.

Everything it needs is contained: the device that wrote it, one Observation for the findings and one for each of the 14
observations that the report mentions, and a Provenance that names the device as author. It is the Provenance that does,
since R4 lets no device be the performer of a report. The status is `preliminary`, and a security label says that
artificial intelligence asserted it; a report of a synthetic X-ray is labelled as test data too.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from pydicom import Dataset

from radloom.interop.codes import (
    CHEST_XRAY,
    MENTION_CODES,
    NARRATIVE,
    OBSERVATION_CODES,
    SYSTEMS,
    Code,
    in_order,
)
from radloom.interop.common import check_one_patient, is_synthetic, plain, sections
from radloom.provenance import Maker
from radloom.study import Mention, Report, slug

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_BY_AI = {
    "system": f"{_TERMINOLOGY}/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_TEST_DATA = {"system": f"{_TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}
_NOTE = "Written by software and checked by nobody. For research only; not for the care of a patient."


def diagnostic_report(
    report: Report,
    *,
    maker: Maker,
    labels: Mapping[str, Mention] | None = None,
    sources: Sequence[Dataset] = (),
    synthetic: bool = False,
) -> dict[str, Any]:
    """A report as a DiagnosticReport.

    Args:
        report: the impression becomes the conclusion, the findings an Observation, both together the presented form.
        maker: what wrote it.
        labels: observation -> what the report says of it; unmentioned ones get no Observation.
        sources: headers of the DICOM files it is of, as `read_source` gives them; none for other files. Their patient
            and study are referred to by identifier alone.
        synthetic: whether the X-ray is, even if no DICOM file says so.

    Returns:
        What `json.dumps` takes.

    Raises:
        ReportError: an empty report.
        ImageError: sources of different patients.
        RadloomError: an unknown observation.
    """
    written = sections(report)
    check_one_patient(sources)
    about = _about(sources)
    observations = _observations(written, in_order(labels or {}), about)
    issued = datetime.now(UTC).isoformat(timespec="seconds")
    text = "\n".join(f"{name.upper()}: {body}" for name, body in written.items())
    resource = {
        "resourceType": "DiagnosticReport",
        "meta": {"security": [_BY_AI, *([_TEST_DATA] if synthetic or is_synthetic(sources) else [])]},
        "text": _narrative(written),
        "contained": [_device(maker), _provenance(maker, issued), *observations],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"}],
        "status": "preliminary",
        "category": [_concept("Radiology", {"system": f"{_TERMINOLOGY}/v2-0074", "code": "RAD"})],
        "code": _concept("Chest X-ray report", _coding(CHEST_XRAY)),
        **about,
        "issued": issued,
        "result": [{"reference": f"#{observation['id']}"} for observation in observations],
        "presentedForm": [
            {
                "contentType": "text/plain; charset=utf-8",
                "language": "en",
                "data": base64.b64encode(text.encode()).decode(),
                "title": "Chest X-ray report, preliminary, by software",
            }
        ],
    }
    if studies := _studies(sources):
        resource["imagingStudy"] = studies
    if "impression" in written:
        resource["conclusion"] = written["impression"]
    return resource


def _about(sources: Sequence[Dataset]) -> dict[str, Any]:
    """Whom it is about and when the X-ray was taken, by the first DICOM file, where it says so."""
    about: dict[str, Any] = {}
    for source in sources[:1]:
        if patient := plain(_text(source, "PatientID")):
            identifier: dict[str, Any] = {"value": patient}
            if issuer := plain(_text(source, "IssuerOfPatientID")):
                identifier["assigner"] = {"display": issuer}
            about["subject"] = {"type": "Patient", "identifier": identifier}
        date = str(source.get("StudyDate") or "")
        try:
            about["effectiveDateTime"] = datetime.strptime(date, "%Y%m%d").date().isoformat()
        except ValueError:  # none, or none that is a date
            continue
    return about


def _text(source: Dataset, keyword: str) -> str:
    """An attribute's one value, also where a backslash in it reads like several."""
    value = source.get(keyword) or ""
    return value if isinstance(value, str) else "\\".join(map(str, value))


def _studies(sources: Sequence[Dataset]) -> list[dict[str, Any]]:
    uids = dict.fromkeys(str(uid) for source in sources if (uid := source.get("StudyInstanceUID")))
    return [
        {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}} for uid in uids
    ]


def _observations(
    written: Mapping[str, str], said: Mapping[str, Mention], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    shared = {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [_concept("Imaging", {"system": f"{_TERMINOLOGY}/observation-category", "code": "imaging"})],
        **about,
        "device": {"reference": "#device"},
    }
    observations = []
    if "findings" in written:
        narrative = {"code": _concept("Findings", _coding(NARRATIVE)), "valueString": written["findings"]}
        observations.append({"id": "findings", **shared, **narrative})
    for name, mention in said.items():
        code = OBSERVATION_CODES.get(name)
        finding = {
            "code": _concept(name, _coding(code) if code else None),
            "valueCodeableConcept": _concept(mention.value, _coding(MENTION_CODES[mention])),
        }
        observations.append({"id": slug(name), **shared, **finding})
    return observations


def _device(maker: Maker) -> dict[str, Any]:
    device = {
        "resourceType": "Device",
        "id": "device",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{maker.uid}"}],
        "manufacturer": "radloom",
        "modelNumber": plain(maker.recipe),
        "deviceName": [{"name": "radloom", "type": "user-friendly-name"}],
        "type": {"text": "Software that writes reports of chest X-rays"},
        "version": [{"value": maker.version}],
        "note": [{"text": _NOTE}],
    }
    if maker.fingerprint:
        device["serialNumber"] = maker.fingerprint
    return device


def _provenance(maker: Maker, issued: str) -> dict[str, Any]:
    author = {"system": f"{_TERMINOLOGY}/provenance-participant-type", "code": "author", "display": "Author"}
    return {
        "resourceType": "Provenance",
        "id": "provenance",
        "target": [{"reference": "#"}],
        "recorded": issued,
        "activity": {"text": str(maker)},
        "agent": [{"type": {"coding": [author]}, "who": {"reference": "#device"}}],
    }


def _narrative(written: Mapping[str, str]) -> dict[str, str]:
    paragraphs = "".join(f"<p><b>{name.upper()}:</b> {escape(body)}</p>" for name, body in written.items())
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}<p><i>{_NOTE}</i></p></div>',
    }


def _concept(text: str, coding: dict[str, str] | None) -> dict[str, Any]:
    return {"coding": [coding], "text": text} if coding else {"text": text}


def _coding(code: Code) -> dict[str, str]:
    return {"system": SYSTEMS[code.scheme], "code": code.value, "display": code.meaning}
