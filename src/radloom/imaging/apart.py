"""Pixels of a DICOM file, decoded by GDCM in a process of its own.

On some damaged streams GDCM ends the process that it is in (a C++ exception crosses its C code), which no `except`
stops: a service would be gone with all that waits in it. Starting a process takes some tenths of a second.
"""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from radloom.imaging.files import File

SECONDS = 60.0
"""Longest time for one image; the largest detectors' take a few."""


def decode_apart(file: File) -> np.ndarray:
    """Stored pixel values of a DICOM file, as pydicom's `pixel_array` gives them.

    Args:
        file: its path, or its bytes in memory.

    Returns:
        (rows, columns) or (rows, columns, samples).

    Raises:
        ValueError: GDCM cannot decode it, or ended its process.
        subprocess.TimeoutExpired: it took too long.
    """
    with file.open("rb") as stream:
        data = stream.read()
    command = [sys.executable, "-P", "-c", f"from {__name__} import answer; answer()"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode < 0:
        raise ValueError(f"its decoder died of signal {-done.returncode}")
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return np.asarray(np.load(BytesIO(done.stdout)))


def answer() -> None:
    """The other process: read a DICOM file from stdin and write its pixels to stdout, in NumPy's format."""
    import pydicom
    from pydicom.pixels import pixel_array

    try:
        dataset = pydicom.dcmread(BytesIO(sys.stdin.buffer.read()), force=True)
        stored = pixel_array(dataset, decoding_plugin="gdcm")
    except Exception as error:  # pydicom and GDCM raise a dozen types on damaged bytes
        sys.exit(str(error) or type(error).__name__)
    np.save(sys.stdout.buffer, stored)
