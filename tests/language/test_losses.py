import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from radloom.language.losses import ResponseLoss, linear_head, losses, response_losses


@pytest.fixture
def batch(extended):
    _, _, ids = extended
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, len(ids.text), (2, 12), generator=generator)
    tokens[0, 6:10] = ids.codes[:4]
    tokens[0, 10] = ids.cxr_end
    labels = tokens.clone()
    labels[:, :5] = -100
    labels[1, 9:] = -100
    mask = torch.ones_like(tokens)
    mask[1, 9:] = 0
    return {"input_ids": tokens, "labels": labels, "attention_mask": mask}


def test_both_ways_give_the_hugging_face_loss_and_its_gradient(extended, batch):
    model, _, ids = extended
    model.zero_grad()
    expected = model(**batch).loss
    expected.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    total, terms = losses(
        model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits, batch["labels"], ids
    )
    assert total.item() == pytest.approx(expected.item(), abs=1e-6)
    model.zero_grad()
    total, gathered = ResponseLoss(model, ids)(batch)
    total.backward()
    assert total.item() == pytest.approx(expected.item(), abs=1e-6)
    assert all(torch.allclose(p.grad, g, atol=1e-6) for p, g in zip(model.parameters(), gradients, strict=True))
    assert gathered["text"].item() == pytest.approx(terms["text"].item(), abs=1e-6)


def test_text_and_image_are_told_apart(extended, batch):
    model, _, ids = extended
    total, terms = response_losses(model, batch, ids)
    images, texts = 5, 7 - 5 + 4  # four codes and their end; what else has a label
    assert total.item() == pytest.approx((images * terms["image"] + texts * terms["text"]).item() / (images + texts))
    weighted, _ = response_losses(model, batch, ids, image_weight=0.5)
    expected = (0.5 * images * terms["image"] + texts * terms["text"]).item() / (0.5 * images + texts)
    assert weighted.item() == pytest.approx(expected)


def test_a_term_without_tokens_is_left_out(extended, batch):
    model, _, ids = extended
    _, terms = response_losses(model, {k: v[1:] for k, v in batch.items()}, ids)
    assert set(terms) == {"text"}


def test_positions_without_a_label_do_not_count(extended, batch):
    model, _, ids = extended
    other = {k: v.clone() for k, v in batch.items()}
    other["input_ids"][1, 9:] = 3  # padding
    assert torch.equal(response_losses(model, batch, ids)[0], response_losses(model, other, ids)[0])


def test_a_model_that_caps_its_logits_goes_through_its_own_forward(extended, batch):
    _, tokenizer, ids = extended
    config = Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, final_logit_softcapping=2.0, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    model = Gemma2ForCausalLM(config).eval()
    assert linear_head(model) is None
    assert response_losses(model, batch, ids)[0].item() == pytest.approx(model(**batch).loss.item(), abs=1e-6)
