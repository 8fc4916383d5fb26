from __future__ import annotations

import numpy as np
import pytest
import torch

import radloom
from radloom.codec.network import Codec
from radloom.evaluation.codec import Reconstructions, comparison, score_codec
from radloom.study import OBSERVATIONS


@pytest.fixture
def pixels() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 64, 64, generator=generator) * 2 - 1 for _ in range(10)]


def test_a_codec_that_changes_nothing_changes_no_verdict(
    model: radloom.Model, pixels: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[torch.Tensor] = []

    def encode(self: Codec, batch: torch.Tensor) -> torch.Tensor:
        kept.append(batch)
        return torch.arange(16).view(1, 4, 4).expand(len(batch), 4, 4)

    monkeypatch.setattr(Codec, "encode", encode)
    monkeypatch.setattr(Codec, "decode", lambda self, codes: kept.pop())
    labels = np.full((10, 14), np.nan)
    labels[:, 2] = np.arange(10) % 2
    scores = score_codec(model.codec, model.classifier, pixels, labels, batch_size=4)
    assert scores.images == 10
    assert scores.psnr == np.inf
    assert scores.ssim == pytest.approx(1)
    assert scores.codebook_usage == 16 / 64
    assert tuple(scores.verdicts) == OBSERVATIONS
    heart = scores.verdicts["Cardiomegaly"]
    assert (heart.difference, heart.agreement) == (0, 1)
    assert heart.auroc is not None and heart.auroc == heart.auroc_reconstructed
    assert scores.verdicts["Edema"].auroc is None
    names = scores.scores()
    assert names["verdict_agreement[radloom-classifier]"] == 1
    assert names["auroc_macro[1 observations, radloom-classifier, originals]"] == heart.auroc


def test_a_codec_that_does_change_something(model: radloom.Model, pixels: list[torch.Tensor]) -> None:
    scores = score_codec(model.codec, model.classifier, pixels, batch_size=4)
    assert scores.psnr < 20
    assert scores.scores()["verdict_difference[radloom-classifier]"] > 0
    assert not any(name.startswith("auroc") for name in scores.scores())


def test_batches_do_not_change_scores(model: radloom.Model, pixels: list[torch.Tensor]) -> None:
    one, all_at_once = (score_codec(model.codec, model.classifier, pixels, batch_size=b) for b in (1, 10))
    assert one.psnr == pytest.approx(all_at_once.psnr, rel=1e-4)
    assert one.codebook_usage == pytest.approx(all_at_once.codebook_usage, abs=0.05)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 2, 1), (3, 2, 3), (8, 2, 8), (10, 4, 8)])
def test_reconstructions_stand_below_their_originals(
    model: radloom.Model, pixels: list[torch.Tensor], count: int, rows: int, columns: int
) -> None:
    picture = comparison(model.codec, pixels[:count])
    assert picture.shape[0] // tiny_cell(picture) == rows
    assert picture.shape[1] // 64 == columns
    original = (pixels[0][0].numpy() + 1) / 2
    assert np.allclose(picture[4:68, 4:68], original, atol=1e-6)


def tiny_cell(picture: np.ndarray) -> int:
    """Height of a picture of 64 pixels with its caption and gap."""
    return 64 + 14 + 4


def test_equal_images_have_a_finite_mean() -> None:
    nothing = np.zeros((2, 15))
    made = Reconstructions(np.array([np.inf, 30.0]), np.ones(2), nothing, nothing, np.zeros((2, 0), bool))
    assert made.finite_psnr.mean() == 65
