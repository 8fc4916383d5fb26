"""`prepare_indiana` on a made-up collection in the published layout, whole and with everything wrong in it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from radloom.corpora.indiana import image_key, prepare_indiana, study_key
from radloom.corpora.manifest import ImageRef, Manifest
from radloom.errors import ManifestError
from radloom.study import Mention, View

Xray = Callable[[Path, int], Path]
OpenI = Callable[..., Path]


def dropped(out: Path) -> dict[str, str]:
    """id -> why"""
    lines = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    return {line["id"]: line["why"] for line in lines}


def notes(out: Path) -> str:
    return " ".join(json.loads((out / "summary.json").read_text())["notes"])


def test_reports_images_views_splits_and_labels_come_together(indiana: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    prepare_indiana(indiana, tmp_path / "out", progress=lambda done, total: steps.append((done, total)))
    manifest = Manifest.read(tmp_path / "out")
    assert [(row.uid, row.patient, row.split) for row in manifest] == [
        ("1", "1", "train"),
        ("2", "2", "train"),
        ("3", "3", "val"),
        ("10", "10", "val"),
    ]
    first, second = manifest.rows[:2]
    assert first.image(View.FRONTAL) == ImageRef("images/CXR1_1_IM-0001-1001.png", View.FRONTAL, 0.8204)
    assert manifest.path(first.images[1]).is_file()
    assert "effusion" in second.report.findings
    assert second.labels["Pleural Effusion"] is Mention.POSITIVE
    assert first.labels["Pleural Effusion"] is Mention.NEGATIVE
    assert steps == [(i, 8) for i in range(1, 9)]
    assert dropped(tmp_path / "out") == {}


def test_the_same_files_give_the_same_bytes(indiana: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        prepare_indiana(indiana, tmp_path / name)
    for file in ("manifest.parquet", "dropped.jsonl", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_bad_files_are_listed_and_the_rest_prepares(indiana: Path, tmp_path: Path, xray: Xray, openi: OpenI) -> None:
    reports, images = indiana / "ecgen-radiology", indiana / "images"
    (images / "CXR1_1_IM-0001-2001.png").unlink()
    (images / "CXR2_IM-0002-2001.png").write_bytes((images / "CXR2_IM-0002-2001.png").read_bytes()[:60])
    (images / "CXR3_IM-0003-2001.png").write_text("this is text")
    shutil.copy(images / "CXR10_IM-0001-1001.png", images / "CXR2_IM-0002-1001.png")
    xray(images / "stray.png", 99)
    openi(reports, 10, ["CXR10_IM-0001-1001", "CXR10_IM-0001-2001"])
    (reports / "4.xml").write_text("<eCitation><uId id=")
    openi(reports / "copy", 3, [], "Another text.")
    openi(reports, 77, [], "Perhaps of a test set.")

    manifest = prepare_indiana(indiana, tmp_path / "out")

    assert [(row.uid, [Path(ref.path).name for ref in row.images]) for row in manifest] == [
        ("1", ["CXR1_1_IM-0001-1001.png"]),
        ("2", []),
        ("3", ["CXR3_IM-0003-1001.png"]),
        ("10", ["CXR10_IM-0001-1001.png", "CXR10_IM-0001-2001.png"]),
    ]
    assert not manifest.rows[-1].report
    assert manifest.rows[2].report.findings.startswith("There is no")
    assert dropped(tmp_path / "out") == {
        "1_IM-0001-2001": "not on disk",
        "images/CXR2_IM-0002-1001.png": "duplicate",
        "images/CXR2_IM-0002-2001.png": "unreadable",
        "images/CXR3_IM-0003-2001.png": "unreadable",
        "images/stray.png": "belongs to no study",
        "ecgen-radiology/4.xml": "unreadable",
        "ecgen-radiology/copy/3.xml": "second file of a study",
        "10": "neither findings nor impression",
        "77": "not listed in splits.csv",
    }


def test_images_noted_as_turned_or_doubled_are_left_out(indiana: Path, tmp_path: Path) -> None:
    table = indiana / "splits.csv"
    lines = table.read_text().splitlines()
    for number, note in ((2, "lateral stored rotated ~90 degrees"), (3, "upside down"), (5, "duplicate of another")):
        lines[number] += note
    lines[7] += "view corrected by eye"
    table.write_text("\n".join(lines))
    manifest = prepare_indiana(indiana, tmp_path / "out")
    assert sum(len(row.images) for row in manifest) == 5
    assert Counter(dropped(tmp_path / "out").values()) == {"stored turned": 2, "duplicate": 1}


def test_views_from_kaggles_table_and_a_split_by_hash(indiana: Path, tmp_path: Path) -> None:
    (indiana / "splits.csv").unlink()
    for image in (indiana / "images").iterdir():
        image.rename(image.with_name(image_key(image.name) + ".dcm.png"))
    lines = ["uid,filename,projection", "1,1_IM-0001-1001.dcm.png,Lateral", "2,2_IM-0002-1001.dcm.png,Frontal"]
    (indiana / "indiana_projections.csv").write_text("\n".join(lines))
    manifest = prepare_indiana(indiana, tmp_path / "out")
    assert [(ref.path, ref.view) for row in manifest for ref in row.images] == [
        ("images/1_IM-0001-1001.dcm.png", View.LATERAL),
        ("images/2_IM-0002-1001.dcm.png", View.FRONTAL),
    ]
    assert Counter(dropped(tmp_path / "out").values()) == {"view unknown": 6}
    assert "Not R2Gen's split" in notes(tmp_path / "out")


def test_views_are_predicted_where_no_table_lists_them(indiana: Path, tmp_path: Path) -> None:
    table = indiana / "splits.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    seen: list[str] = []

    def view_of(path: Path) -> View:
        seen.append(path.name)
        return View.FRONTAL

    manifest = prepare_indiana(indiana, tmp_path / "out", view_of=view_of)
    assert seen == ["CXR10_IM-0001-2001.png"]
    assert [ref.view for ref in manifest.rows[-1].images] == [View.FRONTAL, View.FRONTAL]


def test_without_any_view_it_says_what_to_do(indiana: Path, tmp_path: Path) -> None:
    (indiana / "splits.csv").unlink()
    with pytest.raises(ManifestError, match="--projections FILE"):
        prepare_indiana(indiana, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_r2gens_split_is_used_where_it_lies_there(indiana: Path, tmp_path: Path) -> None:
    table = indiana / "splits.csv"
    table.write_text(table.read_text().replace(",val,", ",,").replace(",train,", ",,"))
    entry = {"report": "", "image_path": []}
    annotation = {
        "train": [{"id": "CXR1_1_IM-0001", **entry}],
        "val": [{"id": "CXR2_IM-0002", **entry}],
        "test": [{"id": "CXR10_IM-0001", **entry}],
    }
    (indiana / "annotation.json").write_text(json.dumps(annotation))
    manifest = prepare_indiana(indiana, tmp_path / "out")
    assert {row.uid: row.split for row in manifest} == {"1": "train", "2": "val", "3": "train", "10": "test"}


def test_folders_given_apart(indiana: Path, tmp_path: Path) -> None:
    for name in ("images", "ecgen-radiology"):
        shutil.move(indiana / name, tmp_path / f"my-{name}")
    manifest = prepare_indiana(
        indiana, tmp_path / "out", images=tmp_path / "my-images", reports=tmp_path / "my-ecgen-radiology"
    )
    assert manifest.root == tmp_path / "my-images"
    assert [len(row.images) for row in manifest] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1001.png,frontal", "1001.png,oblique", "'CXR1_1_IM-0001-1001.png' has a wrong value"),
        ("uid,image", "uid,picture", "lacks the column 'filename'"),
        ("2001.png,lateral,train", "2001.png,lateral,val", "study 1 is listed in two splits"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    indiana: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    table = indiana / "splits.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(ManifestError, match=message):
        prepare_indiana(indiana, tmp_path / "out")


def test_a_folder_without_the_collection_is_refused(tmp_path: Path, indiana: Path) -> None:
    with pytest.raises(ManifestError, match="is not a folder"):
        prepare_indiana(tmp_path / "nowhere", tmp_path / "out")
    shutil.rmtree(indiana / "ecgen-radiology")
    with pytest.raises(ManifestError, match="No report XML"):
        prepare_indiana(indiana, tmp_path / "out")
    shutil.rmtree(indiana / "images")
    with pytest.raises(ManifestError, match="No PNG or JPEG images"):
        prepare_indiana(indiana, tmp_path / "out")


def test_keys_of_images_and_studies() -> None:
    names = ("CXR1_1_IM-0001-3001", "1_IM-0001-3001.dcm.png", "images/CXR1_1_IM-0001-3001.JPG")
    assert {image_key(name) for name in names} == {"1_IM-0001-3001"}
    assert image_key("CXR12_IM-0002-1001.png") == "12_IM-0002-1001"
    assert [study_key(uid) for uid in ("CXR2384_IM-0942", "CXR1", "17")] == ["2384", "1", "17"]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif("RADLOOM_DATA" not in os.environ, reason="RADLOOM_DATA does not name the shared corpora")
def test_the_whole_collection(tmp_path: Path) -> None:
    start = time.process_time()
    manifest = prepare_indiana(Path(os.environ["RADLOOM_DATA"]) / "iu_xray", tmp_path / "out")
    assert time.process_time() - start < 60  # seconds of one core, whatever else the machine does
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    reasons = summary["dropped"]["image"]
    assert reasons == {"duplicate": 1, "not on disk": 4, "stored turned": 9}
    assert sum(len(row.images) for row in manifest) == 6203 - 1 - 9
    assert len(manifest) == 3236
    assert {name: counts["studies"] for name, counts in summary["splits"].items()} == {"train": 2940, "val": 296}
