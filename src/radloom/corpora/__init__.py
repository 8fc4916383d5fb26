"""Corpora: from raw files of a data set to one manifest, with splits that no patient crosses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radloom.errors import ManifestError, did_you_mean

if TYPE_CHECKING:
    from radloom.corpora.manifest import Manifest
    from radloom.study import View

KINDS = ("indiana", "mimic", "nih", "vqa-rad", "folder")
"""The corpora that `prepare` reads."""

ALL_FRONTAL = ("nih",)
"""Those whose images are all of one view."""


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
    from radloom.corpora.folder import prepare_folder
    from radloom.corpora.indiana import prepare_indiana
    from radloom.corpora.mimic import prepare_mimic
    from radloom.corpora.nih import prepare_nih
    from radloom.corpora.vqa_rad import prepare_vqa_rad

    makers: dict[str, Callable[..., Manifest]] = {
        "indiana": prepare_indiana,
        "mimic": prepare_mimic,
        "nih": prepare_nih,
        "vqa-rad": prepare_vqa_rad,
        "folder": prepare_folder,
    }
    if kind not in ALL_FRONTAL:
        options["view_of"] = view_of
    return makers[kind](source, out, **options)
