from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import radloom
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError
from radloom.imaging import Transform
from radloom.prediction import Request, predict, read_study, unsquash
from radloom.study import Part


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_reports_of_a_split(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports.jsonl"
    result = cli("predict", "report", prepared, "--split", "val", "-o", out, "--model", tiny_model)
    assert (result.code, result.out) == (0, f"{out}: 2 new, 0 from before\n")
    assert [line["uid"] for line in lines(out)] == ["s2", "s5"]
    assert all(line.keys() == {"uid", "findings", "impression"} for line in lines(out))


def test_drawings_lie_beside_their_list(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn.jsonl"
    cli("predict", "image", prepared, "--limit", 3, "-o", out, "--view", "lateral", "--model", tiny_model)
    assert [line["image"] for line in lines(out)] == ["drawn/s0.png", "drawn/s1.png", "drawn/s2.png"]
    with Image.open(tmp_path / "drawn" / "s1.png") as picture:
        assert "lateral" in picture.text["Comment"]
        assert picture.text["Description"].startswith("Made from a text with SHA-256 ")


def test_answers(cli, tiny_model: Path, prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    found = json.loads(cli("predict", "ask", prepared, "-o", out, "--model", tiny_model, "--json").out)
    assert found == {"out": str(out), "new": 6, "before": 0, "left_out": {}, "remarks": []}
    assert [line["qid"] for line in lines(out)] == [f"q{i}" for i in range(6)]


def test_a_killed_run_goes_on_and_ends_as_an_uninterrupted_one(
    model: radloom.Model, prepared: Path, tmp_path: Path
) -> None:
    studies = Manifest.read(prepared)
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    predict(model, studies, "report", whole, batch_size=2, temperature=1.0)
    predict(model, studies, "report", killed, batch_size=2, limit=4, temperature=1.0)
    killed.write_bytes(killed.read_bytes()[:-9])
    result = predict(model, studies, "report", killed, batch_size=2, temperature=1.0)
    assert result.repaired
    assert (result.new, result.before) == (3, 3)
    assert killed.read_bytes() == whole.read_bytes()
    assert predict(model, studies, "report", killed, temperature=1.0).new == 0


def test_what_another_model_or_setting_began_is_not_gone_on_with(
    model: radloom.Model, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = Manifest.read(prepared)
    out = tmp_path / "reports.jsonl"
    predict(model, studies, "report", out, limit=2)
    before = out.read_bytes()
    with pytest.raises(RadloomError, match="begun with another sampling"):
        predict(model, studies, "report", out, temperature=0.5)
    with pytest.raises(RadloomError, match="begun with another task"):
        predict(model, studies, "ask", out)
    with pytest.raises(RadloomError, match="begun with another manifest"):
        predict(model, studies.split("train"), "report", out)
    monkeypatch.setattr(model, "fingerprint", "0" * 16)
    with pytest.raises(RadloomError, match=r"begun with another model.*delete"):
        predict(model, studies, "report", out)
    assert out.read_bytes() == before


def test_drawings_of_another_engine_are_not_gone_on_with(
    any_to_any_model: radloom.Model, prepared: Path, tmp_path: Path
) -> None:
    studies, out = Manifest.read(prepared), tmp_path / "drawn.jsonl"
    predict(any_to_any_model, studies, "image", out, limit=1, steps=2)
    noted = json.loads((tmp_path / "drawn.meta.json").read_text())["sampling"]
    assert noted == {
        "engine": "diffusion",
        "guidance": 6.0,
        "guided_below": 900,
        "steps": 2,
        "sampler": "dpm++",
        "candidates": 1,
    }
    assert predict(any_to_any_model, studies, "image", out, limit=2, engine="diffusion", steps=2).new == 1
    with pytest.raises(RadloomError, match="begun with another sampling"):
        predict(any_to_any_model, studies, "image", out, engine="language")
    with pytest.raises(RadloomError, match="engine is of drawings; leave it out for the task 'report'"):
        predict(any_to_any_model, studies, "report", tmp_path / "reports.jsonl", engine="language")


def test_completions_by_other_settings_of_the_language_model_are_not_gone_on_with(
    any_to_any_model: radloom.Model, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, studies, out = any_to_any_model, Manifest.read(prepared), tmp_path / "completed.jsonl"
    read, drawn = Request((Part.REPORT,), (Part.FRONTAL,)), Request((Part.FRONTAL,), (Part.REPORT,))
    predict(model, studies, "complete", out, limit=1, request=read)
    predict(model, studies, "complete", tmp_path / "drawn.jsonl", limit=1, request=drawn, steps=2)
    monkeypatch.setattr(model, "config", replace(model.config, text=replace(model.config.text, max_tokens=20)))
    with pytest.raises(RadloomError, match="begun with another sampling"):
        predict(model, studies, "complete", out, limit=2, request=read)
    assert predict(model, studies, "complete", tmp_path / "drawn.jsonl", limit=2, request=drawn, steps=2).new == 1


def test_a_file_that_predict_did_not_make_or_that_is_damaged(
    model: radloom.Model, prepared: Path, tmp_path: Path
) -> None:
    studies = Manifest.read(prepared)
    foreign = tmp_path / "notes.jsonl"
    foreign.write_text("mine\n")
    with pytest.raises(RadloomError, match="not made by `radloom predict`"):
        predict(model, studies, "report", foreign)
    assert foreign.read_text() == "mine\n"
    out = tmp_path / "out.jsonl"
    predict(model, studies, "report", out, limit=2)
    out.write_text("{}\n" + out.read_text())
    with pytest.raises(RadloomError, match="line 1 is damaged"):
        predict(model, studies, "report", out)


def test_unknown_task_and_nothing_to_do(model: radloom.Model, prepared: Path, tmp_path: Path) -> None:
    studies = Manifest.read(prepared)
    with pytest.raises(RadloomError, match=r"'reprot' .did you mean 'report'"):
        predict(model, studies, "reprot", tmp_path / "x.jsonl")
    bare = Manifest([], studies.root, "bare")
    with pytest.raises(RadloomError, match="bare has nothing for 'ask'"):
        predict(model, bare, "ask", tmp_path / "x.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("aspect", [0.82, 1.0, 1.3, None])
def test_squashed_images_are_read_in_the_proportions_that_training_saw(aspect: float | None) -> None:
    image = np.random.default_rng(0).random((64, 64), np.float32)
    transform = Transform(size=64)  # no smaller than the image: from a larger one, two resizes would differ from one
    assert np.array_equal(transform(unsquash(image, aspect)), transform(image, aspect))


def test_a_study_has_its_views_as_arrays(prepared: Path) -> None:
    studies = Manifest.read(prepared)
    study = read_study(studies, studies.rows[0])
    assert study.frontal is not None and study.frontal.shape == (80, 72)
    assert study.lateral is not None
    assert study.report is not None
