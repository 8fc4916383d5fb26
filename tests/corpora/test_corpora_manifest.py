"""The manifest file: what is written is read back, and what does not fit is refused with a remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radloom.corpora.manifest import Dropped, ImageRef, Manifest, Row, combine
from radloom.errors import ManifestError
from radloom.study import OBSERVATIONS, Mention, Question, Report, View


def whole_row(uid: str = "7", split: str = "train") -> Row:
    return Row(
        uid=uid,
        patient=f"p{uid}",
        split=split,
        images=(ImageRef("a/f.png", View.FRONTAL, 0.8204), ImageRef("a/l.png", View.LATERAL)),
        report=Report("Clear lungs.", "Normal.", "Cough."),
        labels={"Edema": Mention.NEGATIVE, "Fracture": Mention.UNCERTAIN, "No Finding": Mention.POSITIVE},
        questions=(Question("q1", "Is there edema?", "No", "closed", "presence", "a/f.png"),),
        corpus="made-up",
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "raw").mkdir()
    bare = Row(uid="10", patient="x", split="val", corpus="made-up")
    return Manifest([bare, whole_row()], tmp_path / "raw", "made-up")


def test_everything_survives_writing_and_reading(manifest: Manifest, tmp_path: Path) -> None:
    file = manifest.write(tmp_path / "out")
    for path in (file, tmp_path / "out"):
        back = Manifest.read(path)
        assert list(back) == [manifest.rows[1], manifest.rows[0]]
        assert (back.root, back.corpus, len(back)) == (tmp_path / "raw", "made-up", 2)


def test_rows_go_in_natural_order_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [Row(uid=f"CXR{i}", patient=str(i), split="train") for i in (10, 9, 100, 1)]
    one = Manifest(rows, tmp_path, "c").write(tmp_path / "one").read_bytes()
    two = Manifest(rows[::-1], tmp_path, "c").write(tmp_path / "two").read_bytes()
    assert one == two
    assert [row.uid for row in Manifest.read(tmp_path / "one")] == ["CXR1", "CXR9", "CXR10", "CXR100"]


def test_columns_are_those_of_the_contract(manifest: Manifest, tmp_path: Path) -> None:
    table = pq.read_table(manifest.write(tmp_path / "out"))
    head = ["uid", "patient", "split", "corpus", "images", "indication", "findings", "impression"]
    assert table.schema.names == [*head, *OBSERVATIONS, "questions", "made"]
    assert table["Edema"].to_pylist() == ["negative", None]
    assert table["images"][0].as_py()[0] == {"path": "a/f.png", "view": "frontal", "aspect": 0.8204}


def test_the_first_image_of_a_view_counts() -> None:
    row = Row("1", "1", "train", (ImageRef("a", View.LATERAL), ImageRef("b", View.LATERAL)))
    assert row.image("lateral") == ImageRef("a", View.LATERAL)
    assert row.image(View.FRONTAL) is None


def test_root_inside_the_folder_moves_along_with_it(tmp_path: Path) -> None:
    (tmp_path / "here" / "images").mkdir(parents=True)
    Manifest([whole_row()], tmp_path / "here" / "images", "c").write(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert Manifest.read(tmp_path / "there").root == tmp_path / "there" / "images"


def test_a_lost_root_can_be_given_again(manifest: Manifest, tmp_path: Path) -> None:
    manifest.write(tmp_path / "out")
    (tmp_path / "raw").rename(tmp_path / "moved")
    with pytest.raises(ManifestError, match="--images DIR"):
        Manifest.read(tmp_path / "out")
    assert Manifest.read(tmp_path / "out", root=tmp_path / "moved").root == tmp_path / "moved"


def test_split_takes_its_rows_and_names_the_others(manifest: Manifest) -> None:
    assert [row.uid for row in manifest.split("val")] == ["10"]
    with pytest.raises(ManifestError, match=r"no split 'vall' \(did you mean 'val'\?\). It has: train, val"):
        manifest.split("vall")


def test_dropped_things_are_listed_and_counted(manifest: Manifest, tmp_path: Path) -> None:
    dropped = [
        Dropped("a.png", "image", "unreadable", "cut short"),
        Dropped("b.png", "image", "unreadable"),
        Dropped("7", "report", "neither findings nor impression"),
    ]
    manifest.write(tmp_path / "out", dropped, ["A note."])
    lines = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert lines[0] == {"id": "a.png", "what": "image", "why": "unreadable", "detail": "cut short"}
    assert lines[1] == {"id": "b.png", "what": "image", "why": "unreadable"}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["dropped"] == {"image": {"unreadable": 2}, "report": {"neither findings nor impression": 1}}
    counts = {"studies": 1, "patients": 1, "frontal": 1, "lateral": 1, "reports": 1, "questions": 1}
    assert summary["splits"]["train"] == counts
    assert summary["labels"]["Edema"] == {"positive": 0, "negative": 1, "uncertain": 0}
    assert summary["notes"] == ["A note."]


def test_a_write_that_fails_leaves_the_old_manifest(manifest: Manifest, tmp_path: Path) -> None:
    before = manifest.write(tmp_path / "out").read_bytes()
    manifest.rows.append(whole_row())
    with pytest.raises(ManifestError, match="study '7' appears twice"):
        manifest.write(tmp_path / "out")
    assert (tmp_path / "out" / "manifest.parquet").read_bytes() == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"dropped.jsonl", "manifest.parquet", "summary.json"}


def test_an_unknown_observation_is_not_written(tmp_path: Path) -> None:
    row = Row("1", "1", "train", labels={"Gout": Mention.POSITIVE})
    with pytest.raises(ManifestError, match="'Gout' is not one of the 14 observations"):
        Manifest([row], tmp_path, "c").write(tmp_path / "out")


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="radloom prepare"):
        Manifest.read(tmp_path)
    (tmp_path / "manifest.parquet").write_text("uid,split\n")
    with pytest.raises(ManifestError, match="not a readable Parquet file"):
        Manifest.read(tmp_path)
    pq.write_table(pa.table({"uid": ["1"]}), tmp_path / "manifest.parquet")
    with pytest.raises(ManifestError, match="not a radloom manifest"):
        Manifest.read(tmp_path)


def test_another_version_or_a_missing_column_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    file = manifest.write(tmp_path)
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["Edema"]), file)
    with pytest.raises(ManifestError, match="lacks the column 'Edema'"):
        Manifest.read(tmp_path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"radloom.format": b"99"}), file)
    with pytest.raises(ManifestError, match="manifest format 99; this radloom reads format 1"):
        Manifest.read(tmp_path)


def test_a_value_that_means_nothing_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    file = manifest.write(tmp_path)
    table = pq.read_table(file)
    column = table.schema.names.index("Edema")
    pq.write_table(table.set_column(column, "Edema", pa.array(["maybe", None])), file)
    with pytest.raises(ManifestError, match="study '7' has 'maybe'"):
        Manifest.read(tmp_path)


def test_corpora_combine_under_the_folder_above_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = Manifest([whole_row()], tmp_path / "one", "one")
    two = Manifest([Row("7", "p", "val", (ImageRef("b.png", View.FRONTAL),), corpus="two")], tmp_path / "two", "two")
    both = combine([one, two])
    assert (both.root, both.corpus) == (tmp_path, "one+two")
    assert [ref.path for row in both for ref in row.images] == ["one/a/f.png", "one/a/l.png", "two/b.png"]
    assert both.rows[0].questions[0].image == "one/a/f.png"
    both.write(tmp_path / "out")
    assert len(Manifest.read(tmp_path / "out")) == 2
