"""A drawn X-ray as a DICOM file that no archive can take for a patient's.

The object is a Secondary Capture Image (DICOM PS3.3, section A.8.1) whose Conversion Type is SYN, Synthetic Image. A
Digital X-Ray Image (A.26) would have to say which detector made a single exposure of whom, and nothing of that
happened; for the same reason the modality is OT and no view position (AP, PA, left, right lateral) is stated, only
the view as a code (C.8.6.2). Sections below are those of PS3.3:

- SyntheticData (C.12.1) is YES; ImageType is DERIVED, SECONDARY, SYNTHETIC (C.7.6.1.1.2), and the derivation is told
  in words, as no code of CID 7203 means that an image was drawn from text. BurnedInAnnotation is NO.
- Patient, study, series and instance are new with every file; name and identifier of the patient begin with SYNTHETIC.
- What drew it is in General Equipment (C.7.5.1) and, as Synthesizing Equipment, in Contributing Equipment (C.12.1),
  with seed and settings; what it was made from is in DerivationDescription and ImageComments, of a text a checksum.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.uid import SecondaryCaptureImageStorage

from radloom.errors import ImageError
from radloom.files import write_whole
from radloom.imaging.array import check_array
from radloom.interop.codes import CHEST, SYNTHESIZING, VIEWS
from radloom.interop.common import coded, dicom_bytes, new_instance, new_uid, plain, short
from radloom.provenance import Maker, Origin, marks
from radloom.study import View


def write_dicom(
    image: np.ndarray,
    path: Path | str,
    *,
    view: View,
    origin: Origin,
    maker: Maker,
) -> Path:
    """Write a drawn X-ray as DICOM, whole or not at all; its folder is made if need be.

    Args:
        image: (H, W) in [0, 1], bones bright; stored as 8-bit MONOCHROME2.
        path: the file to write; ends in `.dcm`.
        view: what was asked for.
        origin: what it was made from.
        maker: what drew it.

    Returns:
        The path written.

    Raises:
        ImageError: another suffix, or an array that is not 2-D or outside [0, 1].
        RadloomError: a place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".dcm":
        raise ImageError(f"{path} does not end in .dcm; give a DICOM file that ending.")
    return write_whole(path, drawing_bytes(image, view=view, origin=origin, maker=maker))


def drawing_bytes(image: np.ndarray, *, view: View, origin: Origin, maker: Maker) -> bytes:
    """What `write_dicom` writes.

    Raises:
        ImageError: an array that is not 2-D or outside [0, 1].
    """
    pixels = np.rint(check_array(image) * 255).astype(np.uint8)
    comment = marks(view, maker, origin)
    dataset = new_instance(SecondaryCaptureImageStorage, maker, SYNTHESIZING)
    dataset.SyntheticData = "YES"
    date, time = dataset.ContentDate, dataset.ContentTime
    # Patient, Study, Series
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid()
    dataset.PatientName, dataset.PatientID = "SYNTHETIC^NO PATIENT", f"SYNTHETIC-{dataset.StudyInstanceUID[-12:]}"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = date, time, "1"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic chest X-ray, for research only"
    dataset.Modality, dataset.ConversionType, dataset.SeriesNumber = "OT", "SYN", 1
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.SeriesDescription = short(f"Synthetic {view} chest X-ray")
    dataset.BodyPartExamined = "CHEST"
    # Image
    dataset.InstanceNumber, dataset.ImageType = 1, ["DERIVED", "SECONDARY", "SYNTHETIC"]
    dataset.PatientOrientation = ["L", "F"] if view is View.FRONTAL else ""
    dataset.DerivationDescription = plain(f"Made from {origin} by a generative model; not acquired from a patient.")
    dataset.ImageComments = plain(" ".join([comment["Comment"], comment["Description"], f"Made by {maker}."]))
    dataset.BurnedInAnnotation = "NO"
    dataset.AnatomicRegionSequence, dataset.ViewCodeSequence = [coded(CHEST)], [coded(VIEWS[view])]
    # Pixels; the window is the whole range, so that 0 is black and 255 white everywhere
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    return dicom_bytes(dataset)
