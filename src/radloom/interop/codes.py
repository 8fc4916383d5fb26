"""The codes that the files carry, each with where it is defined.

DICOM codes and their meanings are those of DICOM PS3.16; its context groups (CID) are named beside them. A finding gets
a code only where one is known to mean the same; the others are text alone, as DICOM and FHIR both allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radloom.errors import RadloomError, did_you_mean
from radloom.study import OBSERVATIONS, Mention, View

SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}
"""Coding scheme designator of DICOM (PS3.16 section 8) -> system of FHIR R4."""


@dataclass(frozen=True)
class Code:
    """A coded concept.

    Attributes:
        value: the code.
        scheme: coding scheme designator, as DICOM has it.
        meaning: for people.
    """

    value: str
    scheme: str
    meaning: str


XRAY_REPORT = Code("43468-8", "LN", "X-Ray Report")  # CID 7000
FINDINGS = Code("59776-5", "LN", "Findings")  # CID 7001
IMPRESSIONS = Code("19005-8", "LN", "Impressions")  # CID 7001
SUMMARY = Code("55112-7", "LN", "Summary")  # CID 7001
FINDING = Code("121071", "DCM", "Finding")  # CID 7002
IMPRESSION = Code("121073", "DCM", "Impression")  # CID 7002
BEST_ILLUSTRATION = Code("121080", "DCM", "Best illustration of finding")  # CID 7003
SYNTHESIZING = Code("109100", "DCM", "Synthesizing Equipment")  # CID 7005
PROCESSING = Code("109102", "DCM", "Processing Equipment")  # CID 7005
LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")  # TID 1204
ENGLISH = Code("en", "RFC5646", "English")  # CID 5000
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")  # TID 1002
DEVICE = Code("121007", "DCM", "Device")  # CID 270
DEVICE_UID = Code("121012", "DCM", "Device Observer UID")  # TID 1004, like the next four
DEVICE_NAME = Code("121013", "DCM", "Device Observer Name")
DEVICE_MANUFACTURER = Code("121014", "DCM", "Device Observer Manufacturer")
DEVICE_MODEL = Code("121015", "DCM", "Device Observer Model Name")
DEVICE_SERIAL = Code("121016", "DCM", "Device Observer Serial Number")
CHEST = Code("816094009", "SCT", "Chest")  # CID 4009

VIEWS = {
    View.FRONTAL: Code("399033003", "SCT", "frontal"),
    View.LATERAL: Code("399067008", "SCT", "lateral"),
}
"""CID 4010. A frontal drawing is neither AP nor PA, a lateral one neither left nor right."""

CHEST_XRAY = Code("30745-4", "LN", "XR Chest Views")
NARRATIVE = Code("18782-3", "LN", "Radiology Study observation (narrative)")

OBSERVATION_CODES = {
    "Cardiomegaly": Code("8186001", "SCT", "Cardiomegaly"),
    "Lung Opacity": Code("112001", "DCM", "Opacity"),  # CID 6102, findings of chest CAD
    "Edema": Code("19242006", "SCT", "Pulmonary edema"),
    "Consolidation": Code("95436008", "SCT", "Lung consolidation"),
    "Pneumonia": Code("233604007", "SCT", "Pneumonia"),
    "Atelectasis": Code("46621007", "SCT", "Atelectasis"),
    "Pneumothorax": Code("36118008", "SCT", "Pneumothorax"),
    "Pleural Effusion": Code("60046008", "SCT", "Pleural effusion"),
    "Fracture": Code("125605004", "SCT", "Fracture of bone"),
}
"""Of the 14 observations those that one code means. The other five are categories of CheXpert's own."""

MENTION_CODES = {
    Mention.POSITIVE: Code("52101004", "SCT", "Present"),
    Mention.NEGATIVE: Code("2667000", "SCT", "Absent"),
    Mention.UNCERTAIN: Code("64957009", "SCT", "Uncertain"),
}


def in_order(labels: Mapping[str, Mention]) -> dict[str, Mention]:
    """Labels in the order of `OBSERVATIONS`.

    Raises:
        RadloomError: a name that is none of the 14 observations.
    """
    for name in labels:
        if name not in OBSERVATIONS:
            raise RadloomError(
                f"Unknown observation {name!r}{did_you_mean(name, OBSERVATIONS)}; known: {', '.join(OBSERVATIONS)}."
            )
    return {name: Mention(labels[name]) for name in OBSERVATIONS if name in labels}
