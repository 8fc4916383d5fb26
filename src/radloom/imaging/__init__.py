"""X-ray files to one array, the one transform to model pixels, and pictures back to files."""

from __future__ import annotations

from radloom.imaging.array import ColourWarning as ColourWarning
from radloom.imaging.array import ImageWarning as ImageWarning
from radloom.imaging.array import check_array as check_array
from radloom.imaging.array import noting as noting
from radloom.imaging.dicom import dicom_view as dicom_view
from radloom.imaging.files import MAX_PIXELS as MAX_PIXELS
from radloom.imaging.files import MIN_SIDE as MIN_SIDE
from radloom.imaging.files import InMemory as InMemory
from radloom.imaging.files import as_image as as_image
from radloom.imaging.files import read_image as read_image
from radloom.imaging.files import shows_nothing as shows_nothing
from radloom.imaging.transform import Transform as Transform
from radloom.imaging.write import png_bytes as png_bytes
from radloom.imaging.write import sheet as sheet
from radloom.imaging.write import write_png as write_png
