"""What the formats share: which DICOM image it is of, text that every file can hold, writing a file whole.

Section numbers are those of DICOM PS3.3, where no other part is named.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import combinations
from pathlib import Path

from PIL import Image as PILImage
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from radloom.errors import ImageError, ReportError
from radloom.imaging.array import remark
from radloom.imaging.dicom import read_header
from radloom.imaging.files import File, InMemory, is_dicom, read_head, undecodable
from radloom.interop.codes import Code
from radloom.provenance import SYNTHETIC, Maker
from radloom.study import SECTIONS, Image, Report

IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
"""What a reference to an image is made of."""

ALWAYS_THERE = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
"""Attributes of type 2 of the Patient and General Study modules: there, if without a value."""

PATIENT_AND_STUDY = (
    *ALWAYS_THERE,
    "IssuerOfPatientID",
    "OtherPatientIDsSequence",
    "QualityControlSubject",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "StudyInstanceUID",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
"""What a report of an image takes over from it."""

_PATIENT = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
"""What tells patients apart."""

_LONG_STRING = 64  # characters of VR LO, PS3.5 section 6.2


def read_source(source: File | str) -> Dataset | None:
    """Of the header of a DICOM file that an X-ray was read from, what identifies image, study and patient.

    Args:
        source: the file, by its path or as bytes in memory.

    Returns:
        None if the file is not DICOM.

    Raises:
        ImageError: missing, empty or damaged file.
    """
    file = Path(source) if isinstance(source, str) else source
    if not is_dicom(file, read_head(file)):
        return None
    try:
        wanted = [*IDENTIFIERS, *PATIENT_AND_STUDY, "SyntheticData", "TimezoneOffsetFromUTC"]
        header = read_header(file, wanted)
        header.decode()
    except ImageError:
        raise
    except Exception as error:  # pydicom raises a dozen types on damaged bytes
        raise undecodable(file, error) from error
    header.filename = str(file)
    return header


def is_synthetic(sources: Sequence[Dataset]) -> bool:
    """Whether one of them says so: then all that is derived from it is synthetic too (C.12.1)."""
    return any(source.get("SyntheticData") == "YES" for source in sources)


def says_synthetic(file: File) -> bool:
    """Whether an X-ray's file says of itself that it is synthetic: DICOM's Synthetic Data, or radloom's mark in a PNG.

    Raises:
        ImageError: missing, empty or damaged file.
    """
    if source := read_source(file):
        return is_synthetic([source])
    try:
        with file.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)  # no pixel is decoded
            with PILImage.open(stream) as picture:
                return str(picture.info.get("Comment", "")).startswith(f"{SYNTHETIC} ")
    except Exception as error:  # Pillow raises several types on damaged bytes
        raise undecodable(file, error) from error


def as_file(image: Path | bytes | str) -> File:
    """A file that was given by its path or its bytes."""
    return InMemory(image) if isinstance(image, bytes) else Path(image)


def check_same_patient(images: Sequence[Image | File | None]) -> None:
    """Refuse X-rays whose DICOM headers name different patients; see `check_one_patient`. Arrays have none."""
    files = [as_file(image) if isinstance(image, bytes | str) else image for image in images]
    sources = [read_source(file) for file in files if isinstance(file, Path | InMemory)]
    check_one_patient([source for source in sources if source is not None])


def check_one_patient(sources: Sequence[Dataset]) -> None:
    """Refuse X-rays of different patients. Synthetic ones are of nobody and go with any.

    Args:
        sources: headers, as `read_source` gives them.

    Raises:
        ImageError: two of them have different patient identifiers, different names where one has no identifier or these
            are of different issuers, different dates of birth, or different sexes.

    Warns:
        ImageWarning: they are of different studies.
    """
    for one, other in combinations([source for source in sources if not is_synthetic([source])], 2):
        unlike = {key: _unlike(one, other, key) for key in _PATIENT}
        by_number = unlike["PatientID"] is not None and not unlike["IssuerOfPatientID"]
        another = unlike["PatientID"] if by_number else unlike["PatientName"]
        if another or unlike["PatientBirthDate"] or unlike["PatientSex"]:
            names = f"{one.filename} and {other.filename}"
            raise ImageError(f"{names} are of different patients by their DICOM headers; take those of one patient.")
        if _unlike(one, other, "StudyInstanceUID"):
            remark(f"{one.filename} and {other.filename} are of two studies by their DICOM headers.")


def _unlike(one: Dataset, other: Dataset, keyword: str) -> bool | None:
    """Whether an attribute of both differs; None where one lacks it."""
    values = [plain(str(source.get(keyword) or "")) for source in (one, other)]
    return values[0] != values[1] if all(values) else None


def sections(report: Report) -> dict[str, str]:
    """Heading -> text of the sections that are there, as `plain` text.

    Raises:
        ReportError: the report has neither findings nor an impression.
    """
    found = {name: text for name in SECTIONS if (text := plain(getattr(report, name)))}
    if not found:
        raise ReportError("The report has neither findings nor an impression; there is nothing to write.")
    return found


def plain(text: str) -> str:
    """The text on one line, without control characters, which neither DICOM nor FHIR takes."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def short(text: str) -> str:
    """The text as a DICOM Long String: 64 characters, no backslash."""
    return plain(text.replace("\\", "/"))[:_LONG_STRING]


def coded(code: Code) -> Dataset:
    """A code as an item of a code sequence (section 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def new_instance(sop_class: str, maker: Maker, purpose: Code) -> Dataset:
    """An object with SOP Common (C.12.1) and General Equipment (C.7.5.1): what it is, when and by what it was made.

    Args:
        sop_class: its UID.
        maker: becomes manufacturer, model name, serial number and software version, and with its seed an item of the
            Contributing Equipment Sequence.
        purpose: of that item.

    Returns:
        An object in which dates and times are now, in UTC.
    """
    now = datetime.now(UTC)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"  # UTF-8
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, new_uid()
    dated(dataset, f"{now:%z}")
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [coded(purpose)]
    equipment.ContributionDateTime = f"{now:%Y%m%d%H%M%S%z}"
    equipment.ContributionDescription = plain(str(maker))[:1024]
    for item in (dataset, equipment):
        item.Manufacturer, item.ManufacturerModelName = "radloom", short(maker.recipe)
        item.DeviceSerialNumber, item.SoftwareVersions = short(maker.fingerprint), short(maker.version)
    dataset.ContributingEquipmentSequence = [equipment]
    return dataset


def dated(dataset: Dataset, offset: str | None) -> None:
    """Put down that an object was made now, in the time zone that all its dates and times are in (section C.12.1.1.8).

    Args:
        dataset: the object.
        offset: from UTC, for example `+0900`; None where nothing says which, as in what is copied from an image
            without one: then this machine's.
    """
    now = datetime.now(UTC)
    try:
        now = now.astimezone(datetime.strptime(offset or "", "%z").tzinfo)
        dataset.TimezoneOffsetFromUTC = f"{now:%z}"
    except ValueError:
        now = now.astimezone()
        dataset.pop("TimezoneOffsetFromUTC", None)
    dataset.InstanceCreationDate = dataset.ContentDate = f"{now:%Y%m%d}"
    dataset.InstanceCreationTime = dataset.ContentTime = f"{now:%H%M%S}"


def new_uid() -> str:
    """A UID made of a random UUID (PS3.5 section B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def derived_uid(name: str) -> str:
    """A UID made of a UUID of a name (PS3.5 section B.2): always the same."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"


def dicom_bytes(dataset: Dataset) -> bytes:
    """A whole DICOM file (PS3.10)."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
