"""What the formats share: who made it, which DICOM image it is of, text that every file can hold, writing a file whole.

Section numbers are those of DICOM PS3.3, where no other part is named.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from radloom import __version__
from radloom.errors import ReportError
from radloom.imaging.files import File, is_dicom, read_head, undecodable
from radloom.interop.codes import Code
from radloom.study import Report

if TYPE_CHECKING:
    from radloom.models import Model

SECTIONS = ("findings", "impression")
"""Of a report, in the order they are written."""

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

_LONG_STRING = 64  # characters of VR LO, PS3.5 section 6.2


@dataclass(frozen=True)
class Maker:
    """The software that made something.

    Attributes:
        recipe: what trained the model.
        fingerprint: of the model's weights, `""` where there is none.
        seed: of sampling.
        engine: of the model that drew, `""` for what only one of them does.
        version: of radloom.
    """

    recipe: str
    fingerprint: str
    seed: int
    engine: str = ""
    version: str = __version__

    @classmethod
    def of(cls, model: Model, seed: int, engine: str = "") -> Maker:
        """A loaded model that samples with that seed, by that engine."""
        return cls(model.config.recipe, model.fingerprint, seed, engine)

    @property
    def uid(self) -> str:
        """UID of this version with these weights, whatever the seed."""
        return derived_uid(f"radloom {self.version} {self.recipe} {self.fingerprint}")

    def __str__(self) -> str:
        engine = f", {self.engine} engine" if self.engine else ""
        return f"radloom {self.version}, model {self.recipe} {self.fingerprint}{engine}, seed {self.seed}"


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
        wanted = [*IDENTIFIERS, *PATIENT_AND_STUDY, "SyntheticData"]
        with file.open("rb") as stream:
            header = dcmread(stream, force=True, stop_before_pixels=True, specific_tags=wanted)
            header.decode()
    except Exception as error:  # pydicom raises a dozen types on damaged bytes
        raise undecodable(file, error) from error
    header.filename = str(file)
    return header


def is_synthetic(sources: Sequence[Dataset]) -> bool:
    """Whether one of them says so: then all that is derived from it is synthetic too (C.12.1)."""
    return any(source.get("SyntheticData") == "YES" for source in sources)


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
    dataset.TimezoneOffsetFromUTC = f"{now:%z}"
    dataset.InstanceCreationDate = dataset.ContentDate = f"{now:%Y%m%d}"
    dataset.InstanceCreationTime = dataset.ContentTime = f"{now:%H%M%S}"
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [coded(purpose)]
    equipment.ContributionDateTime = f"{now:%Y%m%d%H%M%S%z}"
    equipment.ContributionDescription = plain(str(maker))[:1024]
    for item in (dataset, equipment):
        item.Manufacturer, item.ManufacturerModelName = "radloom", short(maker.recipe)
        item.DeviceSerialNumber, item.SoftwareVersions = short(maker.fingerprint), short(maker.version)
    dataset.ContributingEquipmentSequence = [equipment]
    return dataset


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
