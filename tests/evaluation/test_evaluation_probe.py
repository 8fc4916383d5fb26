"""The probe reads what codes tell, and nothing from codes that tell nothing."""

import numpy as np
import pytest
import torch

from radloom.errors import RadloomError
from radloom.evaluation.probe import PROBE, ProbeConfig, codes_of, score_probe, train_probe
from radloom.scores.names import score_name

QUICK = ProbeConfig(hidden=32, epochs=20, batch_size=32)
MACRO = score_name("auroc_macro", "14 observations", PROBE)


@pytest.fixture
def codebook():
    return torch.eye(32)


def made_up(count, seed, telling=True):
    """Codes (n, 4, 4) whose first 14 entries occur where an observation is there, and the labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 14)) < 0.4).astype(float)
    codes = rng.integers(14, 32, (count, 16))
    for row, label in zip(codes, labels if telling else rng.permutation(labels), strict=True):
        places = rng.permutation(16)[:14]
        row[places] = np.where(label > 0, np.arange(14), row[places])
    return torch.from_numpy(codes).view(count, 4, 4), labels


def test_what_the_codes_tell_is_read(codebook):
    scores = score_probe(codebook, made_up(400, 0), made_up(200, 1), QUICK)
    assert scores[MACRO].value > 0.8
    assert scores[score_name("auroc", "Cardiomegaly", PROBE)].low > 0.6


def test_codes_that_tell_nothing_give_chance(codebook):
    codes, labels = made_up(200, 1, telling=False)
    scores = score_probe(codebook, made_up(400, 0, telling=False), (codes, labels), QUICK)
    assert scores[MACRO].value == pytest.approx(0.5, abs=0.06)


def test_unknown_labels_are_left_out(codebook):
    codes, labels = made_up(200, 0)
    labels[:, 3] = np.nan
    labels[::2, 5] = np.nan
    scores = score_probe(codebook, (codes, labels), (codes, labels), QUICK)
    assert scores[score_name("auroc", "Lung Opacity", PROBE)] is None
    with pytest.raises(RadloomError, match="needs reports or labels in train"):
        train_probe(codebook, codes, np.full((200, 14), np.nan), QUICK)


def test_one_seed_one_probe_and_the_callers_randomness_is_left_alone(codebook):
    codes, labels = made_up(64, 0)
    state = torch.get_rng_state()
    first, second = (train_probe(codebook, codes, labels, QUICK)(codes) for _ in range(2))
    assert np.array_equal(first, second) and first.shape == (64, 14)
    assert torch.equal(torch.get_rng_state(), state)


def test_codes_are_those_of_the_codec(tiny_model, xrays):
    from radloom.codec.network import load_codec

    codec, _ = load_codec(tiny_model / "codec")
    images = [xrays["train"][i] for i in range(3)]
    assert torch.equal(codes_of(codec, images), codec.encode(torch.stack(images)))
