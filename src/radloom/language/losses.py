"""Loss on responses alone, text and image tokens told apart (LLM-CXR, Lee et al. 2023, arXiv 2305.11490, §3.3)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from radloom.language.vocabulary import TokenIds

IGNORED = -100
"""Label of a position that is not trained on."""


class ResponseLoss(nn.Module):
    """A language model as a module whose `forward` is its loss, so that it can be wrapped for several devices."""

    def __init__(self, model: PreTrainedModel, ids: TokenIds, image_weight: float = 1.0) -> None:
        super().__init__()
        self.model, self.ids, self.image_weight = model, ids, image_weight

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`response_losses` of a batch of `collate`."""
        return response_losses(self.model, batch, self.ids, self.image_weight)


def losses(
    logits: Tensor, labels: Tensor, ids: TokenIds, image_weight: float = 1.0, weights: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy of next tokens.

    Args:
        logits: (b, s, v).
        labels: (b, s), the token at each position where it is trained on, -100 elsewhere.
        ids: tells image tokens from text.
        image_weight: weight of an image token beside 1 for a text token; at 1 the total is the usual Hugging Face loss.
        weights: (b, s), a weight for each token besides; 1 for all if None.

    Returns:
        The weighted mean over tokens, and the plain means `text` and `image` of those that occur.
    """
    wanted = labels[:, 1:] != IGNORED
    each = None if weights is None else weights[:, 1:][wanted]
    return _token_losses(logits[:, :-1][wanted], labels[:, 1:][wanted], ids, image_weight, each)


def response_losses(
    model: PreTrainedModel, batch: dict[str, Tensor], ids: TokenIds, image_weight: float = 1.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """`losses` of a batch with the logits of trained positions alone, which saves most of their memory and time.

    Args:
        model: a causal LM.
        batch: `input_ids`, `attention_mask`, `labels`, and `weights` where tokens have their own, each (b, s).
        ids, image_weight: as in `losses`.
    """
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "use_cache": False}
    head = linear_head(model)
    if head is None:
        return losses(model(**inputs).logits, batch["labels"], ids, image_weight, batch.get("weights"))
    hidden = model.base_model(**inputs).last_hidden_state  # (b, s, d)
    labels = batch["labels"][:, 1:]
    wanted = labels != IGNORED
    each = batch["weights"][:, 1:][wanted] if "weights" in batch else None
    return _token_losses(head(hidden[:, :-1][wanted]), labels[wanted], ids, image_weight, each)


def linear_head(model: PreTrainedModel) -> nn.Linear | None:
    """The LM head, if logits are that linear map of the last hidden state and nothing more; None otherwise.

    Gemma, Cohere and Granite cap or scale their logits after it.
    """
    head: Any = model.get_output_embeddings()
    altered = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
    if type(head) is not nn.Linear or any(getattr(model.config, name, None) is not None for name in altered):
        return None
    return head


def _token_losses(
    logits: Tensor, labels: Tensor, ids: TokenIds, image_weight: float, own: Tensor | None
) -> tuple[Tensor, dict[str, Tensor]]:
    each = F.cross_entropy(logits.float(), labels, reduction="none")  # (n,)
    image = ids.is_image(labels)
    weights = torch.where(image, image_weight, 1.0) * (1.0 if own is None else own)
    total = (weights * each).sum() / weights.sum().clamp_min(1e-9)
    parts = {"text": each[~image], "image": each[image]}
    return total, {name: part.mean().detach() for name, part in parts.items() if len(part)}
