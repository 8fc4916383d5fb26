"""`prepare_mimic` on a made-up collection in the published layout."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

import tiny
from radloom.corpora import prepare
from radloom.corpora.manifest import Manifest
from radloom.corpora.mimic import prepare_mimic
from radloom.errors import ManifestError
from radloom.interop import Maker, Origin, write_dicom
from radloom.study import Mention, View

PLACE = "files/p10/p10000001/s50000001"


@pytest.fixture
def mimic(tmp_path: Path) -> Path:
    return tiny.make_mimic(tmp_path / "mimic")


def rewrite(source: Path, name: str, old: str, new: str) -> None:
    """Change a packed table."""
    path = source / f"mimic-cxr-2.0.0-{name}.csv.gz"
    with gzip.open(path, "rt") as file:
        text = file.read()
    assert old in text
    with gzip.open(path, "wt") as file:
        file.write(text.replace(old, new))


def outcome(out: Path) -> tuple[list[tuple[str, str, str]], list[str]]:
    """What was dropped, and the notes."""
    lines = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    return [(line["id"], line["what"], line["why"]) for line in lines], json.loads((out / "summary.json").read_text())[
        "notes"
    ]


def test_a_study_has_its_views_its_report_and_its_split(mimic: Path, tmp_path: Path) -> None:
    tiny.write_chest(mimic / PLACE / "side.jpg", 9)
    (mimic / "files/p10/p10000001/s50000001.txt").write_text(
        "               FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n\n INDICATION:  ___F with cough\n\n"
        " FINDINGS: \n \n There is a small left\n pleural effusion.  No pneumothorax.\n\n"
        " IMPRESSION: \n \n Effusion.\n"
    )
    rewrite(mimic, "metadata", "image-1,", "side,10000001,50000001,LATERAL\nimage-1,")
    rewrite(mimic, "split", "image-1,", "side,50000001,10000001,train\nimage-1,")
    prepare_mimic(mimic, tmp_path / "out")
    manifest = Manifest.read(tmp_path / "out")
    assert [(row.uid, row.patient, row.split) for row in manifest] == [
        (f"s5000000{i}", f"p1000000{i}", "val" if i == 3 else "train") for i in range(4)
    ]
    row = manifest.rows[1]
    assert [(ref.path, ref.view) for ref in row.images] == [
        (f"{PLACE}/side.jpg", View.LATERAL),
        (f"{PLACE}/image-1.jpg", View.FRONTAL),
    ]
    assert row.report.findings == "There is a small left pleural effusion. No pneumothorax."
    assert row.report.impression == "Effusion." and row.corpus == "mimic-cxr"
    assert row.labels["Pleural Effusion"] is Mention.POSITIVE and row.labels["Pneumothorax"] is Mention.NEGATIVE
    assert outcome(tmp_path / "out") == ([], [])


def test_a_line_that_occurs_twice_is_read_once(mimic: Path, tmp_path: Path) -> None:
    path = mimic / "mimic-cxr-2.0.0-metadata.csv.gz"
    with gzip.open(path, "rt") as file:
        head, *lines = file.read().splitlines()
    with gzip.open(path, "wt") as file:
        file.write("\n".join([head, *lines, *lines]) + "\n")
    once = prepare_mimic(mimic, tmp_path / "out")
    assert [len(row.images) for row in once] == [1] * len(once) and len(once) == len(lines)
    assert {why for _, _, why in outcome(tmp_path / "out")[0]} == {"duplicate"}


def test_other_views_and_what_is_missing_are_told(mimic: Path, tmp_path: Path) -> None:
    rewrite(mimic, "metadata", "image-0,10000000,50000000,PA", "image-0,10000000,50000000,LAO")
    rewrite(mimic, "metadata", "image-2,10000002,50000002,PA", "image-2,10000002,50000002,")
    rewrite(mimic, "metadata", "image-1,", "lost,10000001,50000001,AP\nfar,19999999,59999999,PA\nimage-1,")
    rewrite(mimic, "split", "image-1,", "lost,50000001,10000001,train\nimage-1,")
    (mimic / "files/p10/p10000000/s50000000.txt").unlink()
    (mimic / "files/p19/p19999999").mkdir(parents=True)
    (mimic / "files/p19/p19999999/s59999999.txt").write_text("FINDINGS: Clear lungs.")  # reports are one archive
    (mimic / "files/p10/p10000003/s50000003.txt").write_text(" EXAMINATION: CHEST.\n")
    manifest = prepare_mimic(mimic, tmp_path / "out")
    dropped, notes = outcome(tmp_path / "out")
    assert dropped == [
        ("s50000000", "report", "not on disk"),
        ("files/p10/p10000000/s50000000/image-0.jpg", "image", "view unknown"),
        (f"{PLACE}/lost.jpg", "image", "not on disk"),
        ("files/p10/p10000002/s50000002/image-2.jpg", "image", "view unknown"),
        ("s50000003", "report", "neither findings nor impression"),
        ("s50000000", "study", "neither image nor report"),
    ]
    assert notes == ["1 images of groups without images on disk left out: p19."]
    assert [len(row.images) for row in manifest] == [1, 0, 1]
    shutil.rmtree(mimic / "files/p19")
    predicted = prepare_mimic(mimic, tmp_path / "seen", view_of=lambda path: View.LATERAL)
    assert predicted.rows[1].images[0].view is View.LATERAL


def test_dicom_files_and_reports_of_another_folder_are_found(mimic: Path, tmp_path: Path) -> None:
    image = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    (mimic / PLACE / "image-1.jpg").unlink()
    write_dicom(image, mimic / PLACE / "image-1.dcm", view=View.FRONTAL, origin=Origin([]), maker=Maker("r", "f", 0))
    assert pydicom.dcmread(mimic / PLACE / "image-1.dcm").Rows == 64
    for report in sorted(mimic.glob("files/p10/*/*.txt")):
        place = tmp_path / "texts" / report.relative_to(mimic)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(report, place)
    with pytest.raises(ManifestError, match=r"No report lies below .*mimic/files; unpack mimic-cxr-reports\.zip"):
        prepare_mimic(mimic, tmp_path / "out")
    for folder in (tmp_path / "texts", tmp_path / "texts" / "files"):
        manifest = prepare("mimic", mimic, tmp_path / "out", reports=folder)
        assert manifest.rows[1].images[0].path == f"{PLACE}/image-1.dcm"
        assert all(row.report.impression == "Normal." for row in manifest)


def test_tables_that_lack_something_are_named(mimic: Path, tmp_path: Path) -> None:
    rewrite(mimic, "split", "image-1,50000001,10000001,train\n", "")
    prepare_mimic(mimic, tmp_path / "out")
    assert ("image-1", "image", "in no split") in outcome(tmp_path / "out")[0]
    rewrite(mimic, "metadata", "ViewPosition", "Viewposition")
    with pytest.raises(ManifestError, match=r"lacks the column `ViewPosition` \(did you mean 'Viewposition'\?\)"):
        prepare_mimic(mimic, tmp_path / "out")
    table = mimic / "mimic-cxr-2.0.0-metadata.csv.gz"
    newer = mimic / "mimic-cxr-2.10.0-metadata.csv"
    newer.write_text("dicom_id,subject_id,study_id,ViewPosition\nimage-0,10000000,50000000,AP AXIAL\n")
    shutil.copy(newer, mimic / "mimic-cxr-2.9.0-metadata.csv.gz")  # is not packed, but it is not the newest either
    (mimic / "mimic-cxr-2.1.0-test-set-labeled.csv").write_text("study_id,Cardiomegaly\n")
    [row] = prepare_mimic(mimic, tmp_path / "newer")
    assert row.uid == "s50000000" and row.images[0].view is View.FRONTAL
    for other in mimic.glob("mimic-cxr-2.*0-metadata.csv*"):
        if other != table:
            other.unlink()
    table.write_bytes(table.read_bytes()[:40])
    with pytest.raises(ManifestError, match="cannot be read as CSV"):
        prepare_mimic(mimic, tmp_path / "out")
    table.unlink()
    with pytest.raises(ManifestError, match=r"holds no mimic-cxr-2\.0\.0-metadata\.csv\.gz; name the folder of MIMIC"):
        prepare_mimic(mimic, tmp_path / "out")


def test_several_processes_see_what_one_sees(mimic: Path, tmp_path: Path) -> None:
    (mimic / PLACE / "image-1.jpg").write_bytes(b"no image")
    told: list[tuple[int, int]] = []
    alone = prepare_mimic(mimic, tmp_path / "alone")
    several = prepare_mimic(mimic, tmp_path / "several", workers=2, progress=lambda *how: told.append(how))
    assert several == alone and told == [(i, 4) for i in range(1, 5)]
    assert outcome(tmp_path / "several") == outcome(tmp_path / "alone")
    assert outcome(tmp_path / "alone")[0] == [(f"{PLACE}/image-1.jpg", "image", "unreadable")]
    with pytest.raises(ManifestError, match="workers is -1; give 0 or more"):
        prepare_mimic(mimic, tmp_path / "none", workers=-1)


def test_a_process_that_is_ended_is_told_of(mimic: Path, tmp_path: Path) -> None:
    def end_one(done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    for number in range(100):  # more than one chunk a process
        shutil.copy(mimic / PLACE / "image-1.jpg", mimic / PLACE / f"more-{number}.jpg")
        with (mimic / PLACE / f"more-{number}.jpg").open("ab") as file:
            file.write(str(number).encode())
    names = [f"more-{number}" for number in range(100)]
    rewrite(mimic, "metadata", "image-1,", "".join(f"{n},10000001,50000001,PA\n" for n in names) + "image-1,")
    rewrite(mimic, "split", "image-1,", "".join(f"{n},50000001,10000001,train\n" for n in names) + "image-1,")
    with pytest.raises(ManifestError, match="was ended or could not begin; try fewer workers"):
        prepare_mimic(mimic, tmp_path / "out", workers=1, progress=end_one)


def test_images_of_one_study_in_two_splits(mimic: Path, tmp_path: Path) -> None:
    tiny.write_chest(mimic / PLACE / "side.jpg", 9)
    rewrite(mimic, "metadata", "image-1,", "side,10000001,50000001,LATERAL\nimage-1,")
    rewrite(mimic, "split", "image-1,", "side,50000001,10000001,test\nimage-1,")
    with pytest.raises(ManifestError, match=r"Study s50000001 has images in two splits, test and train|train and test"):
        prepare_mimic(mimic, tmp_path / "out")
