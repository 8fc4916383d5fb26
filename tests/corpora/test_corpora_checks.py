"""Leaks between splits are found, in one manifest and across several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from radloom.corpora.checks import leak_check
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.corpora.splits import hash_split, split_name
from radloom.errors import ManifestError
from radloom.study import View

Xray = Callable[[Path, int], Path]


def made_up(root: Path, *rows: tuple[str, str, str], corpus: str = "c") -> Manifest:
    return Manifest([Row(uid, patient, split, corpus=corpus) for uid, patient, split in rows], root, corpus)


def test_a_patient_in_one_split_is_fine(tmp_path: Path) -> None:
    leak_check([made_up(tmp_path, ("1", "a", "train"), ("2", "a", "train"), ("3", "b", "val"))])


def test_a_patient_in_two_splits_is_named(tmp_path: Path) -> None:
    manifest = made_up(tmp_path, ("1", "ann", "train"), ("2", "ann", "val"), ("3", "bob", "val"))
    with pytest.raises(ManifestError, match="patient 'ann' is in the splits train and val"):
        leak_check([manifest])


def test_a_patient_is_followed_across_manifests_of_a_corpus(tmp_path: Path) -> None:
    one, two = made_up(tmp_path, ("1", "ann", "train")), made_up(tmp_path, ("2", "ann", "val"))
    with pytest.raises(ManifestError, match="'ann'"):
        leak_check([one, two])
    leak_check([one, made_up(tmp_path, ("2", "ann", "val"), corpus="another")])


def test_one_image_in_two_splits_is_found_whatever_its_name(tmp_path: Path, xray: Xray) -> None:
    for name, seed in (("a.png", 1), ("b.png", 2)):
        xray(tmp_path / "one" / name, seed)
    xray(tmp_path / "two" / "c.png", 1)
    train = Row("1", "p", "train", tuple(ImageRef(name, View.FRONTAL) for name in ("a.png", "b.png")), corpus="one")
    val = Row("2", "q", "val", (ImageRef("c.png", View.FRONTAL),), corpus="two")
    manifests = [Manifest([train], tmp_path / "one", "one"), Manifest([val], tmp_path / "two", "two")]
    with pytest.raises(ManifestError, match=r"a.png \(train, study 1\) and c.png \(val, study 2\) are the same image"):
        leak_check(manifests)
    leak_check(manifests[:1])


def test_a_lost_image_is_named(tmp_path: Path) -> None:
    row = Row("1", "p", "train", (ImageRef("gone.png", View.FRONTAL),))
    with pytest.raises(ManifestError, match=r"gone.png is gone"):
        leak_check([Manifest([row], tmp_path, "c")])


def test_the_hash_split_is_stable_and_near_its_share() -> None:
    splits = [hash_split(f"patient {i}") for i in range(5000)]
    assert splits == [hash_split(f"patient {i}") for i in range(5000)]
    assert 0.08 < splits.count("val") / 5000 < 0.12
    assert set(splits) == {"train", "val"}


def test_split_names_in_use() -> None:
    names = ("Validate", " dev ", "training", "TEST", "fold 3")
    assert [split_name(name) for name in names] == ["val", "val", "train", "test", "fold 3"]
