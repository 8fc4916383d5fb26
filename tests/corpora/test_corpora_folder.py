"""`prepare_folder`: any folder with one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from radloom.corpora.folder import prepare_folder
from radloom.corpora.manifest import Manifest
from radloom.errors import ManifestError
from radloom.study import Mention, Question, View

Xray = Callable[[Path, int], Path]


@pytest.fixture
def folder(tmp_path: Path, xray: Xray) -> Path:
    source = tmp_path / "clinic"
    for seed, name in enumerate(("a.png", "b.png", "sub/c.png", "d.png")):
        xray(source / name, seed)
    return source


def outcome(out: Path) -> tuple[dict[str, str], str]:
    """(id -> why of what was dropped, all notes)"""
    lines = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    notes = json.loads((out / "summary.json").read_text())["notes"]
    return {line["id"]: line["why"] for line in lines}, " ".join(notes)


def test_one_row_a_study(folder: Path, tmp_path: Path) -> None:
    (folder / "table.csv").write_text(
        "Study_ID,Subject ID,Split,Frontal,Lateral,Findings,Impression,Room\n"
        's1,p1,train,a.png,b.png,"Small left effusion, no edema.",Effusion.,4\n'
        "s2,p2,validate,sub/c.png,,Clear lungs.,,5\n"
        "s3,p3,test,d.png,,,,6\n"
    )
    prepare_folder(folder, tmp_path / "out")
    manifest = Manifest.read(tmp_path / "out")
    assert [(row.uid, row.patient, row.split, len(row.images)) for row in manifest] == [
        ("s1", "p1", "train", 2),
        ("s2", "p2", "val", 1),
        ("s3", "p3", "test", 1),
    ]
    first = manifest.rows[0]
    assert (first.corpus, first.report.impression) == ("clinic", "Effusion.")
    assert first.labels["Pleural Effusion"] is Mention.POSITIVE
    assert first.labels["Edema"] is Mention.NEGATIVE
    assert not manifest.rows[2].report
    assert outcome(tmp_path / "out") == ({}, "Columns not used: Room.")


def test_one_row_an_image_and_free_text(folder: Path, tmp_path: Path) -> None:
    text = "INDICATION: Fever.\n\nFINDINGS: The lungs are clear.\n\nIMPRESSION: No pneumonia."
    rows = [
        {"uid": 1, "image": "a.png", "view": "PA", "report": text},
        {"uid": 1, "image": "b.png", "view": "LL", "report": text},
        {"uid": 2, "image": "sub/c.png", "view": "ap", "report": None},
        {"uid": 2, "image": "d.png", "view": "oblique"},
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, two = prepare_folder(folder, tmp_path / "out", corpus="mine")
    assert [(ref.path, ref.view) for ref in one.images] == [("a.png", View.FRONTAL), ("b.png", View.LATERAL)]
    assert (one.report.indication, one.report.findings) == ("Fever.", "The lungs are clear.")
    assert one.labels["Pneumonia"] is Mention.NEGATIVE
    assert [ref.path for ref in two.images] == ["sub/c.png"]
    assert (one.patient, two.patient) == ("1", "2")
    dropped, notes = outcome(tmp_path / "out")
    assert dropped == {"d.png": "view unknown"}
    assert "No patient column" in notes
    assert "No split column" in notes


def test_all_studies_of_a_patient_fall_into_one_split(tmp_path: Path) -> None:
    source = tmp_path / "text"
    source.mkdir()
    lines = [f"s{i},p{i % 40},Clear lungs." for i in range(200)]
    (source / "t.csv").write_text("\n".join(["uid,patient,findings", *lines]))
    manifest = prepare_folder(source, tmp_path / "out")
    assert len(manifest) == 200
    assert {row.split for row in manifest} == {"train", "val"}
    assert len({(row.patient, row.split) for row in manifest}) == 40


def test_questions_about_an_image_or_the_study(folder: Path, tmp_path: Path) -> None:
    (folder / "t.csv").write_text(
        "uid,image,view,question,answer,question_type\n"
        "1,a.png,frontal,Is there edema?,No,Presence\n"
        "1,,,Which side is ill?,the left,side\n"
        "1,,,And why?,,\n"
        "2,gone.png,frontal,Is it normal?,yes,\n"
        "2,b.png,lateral,,,\n"
    )
    one, two = prepare_folder(folder, tmp_path / "out")
    assert one.questions == (
        Question("1-1", "Is there edema?", "No", "closed", "presence", "a.png"),
        Question("1-2", "Which side is ill?", "the left", "open", "side", ""),
    )
    assert two.questions == ()
    assert outcome(tmp_path / "out")[0] == {
        "1-3": "no answer",
        "gone.png": "not on disk",
        "2-1": "its image was dropped",
        "sub/c.png": "belongs to no study",
        "d.png": "belongs to no study",
    }


def test_bad_rows_and_files_are_listed_and_the_rest_prepares(folder: Path, tmp_path: Path) -> None:
    (folder / "b.png").write_bytes(b"")
    (folder / "table.csv").write_text(
        "uid,frontal,findings\n"
        "1,a.png,Clear.\n"
        ",a.png,Clear.\n"
        "2,b.png,\n"
        "3,../../etc/x.png,Clear.\n"
        "4,d.png,Clear, and one comma too many\n"
        "1,sub/c.png,Another text.\n"
    )
    manifest = prepare_folder(folder, tmp_path / "out")
    assert [(row.uid, len(row.images)) for row in manifest] == [("1", 2), ("3", 0)]
    assert outcome(tmp_path / "out")[0] == {
        "table.csv: record 2": "no uid",
        "b.png": "unreadable",
        "2": "neither image nor report",
        "../../etc/x.png": "outside the image folder",
        "table.csv:6": "more cells than columns",
        "1": "another report of the same study",
        "d.png": "belongs to no study",
    }


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("uidd,frontal", r"lacks a column `uid`.*did you mean 'uidd'"),
        ("uid,finding", r"one is needed \(did you mean 'finding'\?\)"),
        ("uid,image,viev", r"lacks a column `view`.*did you mean 'viev'"),
        ("uid,frontal,question,anser", r"lacks a column `answer`.*did you mean 'anser'"),
    ],
)
def test_a_missing_column_names_the_nearest(folder: Path, tmp_path: Path, header: str, message: str) -> None:
    (folder / "t.csv").write_text(f"{header}\n{'x,' * header.count(',')}x\n")
    with pytest.raises(ManifestError, match=message):
        prepare_folder(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,p,train,x\n2,p,val,x", "patient 'p' is in the splits train and val"),
        ("1,p,train,x\n1,p,val,x", "Study '1' has two values of split"),
        ("1,p,train,x\n1,q,train,x", "Study '1' has two values of patient"),
    ],
)
def test_a_leak_stops_it(folder: Path, tmp_path: Path, rows: str, message: str) -> None:
    (folder / "t.csv").write_text(f"uid,patient,split,findings\n{rows}\n")
    with pytest.raises(ManifestError, match=message):
        prepare_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_image_in_two_splits_stays_where_it_is_held_out(folder: Path, tmp_path: Path) -> None:
    (folder / "t.csv").write_text("uid,split,frontal,findings\n1,train,a.png,Clear.\n2,val,a.png,Also clear.\n")
    train, val = prepare_folder(folder, tmp_path / "out")
    assert (len(train.images), len(val.images)) == (0, 1)
    assert outcome(tmp_path / "out")[0]["a.png"] == "duplicate"


def test_the_table_must_be_clear(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="it holds: none"):
        prepare_folder(folder, tmp_path / "out")
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text("uid,frontal\n1,a.png\n")
    with pytest.raises(ManifestError, match=r"it holds: one.csv, two.csv. Name the table"):
        prepare_folder(folder, tmp_path / "out")
    assert len(prepare_folder(folder, tmp_path / "out", table=folder / "two.csv")) == 1
    (folder / "two.csv").write_bytes(b"uid,frontal\n1,\xff\xfe.png\n")
    with pytest.raises(ManifestError, match=r"two.csv cannot be read as CSV"):
        prepare_folder(folder, tmp_path / "out", table=folder / "two.csv")


def test_nothing_usable_is_an_error(folder: Path, tmp_path: Path) -> None:
    (folder / "t.csv").write_text("uid,frontal\n1,nowhere.png\n")
    with pytest.raises(ManifestError, match="no usable study"):
        prepare_folder(folder, tmp_path / "out")


def test_a_table_without_rows_or_with_one_column_twice(folder: Path, tmp_path: Path) -> None:
    table = folder / "t.csv"
    for text, why in (("", "t.csv is empty"), ("uid,findings,findings\n1,a,b\n", "two columns called 'findings'")):
        table.write_text(text)
        with pytest.raises(ManifestError, match=why):
            prepare_folder(folder, tmp_path / "out")


def test_values_that_are_no_text(folder: Path, tmp_path: Path) -> None:
    rows = [
        '{"uid": 1, "frontal": "a.png", "findings": NaN, "impression": "Clear."}',
        '{"uid": 2, "frontal": "b.png", "findings": ["Clear.", "Normal."]}',
        '{"uid": 3, "frontal": "d.png", "findings": true}',
        '{"frontal": "sub/c.png"}',
    ]
    (folder / "t.jsonl").write_text("\n".join(rows))
    [only] = prepare_folder(folder, tmp_path / "out")
    assert (only.uid, only.report.findings, only.report.impression) == ("1", "", "Clear.")
    dropped, _ = outcome(tmp_path / "out")
    assert dropped["t.jsonl: record 2"] == dropped["t.jsonl: record 3"] == "a value that is neither text nor a number"
    assert dropped["t.jsonl: record 4"] == "no uid"


def test_studies_without_a_split_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "t.csv").write_text("uid,split,frontal\n1,test,a.png\n2,,b.png\n")
    one, two = prepare_folder(folder, tmp_path / "out")
    assert one.split == "test" and two.split in ("train", "val")
    assert "1 studies without a split" in outcome(tmp_path / "out")[1]


def test_pictures_of_nothing_and_of_colours(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (80, 72), (0, 0, 0)).save(folder / "a.png")
    Image.effect_noise((80, 72), 90).convert("RGB").save(folder / "b.png")
    Image.merge("RGB", [Image.effect_noise((80, 72), 90) for _ in range(3)]).save(folder / "d.png")
    (folder / "t.csv").write_text("uid,frontal\n1,a.png\n2,b.png\n3,d.png\n")
    assert [row.uid for row in prepare_folder(folder, tmp_path / "out")] == ["2", "3"]
    dropped, notes = outcome(tmp_path / "out")
    assert dropped["a.png"] == "unreadable" and "1 colour images, read as greyscale: d.png." in notes


def test_a_study_without_a_split_gets_that_of_its_patient(folder: Path, tmp_path: Path) -> None:
    rows = [f"{i}a,p{i},train,Clear." for i in range(40)] + [f"{i}b,p{i},,Clear." for i in range(40)]
    (folder / "t.csv").write_text("\n".join(["uid,patient,split,findings", *rows]) + "\n")
    manifest = prepare_folder(folder, tmp_path / "out")
    assert {row.split for row in manifest} == {"train"} and len(manifest) == 80


def test_questions_with_one_number_are_named_after_their_studies(folder: Path, tmp_path: Path) -> None:
    (folder / "t.csv").write_text(
        "uid,frontal,qid,question,answer\n1,a.png,1,Effusion?,yes\n1,a.png,7,Edema?,no\n"
        "2,b.png,1,Effusion?,no\n2,b.png,8,Edema?,no\n2,b.png,8,Fracture?,no\n"
    )
    manifest = prepare_folder(folder, tmp_path / "out")
    numbers = [question.qid for row in manifest for question in row.questions]
    assert numbers == ["1-1", "7", "2-1", "2-8-2", "2-8-3"]
    assert "Numbers of several questions" in outcome(tmp_path / "out")[1]
