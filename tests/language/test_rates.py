"""What is trained: frozen weights keep their bits, added rows move, rates fall layer by layer."""

import copy

import pytest
import torch
from tiny_models import BASES

from radloom.errors import RecipeError
from radloom.language.model import LanguageModel
from radloom.language.rates import RatesConfig, Trained, freeze, parameter_groups
from radloom.language.stage import LanguageStage
from radloom.language.tasks import MixConfig, TaskMix
from radloom.training import LoopConfig, fit

CONFIG = LoopConfig(
    steps=3, batch_size=2, learning_rate=1e-2, warmup=1, weight_decay=0.1, precision="fp32", log_every=1
)


def test_only_added_tokens_move(rows, store, extended, vocabulary, tmp_path):
    model, tokenizer, ids = extended
    before = copy.deepcopy(model.state_dict())
    language = LanguageModel(model, tokenizer, vocabulary, ids, "codec-1")
    mixes = [TaskMix(rows, store, tokenizer, ids, MixConfig(), seed=0) for _ in range(2)]
    rates = RatesConfig(Trained.ADDED_TOKENS)
    fit(
        LanguageStage(language, *mixes, decode=lambda codes: codes[:, None].float() / 32, rates=rates), CONFIG, tmp_path
    )
    tables = {t.weight.data_ptr() for t in (model.get_input_embeddings(), model.get_output_embeddings())}
    moved = model.state_dict()
    old = torch.ones(len(model.get_input_embeddings().weight), dtype=torch.bool)
    old[ids.added] = False
    seen = 0
    for name, parameter in model.named_parameters():
        if parameter.data_ptr() in tables:
            seen += 1
            assert torch.equal(moved[name][old], before[name][old])
            assert (moved[name][ids.codes] != before[name][ids.codes]).any()
        else:
            assert torch.equal(moved[name], before[name]), name
    assert seen == len(tables)


@pytest.mark.parametrize("base", list(BASES))
def test_rates_fall_towards_the_bottom(base):
    model, _ = BASES[base]()
    groups = parameter_groups(model, RatesConfig(layer_decay=0.5), 0.1)
    scale = {id(p): g["lr_scale"] for g in groups for p in g["params"]}
    assert len(scale) == len(list(model.parameters()))
    layers = next(m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList))
    for below, layer in enumerate(reversed(layers)):
        assert {scale[id(p)] for p in layer.parameters()} == {0.5**below}
    assert scale[id(model.get_input_embeddings().weight)] == 1.0
    decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    plain = parameter_groups(model, RatesConfig(), 0.1)
    assert decayed == {id(p) for g in plain if g["weight_decay"] for p in g["params"]}


def test_all_weights_are_trained_by_default(extended):
    model, _, ids = extended
    freeze(model, ids, RatesConfig())
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("decay", [0.0, 1.2])
def test_decay_out_of_range(decay):
    with pytest.raises(RecipeError, match=r"rates\.layer_decay"):
        RatesConfig(layer_decay=decay)
