import json

import numpy as np
import pytest
import torch

from radloom import config
from radloom.classifier.evidence import CHANNELS, LEVELS, SIDE_CHANNELS, EvidenceScale, evidence
from radloom.classifier.model import ClassifierConfig
from radloom.study import OBSERVATIONS


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4096, len(CHANNELS)))


def test_evidence_begins_with_the_logits() -> None:
    torch.manual_seed(0)
    classifier = ClassifierConfig(size=64).build().eval()
    pixels = torch.rand(3, 1, 64, 64) * 2 - 1
    seen = evidence(classifier, pixels)
    assert seen.shape == (3, len(CHANNELS))
    assert torch.allclose(seen[:, : len(OBSERVATIONS)], classifier(pixels)[:, : len(OBSERVATIONS)], atol=1e-5)


def test_the_side_is_the_half_that_speaks_for_the_observation(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = ClassifierConfig(size=64).build().eval()
    effusion = OBSERVATIONS.index("Pleural Effusion")
    with torch.no_grad():
        classifier.head.weight.zero_()
        classifier.head.weight[effusion, 5] = 2.0  # feature 5 speaks for an effusion
    maps = torch.zeros(2, 1280, 4, 4)
    maps[0, 5, :, 3] = 1.0  # on the image's right: the patient's left
    maps[1, 5, :, 0] = 1.0
    monkeypatch.setattr(classifier, "pyramid", lambda pixels: [maps])
    sides = evidence(classifier, torch.zeros(2, 1, 64, 64))[:, len(OBSERVATIONS) :]
    at = SIDE_CHANNELS.index("Pleural Effusion")
    assert sides[:, at].tolist() == [1.0, -1.0]  # 2.0 in one of the two columns of a half
    assert sides[:, [i for i in range(len(SIDE_CHANNELS)) if i != at]].abs().sum() == 0


def test_logits_are_cut_where_ever_rarer_images_begin(values: np.ndarray) -> None:
    levels = EvidenceScale.fit(values).levels(values)
    assert levels.min() == 0 and levels.max() == LEVELS - 1
    shares = [(levels[:, 0] >= k).mean() for k in range(1, LEVELS)]
    assert shares == pytest.approx([0.5**k for k in range(1, LEVELS)], abs=0.002)
    middle = np.isin(levels[:, CHANNELS.index("pleural-effusion-side")], (3, 4)).mean()
    assert middle == pytest.approx(0.6, abs=0.01)  # no side


def test_more_evidence_is_never_a_lower_level(values: np.ndarray) -> None:
    scale = EvidenceScale.fit(values)
    order = np.argsort(values[:, 2])
    assert (np.diff(scale.levels(values)[order, 2]) >= 0).all()


def test_noise_is_in_units_of_the_spread(values: np.ndarray) -> None:
    wide = values * 10
    noise = np.random.default_rng(1).standard_normal(values.shape)
    first, second = EvidenceScale.fit(values), EvidenceScale.fit(wide)
    assert (first.levels(values, 0.5 * noise) == second.levels(wide, 0.5 * noise)).mean() > 0.999
    assert (first.levels(values, 0.5 * noise) != first.levels(values)).mean() > 0.2


def test_a_scale_survives_plain_data(values: np.ndarray) -> None:
    scale = EvidenceScale.fit(values)
    assert config.from_dict(EvidenceScale, json.loads(json.dumps(config.to_dict(scale))), "scale") == scale
