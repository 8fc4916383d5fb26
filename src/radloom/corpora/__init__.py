"""Corpora: from raw files of a data set to one manifest, with splits that no patient crosses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radloom.corpora.manifest import Manifest

KINDS = ("indiana", "nih", "vqa-rad", "folder")
"""The corpora that `prepare` reads."""


def prepare(kind: str, source: Path | str, out: Path | str, **options: Any) -> Manifest:
    """Make the manifest of a corpus.

    Args:
        kind: one of `KINDS`.
        source: its folder.
        out: where the manifest goes.
        options: of that corpus's own `prepare_...`.

    Raises:
        ManifestError: a corpus that cannot be read.
    """
    from radloom.corpora.folder import prepare_folder
    from radloom.corpora.indiana import prepare_indiana
    from radloom.corpora.nih import prepare_nih
    from radloom.corpora.vqa_rad import prepare_vqa_rad

    makers: dict[str, Callable[..., Manifest]] = {
        "indiana": prepare_indiana,
        "nih": prepare_nih,
        "vqa-rad": prepare_vqa_rad,
        "folder": prepare_folder,
    }
    return makers[kind](source, out, **options)
