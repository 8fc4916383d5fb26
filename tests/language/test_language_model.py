import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import BASES, TEXTS
from transformers import AutoModelForCausalLM, AutoTokenizer

from radloom.errors import CheckpointError
from radloom.language.base import BaseConfig
from radloom.language.decoding import generate_codes
from radloom.language.model import LanguageModel
from radloom.study import Report


@pytest.fixture(params=BASES)
def language_model(request, vocabulary, tmp_path):
    """Made from a base in a folder, as from the hub; the vocabulary of the byte-level one is cut."""
    model, tokenizer = BASES[request.param]()
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    base = BaseConfig("hub", str(tmp_path / "base"), layers=2, cut_vocabulary=request.param == "llama")
    codebook = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    return LanguageModel.create(base, vocabulary, texts=TEXTS, codebook=codebook, codec="abc123")


def test_a_saved_model_is_an_ordinary_hugging_face_folder(language_model, tmp_path):
    folder = language_model.save(tmp_path / "saved")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|end|>")
    prompt = "<|instruction|>Draw the frontal X-ray.<|response|><cxr><frontal>"
    drawn = model.generate(**tokenizer(prompt, return_tensors="pt", add_special_tokens=False), max_new_tokens=4)
    stored, original = model.state_dict(), language_model.model.state_dict()
    assert all(torch.equal(stored[name], value.to(torch.bfloat16)) for name, value in original.items())
    assert drawn.max() < len(tokenizer)


def test_a_model_reads_back_as_it_was_saved(language_model, tmp_path):
    folder = language_model.save(tmp_path / "saved", dtype="float32", card="# A card")
    read = LanguageModel.load(folder, codec="abc123")
    for (name, saved), (_, again) in zip(
        language_model.model.state_dict().items(), read.model.state_dict().items(), strict=True
    ):
        assert torch.equal(saved, again), name
    assert read.vocabulary == language_model.vocabulary and read.codec == "abc123"
    assert torch.equal(read.ids.codes, language_model.ids.codes)
    prompt = [language_model.prompter.draw(Report("Clear."), "lateral")]
    assert [read.prompter.draw(Report("Clear."), "lateral")] == prompt
    before, after = (generate_codes(m.model, m.ids, prompt, seeds=[3]) for m in (language_model, read))
    assert torch.equal(before, after)
    assert (folder / "README.md").read_text() == "# A card"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "saved"]


def test_stored_weights_are_bf16_and_tied_tables_stored_once(language_model, tmp_path):
    before = {k: v.clone() for k, v in language_model.model.state_dict().items()}
    state = load_file(language_model.save(tmp_path / "saved") / "model.safetensors")
    tied = language_model.model.config.tie_word_embeddings
    tables = [name for name, value in state.items() if len(value) == language_model.model.config.vocab_size]
    assert len(tables) == (1 if tied else 2)
    assert {v.dtype for v in state.values()} == {torch.bfloat16}
    assert all(torch.equal(v, before[k]) for k, v in language_model.model.state_dict().items())
    assert LanguageModel.load(tmp_path / "saved").model.dtype == torch.float32


def test_saving_replaces_what_is_there(language_model, tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "stale").touch()
    language_model.save(tmp_path / "saved")
    assert not (tmp_path / "saved" / "stale").exists()


def test_missing_and_unexpected_weights_are_named(language_model, tmp_path):
    folder = language_model.save(tmp_path / "saved")
    state = load_file(folder / "model.safetensors")
    lost = next(name for name in state if "mlp" in name)
    value = state.pop(lost)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=lost):
        LanguageModel.load(folder)
    save_file(
        {**state, lost: value, "stranger": value.clone()}, folder / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(CheckpointError, match="stranger"):
        LanguageModel.load(folder)


@pytest.mark.parametrize("name", ["radloom.json", "model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_folder_is_refused(language_model, tmp_path, name, damage):
    folder = language_model.save(tmp_path / "saved")
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=str(folder)):
        LanguageModel.load(folder)


def test_another_format_or_codec_is_refused(language_model, tmp_path):
    folder = language_model.save(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="abc123, not of other"):
        LanguageModel.load(folder, codec="other")
    own = json.loads((folder / "radloom.json").read_text())
    (folder / "radloom.json").write_text(json.dumps(own | {"format": 99}))
    with pytest.raises(CheckpointError, match="format 99"):
        LanguageModel.load(folder)
