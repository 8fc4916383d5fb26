"""The X-rays of one or more manifests as a list of model pixels, the same for every stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.imaging import Transform, read_image
from radloom.study import View


class Entry(NamedTuple):
    """One image and the study it belongs to."""

    manifest: Manifest
    row: Row
    ref: ImageRef


class XrayImages(Sequence[Tensor]):
    """Every image of the given manifests, in their order, read on demand.

    Args:
        manifests: whose images; already narrowed to a split where that is wanted.
        transform: image array -> model pixels.
        views: which views to take.
    """

    def __init__(
        self, manifests: Iterable[Manifest], transform: Transform, views: Iterable[View] = tuple(View)
    ) -> None:
        wanted = set(views)
        self.transform = transform
        self.entries = [Entry(m, row, ref) for m in manifests for row in m for ref in row.images if ref.view in wanted]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        """Pixels (1, R, R) in [-1, 1] of image `index`."""
        manifest, _, ref = self.entries[index]
        return self.transform(read_image(manifest.path(ref)), ref.aspect)

    def name(self, index: int) -> str:
        """Study and file of image `index`, for error messages."""
        _, row, ref = self.entries[index]
        return f"{row.corpus}/{row.uid} ({ref.path})"
