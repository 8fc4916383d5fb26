"""No patient and no image file in two splits, within a corpus and across manifests."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import ManifestError


def leak_check(manifests: Sequence[Manifest]) -> None:
    """Make sure that nothing of one split is seen in another.

    Args:
        manifests: all that are trained and evaluated on together. Patients are compared within a corpus, also where it
            is spread over several manifests; image files are compared byte by byte over all of them.

    Raises:
        ManifestError: a patient, or one and the same image, in two splits; or an image file that is gone.
    """
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for manifest in manifests:
        for row in manifest:
            splits[row.corpus, row.patient].add(row.split)
    torn = [(corpus, patient, found) for (corpus, patient), found in splits.items() if len(found) > 1]
    if torn:
        corpus, patient, found = torn[0]
        raise ManifestError(
            f"{corpus}: patient {patient!r} is in the splits {' and '.join(sorted(found))}{_more(torn, 'patient')}. "
            "Put all studies of a patient into one split."
        )
    places = ((m.path(ref), row, ref) for m in manifests for row in m for ref in row.images)
    shared = [group for group in identical_images(places) if len({row.split for row, _ in group}) > 1]
    if shared:
        (row, ref), (other, twin) = _of_two_splits(shared[0])
        raise ManifestError(
            f"{ref.path} ({row.split}, study {row.uid}) and {twin.path} ({other.split}, study {other.uid}) are the "
            f"same image{_more(shared, 'image')}. Keep it in one split."
        )


def identical_images(images: Iterable[tuple[Path, Row, ImageRef]]) -> list[list[tuple[Row, ImageRef]]]:
    """Groups of two or more images whose files have the same bytes, in the order given.

    Only files of equal size are read.

    Raises:
        ManifestError: a file that is gone.
    """
    by_size: dict[int, list[tuple[Path, Row, ImageRef]]] = defaultdict(list)
    for path, row, ref in images:
        try:
            by_size[path.stat().st_size].append((path, row, ref))
        except OSError:
            raise ManifestError(f"{path} is gone; restore it or prepare the corpus again.") from None
    groups: dict[tuple[int, bytes], list[tuple[Row, ImageRef]]] = defaultdict(list)
    for size, candidates in by_size.items():
        if len(candidates) > 1:
            for path, row, ref in candidates:
                groups[size, hashlib.sha256(path.read_bytes()).digest()].append((row, ref))
    return [group for group in groups.values() if len(group) > 1]


def _of_two_splits(group: list[tuple[Row, ImageRef]]) -> tuple[tuple[Row, ImageRef], tuple[Row, ImageRef]]:
    first = group[0]
    return first, next(member for member in group if member[0].split != first[0].split)


def _more(found: list, noun: str) -> str:
    return f" (and {len(found) - 1} more {noun}{'s' if len(found) > 2 else ''})" if len(found) > 1 else ""
