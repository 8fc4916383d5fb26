"""The commands for whole corpora as functions."""

from __future__ import annotations

from pathlib import Path

import pytest

import radloom
import tiny
from radloom.errors import ManifestError
from radloom.study import View


def test_prepare_predict_and_evaluate_take_names_and_paths(tiny_model: Path, tmp_path: Path) -> None:
    studies = radloom.prepare("indiana", tiny.make_indiana(tmp_path / "raw"), tmp_path / "prepared")
    assert len(studies) == 6
    made = radloom.predict(tiny_model, tmp_path / "prepared", "report", tmp_path / "reports.jsonl", split="val")
    assert (made.new, made.before) == (2, 0)
    model = radloom.load(tiny_model)
    assert radloom.predict(model, studies, "report", tmp_path / "reports.jsonl", split="val").before == 2
    board = radloom.evaluate(tiny_model, tmp_path / "prepared", tmp_path / "scores", tasks=["classifier"])
    assert board.model == tiny_model.name
    assert (tmp_path / "scores" / "index.html").is_file()
    how = {"tasks": ["classifier"], "name": "a"}
    assert radloom.evaluate(model, studies, tmp_path / "judged", judge=tiny_model, **how).scores
    (tmp_path / "named.csv").write_text("uid,findings\n1,Clear lungs.\n")
    own = radloom.prepare("folder", tmp_path, tmp_path / "own", table=tmp_path / "named.csv", name="mine")
    assert own.corpus == "mine"


def test_an_unknown_corpus_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"Unknown corpus 'indian'.*indiana, mimic, nih, vqa-rad, folder"):
        radloom.prepare("indian", tmp_path, tmp_path / "out")


def test_views_are_judged_by_the_model_that_is_there(tiny_model: Path, chest_file: Path, tmp_path: Path) -> None:
    from radloom.model_folder import view_predictor

    judge = view_predictor(tiny_model)
    assert judge is not None and judge(chest_file) is View.FRONTAL
    assert view_predictor(tmp_path) is None
