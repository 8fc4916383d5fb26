"""DICOM files compressed by GDCM, which knows syntaxes that pydicom cannot write."""

from __future__ import annotations

from pathlib import Path


def recode(source: Path, target: Path, syntax: str) -> Path:
    """A DICOM file in another transfer syntax.

    Args:
        source: a file without compression.
        target: where the new one is written.
        syntax: its name in GDCM, such as `JPEGLSLossless`.
    """
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target
