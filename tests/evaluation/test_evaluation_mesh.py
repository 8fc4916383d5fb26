from __future__ import annotations

from pathlib import Path

import pytest

import radloom
import tiny
from radloom.corpora import prepare
from radloom.errors import RadloomError
from radloom.evaluation.bench import Vision
from radloom.evaluation.mesh import coded_studies, main, score_mesh

NORMAL = "auroc[No Finding, frontal, classifier, MeSH]"


def test_terms_are_the_truth_and_frontal_views_the_rows(
    model: radloom.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tiny.make_indiana(tmp_path / "raw", studies=9)
    val = prepare("indiana", raw, tmp_path / "prepared").split("val")
    vision = Vision(model.classifier, model.transform)
    coded = coded_studies(raw / "ecgen-radiology")
    assert all(terms == {"No Finding"} for terms in coded.values())
    assert score_mesh(vision, val, coded)[NORMAL] is None  # all normal
    first = val.rows[0].uid
    chances = {row.uid: vision.chances(vision.features(val, [row.images[0]]))[0, 0] for row in val}
    score = score_mesh(vision, val, coded | {first: set()})[NORMAL]
    above = [chances[row.uid] > chances[first] for row in val.rows[1:]]
    assert score and score.value == pytest.approx(sum(above) / 2)
    with pytest.raises(RadloomError, match="No frontal view belongs to a coded study"):
        score_mesh(vision, val, {})


def test_as_a_command(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tiny.make_indiana(tmp_path / "raw")
    prepare("indiana", raw, tmp_path / "prepared")
    assert main([str(tmp_path / "prepared"), str(raw / "ecgen-radiology"), "--model", str(tiny_model)]) == 0
    assert f"| {NORMAL} | unavailable" in capsys.readouterr().out
    assert main([str(tmp_path / "prepared"), str(tmp_path), "--model", str(tiny_model)]) == 2
    assert "holds no XML files" in capsys.readouterr().err
