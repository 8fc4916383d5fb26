"""Studies of the spool that are complete get their reports, one after the other.

Of a study, one frontal and one lateral image are read, each the first of its view that came: of the images for
presentation, else of those for processing, else of the secondary captures, so that a dose sheet is no second view. The
view is what the header states, else what the classifier sees.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from radloom.errors import ImageError, RadloomError
from radloom.imaging import as_image, dicom_view
from radloom.imaging.dicom import read_header
from radloom.input_check import doubt
from radloom.interop.common import Maker, read_source
from radloom.interop.sr import sr_bytes
from radloom.listening.spool import Batch, Spool, State
from radloom.reports.labeller import label
from radloom.services import place
from radloom.study import Study, View

if TYPE_CHECKING:
    from radloom.models import Model

log = logging.getLogger("radloom.listening")

CLASSES = {
    ComputedRadiographyImageStorage: 0,
    DigitalXRayImageStorageForPresentation: 0,
    DigitalXRayImageStorageForProcessing: 1,
    SecondaryCaptureImageStorage: 2,
}
"""SOP classes that are taken; of a study, those with the lowest number are read."""


class Reporter:
    """Reports studies.

    Args:
        model: writes the reports.
        spool: where the studies are.
        wait: seconds without a new image after which a study is complete.
    """

    def __init__(self, model: Model, spool: Spool, wait: float) -> None:
        self.model, self.spool, self.wait = model, spool, wait

    def step(self) -> bool:
        """Report the study that is due first; False if none is."""
        for key in self.spool.due(self.wait)[:1]:
            batch = self.spool.batch(key, State.RECEIVED)
            try:
                self._report(batch)
            except OSError as error:  # the disk is full, or the like: no fault of the study
                self.spool.postpone(key)
                log.error("study %s waits, since the spool does not take its report (%s)", key, place(error))
            except Exception as error:  # whatever it is, it must not keep the others waiting
                self.spool.fail(batch, str(error) if isinstance(error, RadloomError) else place(error))
                log.warning("study %s set aside (%s); its why.txt says why", key, place(error))
            return True
        return False

    def _report(self, batch: Batch) -> None:
        if batch.report.exists() or batch.sent.exists():  # the process died before the study moved on
            finished = self.spool.finish(batch)
        else:
            with self.spool.survived(batch):
                report = report_batch(self.model, batch)
            finished = self.spool.finish(batch, report)
        log.info("study %s %s", batch.key, "reported" if finished else "got another image and is read again later")


def report_batch(model: Model, batch: Batch) -> bytes:
    """The report of a study as a DICOM SR, with the same UIDs and the same words whenever it is asked for.

    An image that does not look like an upright chest X-ray is read all the same, and one that cannot be read is left
    out; the log tells of both.

    Raises:
        ImageError: no image that can be read, or images of several patients.
        ReportError: the model has nothing to say.
    """
    views = find_views(model, _readable(batch))
    study = Study(batch.key, views.get(View.FRONTAL), views.get(View.LATERAL))
    for view, path in views.items():
        if remark := doubt(as_image(path), f"its {view} image"):
            log.warning("study %s: %s", batch.key, remark)
    seed = zlib.crc32(batch.key.encode())
    [report] = model.reports([study], seeds=[seed])
    sources = [source for path in views.values() if (source := read_source(path)) is not None]
    return sr_bytes(report, maker=Maker.of(model, seed), labels=label(report), sources=sources, name=batch.name)


def _readable(batch: Batch) -> list[Path]:
    """The images of a study that can be read.

    Raises:
        ImageError: there is none; what is wrong with the first.
    """
    wrong: list[ImageError] = []
    found = []
    for image in batch.images:
        try:
            as_image(image)
            found.append(image)
        except ImageError as error:
            wrong.append(error)
    if not found:
        raise wrong[0]
    if wrong:
        log.warning("study %s: %d of its %d images cannot be read", batch.key, len(wrong), len(batch.images))
    return found


def find_views(model: Model, images: Sequence[Path]) -> dict[View, Path]:
    """The images of a study that are read, by their views.

    Args:
        model: judges views that are not stated.
        images: DICOM files, in the order in which they came.

    Raises:
        ImageError: an image that cannot be read.
    """
    ranks = [_rank(image) for image in images]
    views: dict[View, Path] = {}
    for image, rank in zip(images, ranks, strict=True):
        if rank == min(ranks) and len(views) < len(View):
            views.setdefault(dicom_view(image) or model.view(image), image)
    return views


def _rank(image: Path) -> int:
    return CLASSES[read_header(image, ["SOPClassUID"]).SOPClassUID]
