from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from radloom.errors import ImageError, RadloomError
from radloom.imaging import dicom_view, read_image
from radloom.interop import Maker, Origin, write_dicom
from radloom.study import Part, Report, View

CLEAR = Origin([Part.REPORT], Report("Clear."))
TOLD = Origin([Part.LATERAL, Part.REPORT], Report("Mr Smith has große Ergüsse."))


@pytest.fixture(params=list(View))
def written(request: pytest.FixtureRequest, chest: np.ndarray, maker: Maker, tmp_path: Path) -> tuple[View, Path]:
    path = tmp_path / "new" / "x.dcm"
    return request.param, write_dicom(chest, path, view=request.param, origin=TOLD, maker=maker)


def test_it_is_read_back_as_it_was_drawn(written: tuple[View, Path], chest: np.ndarray) -> None:
    view, path = written
    np.testing.assert_allclose(read_image(path), chest, atol=1e-6)
    assert dicom_view(path) is view


def test_it_says_that_it_is_synthetic(written: tuple[View, Path]) -> None:
    view, path = written
    dataset = pydicom.dcmread(path)
    assert dataset.SyntheticData == "YES"
    assert list(dataset.ImageType) == ["DERIVED", "SECONDARY", "SYNTHETIC"]
    assert (dataset.ConversionType, dataset.Modality, dataset.BurnedInAnnotation) == ("SYN", "OT", "NO")
    assert "SYNTHETIC" in str(dataset.PatientName) and dataset.PatientID.startswith("SYNTHETIC-")
    assert not dataset.PatientBirthDate and not dataset.ReferringPhysicianName
    assert "not acquired from a patient" in dataset.DerivationDescription
    assert f"Synthetic {view} chest X-ray" in dataset.ImageComments


def test_it_says_what_drew_it_from_what(written: tuple[View, Path], maker: Maker) -> None:
    dataset = pydicom.dcmread(written[1])
    checksum = hashlib.sha256("FINDINGS: Mr Smith has große Ergüsse.".encode()).hexdigest()[:16]
    made = f"Made from a lateral X-ray and a text with SHA-256 {checksum}"
    assert dataset.DerivationDescription == f"{made} by a generative model; not acquired from a patient."
    assert made in dataset.ImageComments and str(maker) in dataset.ImageComments
    assert "Smith" not in str(dataset)
    [equipment] = dataset.ContributingEquipmentSequence
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109100"
    assert "seed 7, steps 20" in equipment.ContributionDescription
    for item in (dataset, equipment):
        assert (item.Manufacturer, item.ManufacturerModelName) == ("radloom", "llm-cxr/nano")
        assert (item.DeviceSerialNumber, item.SoftwareVersions) == ("0123456789abcdef", maker.version)


def test_every_file_is_of_a_study_and_a_patient_of_its_own(chest: np.ndarray, maker: Maker, tmp_path: Path) -> None:
    files = [tmp_path / "a.dcm", tmp_path / "b.dcm"]
    one, other = (
        pydicom.dcmread(write_dicom(chest, file, view=View.FRONTAL, origin=CLEAR, maker=maker)) for file in files
    )
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        assert one[keyword].value != other[keyword].value
        assert not keyword.endswith("UID") or one[keyword].value.is_valid
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.dcm", "b.dcm"]


def test_dciodvfy_has_nothing_to_complain_about(written: tuple[View, Path], complaints: Callable) -> None:
    assert complaints(written[1], "Error") == []
    dataset = pydicom.dcmread(written[1])
    del dataset.SyntheticData
    dataset.save_as(written[1])
    assert complaints(written[1], "Error", "Warning") == []


def test_dcmtk_shows_the_same_picture(
    written: tuple[View, Path], chest: np.ndarray, dcmtk: Callable, tmp_path: Path
) -> None:
    dcmtk("dcm2img dcm2pnm", "--use-window", "1", written[1], tmp_path / "x.pgm")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.pgm")), np.rint(chest * 255))


def test_dcmdump_reads_every_element(written: tuple[View, Path], dcmtk: Callable) -> None:
    dump = dcmtk("dcmdump", written[1])
    assert "(0008,001c) CS [YES]" in dump and "(0008,0064) CS [SYN]" in dump
    assert "\nE:" not in dump


def test_a_long_recipe_fits_and_a_model_without_fingerprint_too(chest: np.ndarray, tmp_path: Path) -> None:
    maker = Maker("my\\own/" + "x" * 100, "", seed=0)
    path = write_dicom(chest, tmp_path / "x.dcm", view=View.FRONTAL, origin=CLEAR, maker=maker)
    dataset = pydicom.dcmread(path)
    assert dataset.ManufacturerModelName == "my/own/" + "x" * 57  # 64 characters at most, and no backslash
    assert not dataset.DeviceSerialNumber


@pytest.mark.parametrize("image", [np.full((20, 20), 128, np.uint8), np.zeros((1, 20, 20), np.float32)])
def test_a_wrong_array_leaves_no_file(image: np.ndarray, maker: Maker, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        write_dicom(image, tmp_path / "x.dcm", view=View.FRONTAL, origin=CLEAR, maker=maker)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_named(chest: np.ndarray, maker: Maker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match=r"x\.png does not end in \.dcm"):
        write_dicom(chest, tmp_path / "x.png", view=View.FRONTAL, origin=CLEAR, maker=maker)
    with pytest.raises(RadloomError, match="cannot be written"):
        write_dicom(chest, tmp_path / "file" / "x.dcm", view=View.FRONTAL, origin=CLEAR, maker=maker)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
