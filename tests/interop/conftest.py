"""A made-up picture, a hospital's DICOM file of it, and the checkers of other people where they are installed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from programs import program
from radloom.interop import Maker
from radloom.study import Report

NEWER_THAN_THE_CHECKER = "(0x0008,0x001c)"
"""Synthetic Data is in the standard since 2023; dciodvfy of 2024 still calls its tag unknown."""


@pytest.fixture
def maker() -> Maker:
    return Maker("llm-cxr/nano", "0123456789abcdef", seed=7, settings={"steps": 20})


@pytest.fixture
def report() -> Report:
    return Report("There is a large right pleural effusion. Possible pneumonia.", "Right effusion < 3 cm & more.")


@pytest.fixture
def chest() -> np.ndarray:
    """(49, 41) float32 in [0, 1], an odd number of pixels, on a grid of 1/255."""
    return (np.random.default_rng(0).integers(0, 256, (49, 41)) / 255).astype(np.float32)


@pytest.fixture
def hospital(tmp_path: Path) -> Callable[..., Path]:
    """Writes what a hospital might send, in Latin-1; keywords set or, with None, remove attributes."""

    def write(name: str = "hospital.dcm", **attributes: Any) -> Path:
        from pydicom import Dataset
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3.4"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.1"
        dataset.PatientName, dataset.PatientID, dataset.PatientSex = "Müller^Jürgen", "P17", "M"
        dataset.PatientBirthDate = "19500102"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240229", "101500", "S1"
        dataset.AccessionNumber, dataset.ReferringPhysicianName = "A99", "Weiß^Åsa"
        dataset.Modality, dataset.InstitutionName, dataset.OperatorsName = "DX", "Clinic", "Operator^Olaf"
        dataset.Rows = dataset.Columns = 32
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8).tobytes()
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


def run(package: str, names: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the first of these programs that is installed."""
    command = [program(names, package), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def dcmtk() -> Callable[..., str]:
    """Runs a program of DCMTK that is to succeed, given one name or several that it has had; gives its outputs."""

    def call(names: str, *arguments: str | Path) -> str:
        done = run("dcmtk", names, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return call


@pytest.fixture
def complaints() -> Callable[..., list[str]]:
    """Errors, or also warnings, that dciodvfy has about a file, but for the tag that it does not know yet."""

    def verify(path: Path, *kinds: str) -> list[str]:
        done = run("dicom3tools", "dciodvfy", path)
        lines = (done.stdout + done.stderr).splitlines()
        assert any(line in ("SCImage", "BasicTextSR") for line in lines), lines  # it knew what it looked at
        return [line for line in lines if line.startswith(kinds) and NEWER_THAN_THE_CHECKER not in line]

    return verify
