"""Training on toy chests and on pictures of nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.errors import ManifestError
from radloom.input_check import training
from radloom.input_check.network import InputCheck, Look
from radloom.input_check.training import invented, probabilities, train_check, turned, vary
from radloom.study import View
from tiny import draw_chest, write_chest


def toys(first: int, last: int) -> list[torch.Tensor]:
    """Pictures (1, 128, 128) in [-1, 1]."""
    pictures = [draw_chest(seed, (128, 128)) for seed in range(first, last)]
    return [torch.from_numpy(picture.astype(np.float32) / 127.5 - 1)[None] for picture in pictures]


def nothings(seed: int, count: int) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    return [invented(rng) for _ in range(count)]


@pytest.mark.slow
def test_it_learns_to_tell_them_apart() -> None:
    network = train_check(toys(0, 40), nothings(1, 40), steps=120, batch=32)
    chests, others = toys(100, 120), nothings(2, 20)
    upright = probabilities(network, chests)
    assert upright.median() > 0.5 > probabilities(network, others).median()
    for look in (Look.INVERTED, Look.UPSIDE_DOWN, Look.TURNED_LEFT):
        assert probabilities(network, chests, look).median() < upright.median() - 0.2


def test_turning_is_what_it_says() -> None:
    picture = toys(0, 1)[0]
    assert torch.equal(turned(picture, Look.INVERTED), -picture)
    assert torch.equal(turned(picture, Look.TURNED_RIGHT)[0], torch.from_numpy(np.rot90(picture[0], -1).copy()))
    assert torch.equal(turned(turned(picture, Look.TURNED_LEFT), Look.TURNED_RIGHT), picture)
    assert torch.equal(turned(turned(picture, Look.UPSIDE_DOWN), Look.UPSIDE_DOWN), picture)


def test_varied_pictures_are_pictures() -> None:
    varied = vary(torch.stack(toys(0, 8)), np.random.default_rng(0))
    assert varied.shape == (8, 1, 64, 64) and varied.abs().max() <= 1
    again = vary(torch.stack(toys(0, 8)), np.random.default_rng(0))
    assert torch.equal(varied, again)


def test_the_command_trains_on_prepared_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for number in range(30):
        write_chest(tmp_path / f"chests/{number}.png", number)
        rows.append(Row(str(number), str(number), "train", (ImageRef(f"{number}.png", View.FRONTAL),), corpus="toy"))
        write_chest(tmp_path / f"others/{number}.png", number)
    Manifest(rows, tmp_path / "chests", "toy").write(tmp_path / "toy")
    out = tmp_path / "input-check.safetensors"
    arguments = [str(tmp_path / "toy"), "--others", str(tmp_path / "others"), "-o", str(out), "--steps", "2"]
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    training.main()
    assert InputCheck.load(out).threshold <= 0.5
    assert "chest X-rays kept apart" in capsys.readouterr().out

    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["training", *arguments[:2], str(tmp_path / "empty"), *arguments[3:]])
    with pytest.raises(ManifestError, match="holds no pictures"):
        training.main()
