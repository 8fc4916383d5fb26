"""A made-up picture that no flip, turn or inversion leaves as it is, and a writer of DICOM files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WriteDicom = Callable[..., Path]


@pytest.fixture
def chest() -> np.ndarray:
    """(48, 40) float32 spanning [0, 1], different in each corner, on a grid of 1/255."""
    y, x = np.mgrid[0:48, 0:40]
    image = 0.15 + 0.3 * x / 39 + 0.4 * y / 47
    image[:12, :8] = 1.0  # top left: brightest
    image[-8:, -8:] = 0.0  # bottom right: darkest
    return (np.rint(image * 255) / 255).astype(np.float32)


@pytest.fixture
def write_dicom(tmp_path: Path) -> WriteDicom:
    """Writes stored pixel values as a DICOM radiograph; keywords set or, with None, remove attributes."""

    def write(stored: np.ndarray, *, syntax: str | None = None, name: str = "image.dcm", **attributes: Any) -> Path:
        import pydicom
        from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
        dataset.SOPInstanceUID = "1.2.3.4"
        dataset.Modality = "DX"
        dataset.Rows, dataset.Columns = stored.shape[:2]
        dataset.SamplesPerPixel = stored.shape[2] if stored.ndim == 3 else 1
        if stored.ndim == 3:
            dataset.PlanarConfiguration = 0
        dataset.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
        dataset.BitsAllocated = 8 * stored.dtype.itemsize
        dataset.BitsStored = attributes.pop("BitsStored", dataset.BitsAllocated)
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(stored.dtype.kind == "i")
        dataset.PixelData = stored.tobytes()
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        if syntax is not None:
            dataset.compress(syntax)
        path = tmp_path / name
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write
