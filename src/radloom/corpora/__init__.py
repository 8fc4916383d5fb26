"""Corpora: from raw files of a data set to one manifest, with splits that no patient crosses.

`KINDS` lists the data sets. One more is a module with a function like theirs, a line there, and a command for it in
`cli/corpora.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radloom.errors import ManifestError, did_you_mean

if TYPE_CHECKING:
    from radloom.corpora.manifest import Manifest
    from radloom.study import View


@dataclass(frozen=True)
class Kind:
    """A data set that `prepare` reads.

    Attributes:
        module: of this package, with the function `prepare_MODULE`.
        licence: what it is and may be used for, for the cards of models that learned from it.
        has_views: whether its images are of both views, so that one that states none needs a prediction.
    """

    module: str
    licence: str
    has_views: bool = True


KINDS = {
    "indiana": Kind("indiana", "Indiana University / Open-i chest X-rays; reports CC BY-NC-ND 4.0"),
    "mimic": Kind(
        "mimic",
        "MIMIC-CXR-JPG with the reports of MIMIC-CXR; PhysioNet Credentialed Health Data License 1.5.0",
    ),
    "nih": Kind(
        "nih",
        "NIH ChestX-ray14; no restriction on use, attribution requested (NIH Clinical Center)",
        has_views=False,
    ),
    "vqa-rad": Kind("vqa_rad", "VQA-RAD, training questions on chest images; see osf.io/89kps"),
    "folder": Kind("folder", "a folder of the user's"),
}
"""The corpora that `prepare` reads, by the names of their commands."""


def prepare(
    kind: str, source: Path | str, out: Path | str, *, view_of: Callable[[Path], View] | None = None, **options: Any
) -> Manifest:
    """Make the manifest of a corpus.

    Args:
        kind: one of `KINDS`.
        source: its folder.
        out: where the manifest goes.
        view_of: predicts the view of an image for which the corpus states none.
        options: of that corpus's own `prepare_...`.

    Raises:
        ManifestError: an unknown kind, or a corpus that cannot be read.
    """
    if kind not in KINDS:
        raise ManifestError(f"Unknown corpus {kind!r}{did_you_mean(kind, KINDS)}; known: {', '.join(KINDS)}.")
    chosen = KINDS[kind]
    if chosen.has_views:
        options["view_of"] = view_of
    make = getattr(import_module(f"{__name__}.{chosen.module}"), f"prepare_{chosen.module}")
    manifest: Manifest = make(source, out, **options)
    return manifest
