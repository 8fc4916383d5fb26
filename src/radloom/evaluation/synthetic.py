"""What `utility` and `privacy` compare: real training images, real held-out ones, and synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from radloom.corpora.checks import leak_check
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError
from radloom.imaging import Transform
from radloom.study import View

TRAIN = "train"
"""The split that both the generator and a classifier learn from."""


class ImageSets(NamedTuple):
    """The images of `Corpora`."""

    train: XrayImages
    held_out: XrayImages
    made: XrayImages


@dataclass(frozen=True)
class Corpora:
    """Three sets of studies.

    Attributes:
        train: real ones that were learned from.
        held_out: real ones of other patients.
        made: those of `train` with synthetic images in place of the real ones.
    """

    train: Manifest
    held_out: Manifest
    made: Manifest

    @classmethod
    def of(cls, real: Manifest, synthetic: Manifest, split: str) -> Corpora:
        """The sets of two manifests.

        Args:
            real: with the splits `train` and `split`.
            synthetic: what `complete --replace` wrote; its other images, if it has some, are not used.
            split: held out.

        Raises:
            ManifestError: a split that is missing, no synthetic image, or a patient or image in two splits.
            RadloomError: real images that a model made, or `train` held out.
        """
        if split == TRAIN:
            raise RadloomError("The split train is learned from; hold out another one.")
        if false := [row.uid for row in real for ref in row.images if row.is_made(ref)]:
            raise RadloomError(
                f"{real.corpus}: a model made an image of study {false[0]!r}; name the real corpus first."
            )
        made = synthetic.synthetic().split(TRAIN)
        leak_check([real, made])
        return cls(real.split(TRAIN), real.split(split), made)

    def images(self, transform: Transform, views: Sequence[View]) -> ImageSets:
        """The images of some views.

        Raises:
            RadloomError: one of the sets has none.
        """
        sets = ImageSets(*(XrayImages([m], transform, views) for m in (self.train, self.held_out, self.made)))
        for which, images in zip(("real training", "real held-out", "synthetic"), sets, strict=True):
            if not images:
                raise RadloomError(f"There is no {which} image of the view {' or '.join(views)}; choose another view.")
        return sets


def patients(images: XrayImages) -> list[str]:
    """The patient of each image: what bootstraps draw."""
    return [f"{entry.row.corpus}/{entry.row.patient}" for entry in images.entries]
