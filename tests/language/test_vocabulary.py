import dataclasses

import pytest
import torch
from transformers import AutoTokenizer

from radloom.errors import CheckpointError
from radloom.language.vocabulary import CONTROL, POSITIVE, ImageVocabulary, TokenIds
from radloom.study import OBSERVATIONS, View


def test_every_code_survives_saving_and_reading_the_tokenizer(extended, vocabulary, tmp_path):
    _, tokenizer, _ = extended
    tokenizer.save_pretrained(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)
    ids = TokenIds.of(read, vocabulary)
    for start in range(0, vocabulary.codes, vocabulary.length):
        codes = torch.arange(start, start + vocabulary.length)
        image = ids.image(codes, View.LATERAL)
        text = read.decode(image)
        again = read(text, add_special_tokens=False).input_ids
        assert text.replace(" ", "").startswith(f"<cxr><lateral><c{start:04d}>")
        assert again == image
        assert ids.decode_codes(again[2:-1]).tolist() == codes.tolist()


def test_ids_are_looked_up_and_need_not_be_contiguous(base, vocabulary):
    _, tokenizer = base
    tokenizer.add_tokens(["<c0031>", "<c0007>", "something else"])
    ids = vocabulary.extend(tokenizer)
    codes = torch.arange(16) + 5
    assert ids.encode_codes(codes) == tokenizer.convert_tokens_to_ids([f"<c{c:04d}>" for c in codes.tolist()])
    assert ids.decode_codes(ids.encode_codes(codes)).tolist() == codes.tolist()


def test_text_ids_exclude_image_and_special_tokens(extended, vocabulary):
    _, tokenizer, ids = extended
    named = tokenizer.convert_tokens_to_ids([*CONTROL, *vocabulary.code_names()])
    assert not set(ids.text.tolist()) & ({*named} | set(tokenizer.all_special_ids))
    assert len(ids.text) + len(named) + len(tokenizer.all_special_ids) in (len(tokenizer), len(tokenizer) - 1)


def test_old_rows_stay_and_new_ones_are_near_their_mean(base, vocabulary):
    model, tokenizer = base
    known = sorted(tokenizer.get_vocab().values())
    before = [t.weight.detach()[known].clone() for t in (model.get_input_embeddings(), model.get_output_embeddings())]
    ids = vocabulary.extend(tokenizer, model)
    for old, table in zip(before, (model.get_input_embeddings(), model.get_output_embeddings()), strict=True):
        assert torch.equal(table.weight[known], old)
        new = table.weight[[ids.end, *ids.codes]].detach() - old.mean(0)
        assert 0 < new.std() < 0.3 * old.std()
    assert model.config.vocab_size == len(model.get_input_embeddings().weight) > int(ids.codes.max())


def test_near_codes_become_near_tokens(base, vocabulary):
    model, tokenizer = base
    known = sorted(tokenizer.get_vocab().values())
    spread = model.get_input_embeddings().weight[known].std()
    codebook = torch.randn(32, 8, generator=torch.Generator().manual_seed(1))
    codebook[1] = codebook[0] + 0.01
    ids = vocabulary.extend(tokenizer, model, codebook, seed=3)
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        rows = table.weight[ids.codes].detach()
        distance, codes_apart = torch.cdist(rows, rows), torch.cdist(codebook, codebook)
        assert distance[0, 1] == distance[0, 1:].min()
        assert torch.corrcoef(torch.stack([distance.flatten(), codes_apart.flatten()]))[0, 1] > 0.9
        assert 0.5 < rows.std() / spread < 2


def test_statements_begin_as_the_words_they_stand_for(base, vocabulary):
    model, tokenizer = base
    known = sorted(tokenizer.get_vocab().values())
    ids = dataclasses.replace(vocabulary, statements=True).extend(tokenizer, model)
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        weight = table.weight.detach()
        mean = weight[known].mean(0)

        def like(token, word, weight=weight, mean=mean):
            words = tokenizer(word, add_special_tokens=False).input_ids
            return torch.cosine_similarity(weight[token] - mean, (weight[words] - mean).sum(0), dim=0)

        statements = ids.statements
        assert float(weight[statements].std()) == pytest.approx(float(weight[known].std()), rel=0.2)
        for i, observation in enumerate(OBSERVATIONS):
            own = like(statements[i, POSITIVE], f" {observation.lower()}")
            assert own > 0.5
            assert own > like(statements[i - 1, POSITIVE], f" {observation.lower()}")
        assert like(statements[1, POSITIVE], " positive") > 0.5
        assert like(statements[1, POSITIVE], " positive") > like(statements[1, 1], " positive")  # 1 is negative


def test_the_same_seed_gives_the_same_rows(vocabulary):
    from tiny_models import tiny_llama

    tables = []
    for seed in (0, 0, 1):
        model, tokenizer = tiny_llama()
        vocabulary.extend(tokenizer, model, seed=seed)
        tables.append(model.get_input_embeddings().weight.detach())
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


def test_extending_twice_changes_nothing(extended, vocabulary):
    model, tokenizer, ids = extended
    before = model.get_input_embeddings().weight.detach().clone()
    again = vocabulary.extend(tokenizer, model, seed=9)
    assert torch.equal(model.get_input_embeddings().weight, before)
    assert torch.equal(again.codes, ids.codes)


def test_a_tokenizer_without_the_tokens_is_refused(base, extended):
    _, tokenizer, _ = extended
    with pytest.raises(CheckpointError, match="<c0032>"):
        TokenIds.of(tokenizer, ImageVocabulary(codes=64, grid=(4, 4)))


def test_a_codebook_of_another_size_is_refused(base, vocabulary):
    model, tokenizer = base
    with pytest.raises(CheckpointError, match="31 codes"):
        vocabulary.extend(tokenizer, model, torch.zeros(31, 8))
    assert "<cxr>" not in tokenizer.get_vocab()


@pytest.mark.parametrize("codes", [torch.zeros(15), torch.full((16,), 32), torch.full((16,), -1)])
def test_codes_that_are_no_image_are_refused(extended, codes):
    _, _, ids = extended
    with pytest.raises(ValueError):
        ids.encode_codes(codes)


def test_text_is_no_code(extended):
    _, _, ids = extended
    with pytest.raises(ValueError, match="not an image code"):
        ids.decode_codes([int(ids.codes[0]), ids.end])
