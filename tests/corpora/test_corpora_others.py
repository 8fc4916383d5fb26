"""`prepare_vqa_rad` and `prepare_nih` on made-up corpora."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from radloom.corpora.manifest import Manifest
from radloom.corpora.nih import CLASSES, prepare_nih
from radloom.corpora.vqa_rad import prepare_vqa_rad
from radloom.errors import ManifestError
from radloom.study import OBSERVATIONS, Mention, Question, View


def dropped(out: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    return [(line["id"], line["why"]) for line in lines]


def test_vqa_rad_has_a_row_an_image_with_its_questions(vqa_rad: Path, tmp_path: Path) -> None:
    prepare_vqa_rad(vqa_rad, tmp_path / "out")
    manifest = Manifest.read(tmp_path / "out")
    assert len(manifest) == 30
    row = manifest.rows[7]
    assert (row.uid, row.patient, row.corpus) == ("synpic7", "synpic7", "vqa-rad")
    assert row.questions == (
        Question("14", "Is the heart enlarged?", "No", "closed", "presence", "images/synpic7.jpg"),
        Question("15", "Where is it?", "Left", "open", "location", "images/synpic7.jpg"),
    )
    assert {row.split for row in manifest} == {"train", "val"}
    assert len(manifest.split("val")) < 10
    assert row.images[0].view is View.FRONTAL
    notes = json.loads((tmp_path / "out" / "summary.json").read_text())["notes"]
    assert any("taken as frontal" in note for note in notes)
    assert any("training part" in note for note in notes)


def test_vqa_rad_takes_predicted_views(vqa_rad: Path, tmp_path: Path) -> None:
    manifest = prepare_vqa_rad(vqa_rad, tmp_path / "out", view_of=lambda path: View.LATERAL)
    assert {ref.view for row in manifest for ref in row.images} == {View.LATERAL}


def test_vqa_rad_with_bad_lines_and_files_prepares_the_rest(vqa_rad: Path, tmp_path: Path) -> None:
    table = vqa_rad / "qa.jsonl"
    unanswered = json.dumps({"qid": 900, "image": "images/synpic5.jpg", "question": "Why?", "answer": ""})
    table.write_text(f"not json\n{unanswered}\n{table.read_text()}")
    (vqa_rad / "images" / "synpic3.jpg").unlink()
    manifest = prepare_vqa_rad(vqa_rad, tmp_path / "out")
    assert len(manifest) == 29
    assert dropped(tmp_path / "out") == [
        ("qa.jsonl:1", "not a JSON object"),
        ("900", "no answer"),
        ("images/synpic3.jpg", "not on disk"),
        ("6", "its image was dropped"),
        ("7", "its image was dropped"),
        ("synpic3", "neither image nor report"),
    ]


def test_vqa_rad_needs_its_table(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no qa\.jsonl"):
        prepare_vqa_rad(tmp_path, tmp_path / "out")


def test_nih_classes_become_observations(nih: Path, tmp_path: Path) -> None:
    prepare_nih(nih, tmp_path / "out")
    healthy, ill, hernia = Manifest.read(tmp_path / "out")
    assert (healthy.patient, ill.patient, hernia.patient) == ("p1", "p1", "p2")
    assert {row.split for row in (healthy, ill, hernia)} == {"train"}

    def positive(labels: dict[str, Mention]) -> set[str]:
        return {name for name, mention in labels.items() if mention is Mention.POSITIVE}

    assert positive(healthy.labels) == {"No Finding"}
    assert positive(ill.labels) == {"Lung Lesion", "Lung Opacity", "Pleural Effusion"}
    assert positive(hernia.labels) == set()
    assert hernia.labels["No Finding"] is Mention.NEGATIVE
    absent = set(OBSERVATIONS) - healthy.labels.keys()
    assert absent == {"Enlarged Cardiomediastinum", "Fracture", "Support Devices"}


def test_nih_targets_are_observations() -> None:
    assert {name for name in CLASSES.values() if name} <= set(OBSERVATIONS)


def test_nih_reads_the_official_table(nih: Path, tmp_path: Path) -> None:
    table = (nih / "metadata.csv").read_text().replace("images/", "")
    (nih / "metadata.csv").unlink()
    official = table.replace("image,patient_id,view_raw,labels", "Image Index,Patient ID,View Position,Finding Labels")
    (nih / "Data_Entry_2017_v2020.csv").write_text(official)
    assert len(prepare_nih(nih, tmp_path / "out")) == 3


def test_nih_with_bad_rows_prepares_the_rest(nih: Path, tmp_path: Path) -> None:
    table = nih / "metadata.csv"
    table.write_text(table.read_text().replace("Hernia", "Hernya") + "images/9.png,p9,PA,Edema,\n")
    assert len(prepare_nih(nih, tmp_path / "out")) == 2
    assert dropped(tmp_path / "out") == [("images/00000002_000.png", "unknown label"), ("9.png", "not on disk")]


def test_nih_without_its_columns_is_refused(nih: Path, tmp_path: Path) -> None:
    table = nih / "metadata.csv"
    table.write_text(table.read_text().replace("patient_id", "patientid"))
    with pytest.raises(ManifestError, match=r"lacks the column `patient_id` \(did you mean 'patientid'\?\)"):
        prepare_nih(nih, tmp_path / "out")
    table.unlink()
    with pytest.raises(ManifestError, match=r"neither metadata\.csv nor"):
        prepare_nih(nih, tmp_path / "out")
