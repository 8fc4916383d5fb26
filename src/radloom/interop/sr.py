"""A report as a DICOM Basic Text SR document (PS3.3, section A.35.1) after TID 2000, Basic Diagnostic Imaging Report.

Title and headings are coded, findings and impression are text, and what the report says of the 14 observations is a
list under a heading of its own: coded, present, absent or uncertain, where one code means the observation, else text.
The document says that software wrote it (observer type Device, TID 1004) and that nobody has checked it (UNVERIFIED,
PRELIMINARY).

Where the X-ray was a DICOM file, the report joins its study: patient and study are copied from it, and the image is
referenced as evidence (C.17.2). A report of a synthetic image is synthetic too (Synthetic Data, C.12.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from radloom.errors import ImageError, RadloomError
from radloom.files import write_whole
from radloom.interop import codes
from radloom.interop.codes import Code, in_order
from radloom.interop.common import (
    ALWAYS_THERE,
    IDENTIFIERS,
    PATIENT_AND_STUDY,
    check_one_patient,
    coded,
    dated,
    derived_uid,
    dicom_bytes,
    is_synthetic,
    new_instance,
    new_uid,
    sections,
    short,
)
from radloom.provenance import Maker
from radloom.study import Mention, Report

_HEADINGS = {
    "findings": (codes.FINDINGS, codes.FINDING),
    "impression": (codes.IMPRESSIONS, codes.IMPRESSION),
}


def write_sr(
    report: Report,
    path: Path | str,
    *,
    maker: Maker,
    labels: Mapping[str, Mention] | None = None,
    sources: Sequence[Dataset] = (),
    synthetic: bool = False,
) -> Path:
    """Write a report as DICOM SR, whole or not at all; its folder is made if need be.

    Args:
        report: findings and impression; one of them may be missing, which makes the document PARTIAL.
        path: the file to write; ends in `.dcm`.
        maker: what wrote it.
        labels: observation -> what the report says of it.
        sources: headers of the DICOM files it is of, as `read_source` gives them; none for other files.
        synthetic: whether the X-ray is, even if no DICOM file says so.

    Returns:
        The path written.

    Raises:
        ReportError: an empty report.
        ImageError: sources that lack an identifier, or are of different patients.
        RadloomError: another suffix, an unknown observation, or a place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".dcm":
        raise RadloomError(f"{path} does not end in .dcm; give a DICOM file that ending.")
    return write_whole(path, sr_bytes(report, maker=maker, labels=labels, sources=sources, synthetic=synthetic))


def sr_bytes(
    report: Report,
    *,
    maker: Maker,
    labels: Mapping[str, Mention] | None = None,
    sources: Sequence[Dataset] = (),
    synthetic: bool = False,
    name: str = "",
) -> bytes:
    """What `write_sr` writes.

    Args:
        report, maker, labels, sources, synthetic: see there.
        name: of the document. Its UIDs, instance and series, are always the same for one name and one maker; without
            a name they are new ones.

    Raises:
        ReportError: an empty report.
        ImageError: sources that lack an identifier, or are of different patients.
        RadloomError: an unknown observation.
    """
    written, said = sections(report), in_order(labels or {})
    _check_sources(sources)

    dataset = new_instance(BasicTextSRStorage, maker, codes.PROCESSING)
    if synthetic or is_synthetic(sources):
        dataset.SyntheticData = "YES"
    _join_study(dataset, sources)
    dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesNumber = "SR", new_uid(), 1
    if name:
        dataset.SOPInstanceUID = derived_uid(f"instance of {name} by {maker.uid}")
        dataset.SeriesInstanceUID = derived_uid(f"series of {name} by {maker.uid}")
    dataset.SeriesDescription = "Report by software, unverified, for research only"
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.InstanceNumber = 1
    dataset.CompletionFlag = "COMPLETE" if len(written) == len(_HEADINGS) else "PARTIAL"
    dataset.VerificationFlag, dataset.PreliminaryFlag = "UNVERIFIED", "PRELIMINARY"
    dataset.PerformedProcedureCodeSequence = []
    if sources:
        dataset.CurrentRequestedProcedureEvidenceSequence = _evidence(sources)
    dataset.update(_container(codes.XRAY_REPORT, _content(written, said, maker, sources)))
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2000"
    dataset.ContentTemplateSequence = [template]
    return dicom_bytes(dataset)


def _check_sources(sources: Sequence[Dataset]) -> None:
    for source in sources:
        missing = next((keyword for keyword in IDENTIFIERS if not source.get(keyword)), None)
        if missing:
            raise ImageError(
                f"{source.filename} has no {missing}, so that a DICOM report cannot refer to it; "
                "write the report to a .txt or .json file."
            )
    check_one_patient(sources)


def _join_study(dataset: Dataset, sources: Sequence[Dataset]) -> None:
    """Patient and study of the first source, or a new study of nobody."""
    for keyword in ALWAYS_THERE:
        setattr(dataset, keyword, None)
    dataset.StudyInstanceUID = new_uid()
    for source in sources[:1]:
        for keyword in PATIENT_AND_STUDY:
            if keyword in source:
                dataset[keyword] = deepcopy(source[keyword])
        dated(dataset, source.get("TimezoneOffsetFromUTC"))


def _evidence(sources: Sequence[Dataset]) -> list[Dataset]:
    """The images by study and series (section C.17.2.1)."""
    studies: dict[str, Dataset] = {}
    series: dict[tuple[str, str], Dataset] = {}
    for source in sources:
        study, group = str(source.StudyInstanceUID), str(source.SeriesInstanceUID)
        if study not in studies:
            studies[study] = Dataset()
            studies[study].StudyInstanceUID, studies[study].ReferencedSeriesSequence = study, []
        if (study, group) not in series:
            series[study, group] = Dataset()
            series[study, group].SeriesInstanceUID, series[study, group].ReferencedSOPSequence = group, []
            studies[study].ReferencedSeriesSequence.append(series[study, group])
        series[study, group].ReferencedSOPSequence.append(_reference(source))
    return list(studies.values())


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


# -- content items (section C.17.3) ----------------------------------------------------------------------------------


def _content(
    written: Mapping[str, str], said: Mapping[str, Mention], maker: Maker, sources: Sequence[Dataset]
) -> list[Dataset]:
    """The items below the title."""
    items = [_code("HAS CONCEPT MOD", codes.LANGUAGE, codes.ENGLISH), *_observer(maker)]
    for name, (heading, element) in _HEADINGS.items():
        if name in written:
            below = [_text("CONTAINS", element, written[name])]
            if name == "findings":
                below += [_image(source) for source in sources]
            items.append(_under(_container(heading, below)))
    if said:
        items.append(_under(_container(codes.SUMMARY, [_observation(*each) for each in said.items()])))
    return items


def _observation(name: str, mention: Mention) -> Dataset:
    """What is said of one observation; an absent one must not look present to who leaves modifiers out."""
    presence = codes.MENTION_CODES[mention]
    if code := codes.OBSERVATION_CODES.get(name):
        return _code("CONTAINS", code, presence)
    return _text("CONTAINS", codes.FINDING, f"{name}: {presence.meaning}")


def _observer(maker: Maker) -> list[Dataset]:
    """Who observes: a device (TID 1002 and 1004)."""
    uid = _item("UIDREF", codes.DEVICE_UID, "HAS OBS CONTEXT")
    uid.UID = maker.uid
    texts = {
        codes.DEVICE_NAME: "radloom",
        codes.DEVICE_MANUFACTURER: "radloom",
        codes.DEVICE_MODEL: short(maker.recipe),
        codes.DEVICE_SERIAL: short(maker.fingerprint),
    }
    return [
        _code("HAS OBS CONTEXT", codes.OBSERVER_TYPE, codes.DEVICE),
        uid,
        *(_text("HAS OBS CONTEXT", name, text) for name, text in texts.items() if text),
    ]


def _container(name: Code, content: list[Dataset]) -> Dataset:
    item = _item("CONTAINER", name)
    item.ContinuityOfContent, item.ContentSequence = "SEPARATE", content
    return item


def _under(item: Dataset) -> Dataset:
    item.RelationshipType = "CONTAINS"
    return item


def _text(relationship: str, name: Code, text: str) -> Dataset:
    item = _item("TEXT", name, relationship)
    item.TextValue = text
    return item


def _code(relationship: str, name: Code, value: Code) -> Dataset:
    item = _item("CODE", name, relationship)
    item.ConceptCodeSequence = [coded(value)]
    return item


def _image(source: Dataset) -> Dataset:
    item = _item("IMAGE", codes.BEST_ILLUSTRATION, "CONTAINS")
    item.ReferencedSOPSequence = [_reference(source)]
    return item


def _item(value_type: str, name: Code, relationship: str = "") -> Dataset:
    item = Dataset()
    if relationship:
        item.RelationshipType = relationship
    item.ValueType, item.ConceptNameCodeSequence = value_type, [coded(name)]
    return item
