from pathlib import Path

import pytest
import torch

from radloom.classifier.model import OUTPUTS, ClassifierConfig, ClinicalClassifier, load_classifier
from radloom.classifier.stage import ClassifierStage, predict
from radloom.corpora.images import XrayImages
from radloom.training import Clock, LoopConfig, fit


@pytest.fixture
def stage(xrays: dict[str, XrayImages], monkeypatch: pytest.MonkeyPatch) -> ClassifierStage:
    monkeypatch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)
    torch.manual_seed(0)
    return ClassifierStage(
        ClinicalClassifier.from_imagenet(ClassifierConfig(size=32)), xrays["train"], xrays["val"], seed=3
    )


def batch(stage: ClassifierStage) -> dict[str, torch.Tensor]:
    return stage.collate([stage.item(i, 0) for i in range(4)])


def test_items_repeat_themselves_and_differ_by_epoch(stage: ClassifierStage) -> None:
    pixels, values, weights = stage.item(2, 0)
    assert torch.equal(pixels, stage.item(2, 0)[0])
    assert not torch.equal(pixels, stage.item(2, 1)[0])
    assert pixels.shape == (1, 32, 32)
    assert values[OUTPUTS.index("Cardiomegaly")] == 1  # study s1, frontal
    assert values[-1] == 0
    assert weights.sum() == 15
    assert stage.describe(2) == "made-up/s1 (1-frontal.png)"


def test_each_parameter_gets_gradient(stage: ClassifierStage) -> None:
    torch.nn.init.normal_(stage.modules["classifier"].head.weight)  # from 0, nothing would pass the head at first
    (loss,) = stage.losses(batch(stage), Clock(0, 1, 0))
    loss.total.backward()
    assert not [n for n, p in stage.modules["classifier"].named_parameters() if p.grad is None or not p.grad.any()]


def test_unknown_targets_weigh_nothing(stage: ClassifierStage) -> None:
    stage.modules["classifier"].eval()
    torch.nn.init.normal_(stage.modules["classifier"].head.bias)
    data = batch(stage)
    data["weights"][:, 3] = 0
    (plain,) = stage.losses(data, Clock(0, 1, 0))
    data["targets"][:, 3] = 1 - data["targets"][:, 3]
    (flipped,) = stage.losses(data, Clock(0, 1, 0))
    assert plain.total == flipped.total
    data["targets"][:, 4] = 1 - data["targets"][:, 4]
    (known,) = stage.losses(data, Clock(0, 1, 0))
    assert plain.total != known.total


def test_a_batch_without_any_known_observation_gives_no_nan(stage: ClassifierStage) -> None:
    data = batch(stage)
    data["weights"][:, :-1] = 0
    (loss,) = stage.losses(data, Clock(0, 1, 0))
    assert loss.terms["observations"] == 0
    assert loss.total.isfinite()


def test_scores_are_those_with_both_classes_and_their_mean(stage: ClassifierStage) -> None:
    stage.modules["classifier"].eval()
    with torch.no_grad():
        scores = stage.evaluate()
    assert set(scores) == {"auroc[mean]", "auroc[Cardiomegaly]", "auroc[lateral]"}
    assert scores["auroc[mean]"] == scores["auroc[Cardiomegaly]"]


def test_no_mean_of_nothing(stage: ClassifierStage) -> None:
    stage.val.entries = [entry for entry in stage.val.entries if entry.row.uid == "s6"]
    stage.modules["classifier"].eval()
    assert set(stage.evaluate()) == {"auroc[lateral]"}


def test_predictions_do_not_depend_on_the_batch_size(stage: ClassifierStage) -> None:
    model = stage.modules["classifier"].eval()
    torch.nn.init.normal_(model.head.weight)
    all_at_once, three_at_once = predict(model, stage.val), predict(model, stage.val, 3)
    for a, b in zip(all_at_once, three_at_once, strict=True):
        assert a.shape == (8, 15)
        torch.testing.assert_close(a, b)


def test_learns_and_writes_a_classifier(stage: ClassifierStage, tmp_path: Path) -> None:
    fit(stage, LoopConfig(steps=12, batch_size=6, learning_rate=3e-3, warmup=2, precision="fp32"), tmp_path)
    losses = [torch.tensor(predict_loss(stage, split)) for split in ("train",)]
    assert losses[0] < 0.6  # 15 fair coins would give .69
    model, transform = load_classifier(tmp_path / "model")
    assert transform == stage.train.transform
    assert model.config == ClassifierConfig(size=32)


def predict_loss(stage: ClassifierStage, split: str) -> float:
    logits, values, weights = predict(stage.modules["classifier"].train(), getattr(stage, split))
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, values, reduction="none")
    return float((each * weights).sum() / weights.sum())
