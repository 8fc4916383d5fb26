"""The labeller against MeSH terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from radloom.reports import agreement
from radloom.reports.agreement import mesh_agreement, mesh_labels, table
from radloom.reports.openi import OpenIRecord


@pytest.mark.parametrize(
    ("term", "observations"),
    [
        ("normal", {"No Finding"}),
        ("Cardiomegaly/mild", {"Cardiomegaly"}),
        ("Cardiac Shadow/enlarged", {"Cardiomegaly"}),
        ("Opacity/lung/base/left", {"Lung Opacity"}),
        ("Cicatrix/pleura/apex/bilateral", {"Pleural Other"}),
        ("Calcified Granuloma", {"Lung Lesion"}),
        ("Granulomatous Disease", set()),
        ("Hydropneumothorax/right", {"Pneumothorax", "Pleural Effusion"}),
        ("Fractures, Bone/ribs/left/healed", {"Fracture"}),
        ("Catheters, Indwelling/right", {"Support Devices"}),
        ("Technical Quality of Image Unsatisfactory ", set()),
        ("Thoracic Vertebrae/degenerative", set()),
    ],
)
def test_terms_of_an_observation(term: str, observations: set[str]) -> None:
    assert mesh_labels([term]) == observations


RECORDS = [
    OpenIRecord("1", findings="Cardiomegaly.", mesh=("Cardiomegaly",)),
    OpenIRecord("2", findings="Borderline cardiomegaly.", mesh=("Cardiomegaly/borderline",)),
    OpenIRecord("3", findings="Cardiomegaly.", mesh=("normal",)),
    OpenIRecord("4", findings="Normal heart size.", mesh=("Cardiomegaly",)),
    OpenIRecord("5", findings="Cardiomegaly.", mesh=("No Indexing",)),
]


def test_counts_and_what_uncertain_counts_as() -> None:
    heart = next(row for row in mesh_agreement(RECORDS) if row.observation == "Cardiomegaly")
    assert (heart.coded, heart.as_negative, heart.as_positive) == (3, (1, 2), (2, 3))
    assert "| Cardiomegaly | 3 | 0.50 | 0.33 | 0.67 | 0.67 |" in table(mesh_agreement(RECORDS))
    assert "| Fracture | 0 | - | - | - | - |" in table(mesh_agreement(RECORDS))


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for uid in ("1", "2"):
        (tmp_path / f"{uid}.xml").write_text(
            f'<eCitation><uId id="CXR{uid}"/><a><AbstractText Label="FINDINGS">Normal.</AbstractText></a>'
            "<MeSH><major>normal</major></MeSH></eCitation>",
            encoding="utf-8",
        )
    splits = tmp_path / "splits.csv"
    splits.write_text("uid,split\n1,train\n2,val\n", encoding="utf-8")
    assert agreement.main([str(tmp_path), "--splits", str(splits), "--split", "val"]) == 0
    out = capsys.readouterr().out
    assert "1 coded reports of 1" in out and "| No Finding | 1 | 1.00 | 1.00 | 1.00 | 1.00 |" in out
    assert agreement.main([str(tmp_path), "--split", "val"]) == 2
    assert "belong together" in capsys.readouterr().err
    assert agreement.main([str(tmp_path / "absent")]) == 2
    assert "holds no XML files" in capsys.readouterr().err
    splits.write_text("uid\n1\n", encoding="utf-8")
    assert agreement.main([str(tmp_path), "--splits", str(splits), "--split", "val"]) == 2
    assert "no column 'split'" in capsys.readouterr().err
