"""The language stage: resumes to the same losses, trains every weight, scores text and image tokens apart."""

import json
import math

import pytest
import torch
from tiny_models import BASES

from radloom.language.model import LanguageModel
from radloom.language.stage import LanguageStage
from radloom.language.tasks import MixConfig, TaskMix
from radloom.training import LoopConfig, fit

CONFIG = LoopConfig(steps=4, batch_size=2, learning_rate=1e-3, warmup=1, ema=0.9, precision="fp32", log_every=1)


@pytest.fixture
def make_stage(rows, store, vocabulary):
    def make(image_weight=1.0):
        model, tokenizer = BASES[next(iter(BASES))]()
        ids = vocabulary.extend(tokenizer, model)
        language = LanguageModel(model, tokenizer, vocabulary, ids, "codec-1")
        mixes = [TaskMix(rows, store, tokenizer, ids, MixConfig(), seed=0) for _ in range(2)]
        return LanguageStage(
            language, *mixes, decode=lambda codes: codes[:, None].float() / 32, image_weight=image_weight
        )

    return make


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "items_per_s"} for line in lines]


def test_resumed_training_repeats_the_uninterrupted_losses_and_weights(make_stage, tmp_path):
    fit(make_stage(), CONFIG, tmp_path / "whole")
    assert not fit(make_stage(), CONFIG, tmp_path / "cut", stop_at=2)
    assert fit(make_stage(), CONFIG, tmp_path / "cut")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    cut, whole = (LanguageModel.load(tmp_path / name / "model").model.state_dict() for name in ("cut", "whole"))
    assert all(torch.equal(cut[key], whole[key]) for key in whole)


def test_every_weight_of_the_model_gets_a_gradient(make_stage):
    stage = make_stage()
    for index in range(stage.items()):
        for loss in stage.losses(stage.collate([stage.item(index, 0)]), None):
            loss.total.backward()
    bare = [name for name, p in stage.language.model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert bare == []


def test_evaluation_is_the_mean_loss_of_each_kind_of_token(make_stage):
    stage = make_stage()
    with torch.no_grad():
        scores = stage.evaluate()
        sums, counts = {"text": 0.0, "image": 0.0}, {"text": 0, "image": 0}
        for index in range(len(stage.val)):
            item = stage.val.item(index, 0)
            labels = item["labels"][1:]
            image = stage.language.ids.is_image(labels.clamp_min(0)) & (labels >= 0)
            _, terms = stage.modules["language"](stage.collate([item]))
            for kind, count in (("image", int(image.sum())), ("text", int((labels >= 0).sum() - image.sum()))):
                sums[kind] += float(terms[kind]) * count if count else 0.0
                counts[kind] += count
    for kind in sums:
        assert scores[f"loss[{kind}]"] == pytest.approx(sums[kind] / counts[kind], rel=1e-4)
    assert scores["loss[text]"] < 3 * math.log(len(stage.language.tokenizer))


def test_a_heavier_image_token_moves_the_total_towards_it(make_stage):
    plain, heavy = make_stage(), make_stage(image_weight=4.0)
    batch = plain.collate([plain.item(i, 0) for i in range(plain.items())])
    (a,), (b,) = list(plain.losses(batch, None)), list(heavy.losses(batch, None))
    assert float(a.terms["image"]) == pytest.approx(float(b.terms["image"]), rel=1e-5)
    nearer = (b.total - b.terms["image"]).abs() < (a.total - a.terms["image"]).abs()
    assert nearer or float(a.terms["image"]) == pytest.approx(float(a.terms["text"]))


def test_samples_are_a_picture_and_items_have_names(make_stage):
    stage = make_stage()
    picture = stage.sample()
    assert picture.ndim == 2
    assert 0 <= picture.min() <= picture.max() <= 1
    assert stage.describe(0).split(" of ")[0] in {"report", "image", "question", "text"}
