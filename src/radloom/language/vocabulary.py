"""Image tokens as named tokens of a language model's own tokenizer.

LLM-CXR (Lee et al. 2023, arXiv 2305.11490) appends the codes of a VQ-GAN to the vocabulary of a text-pretrained LLM.
Here every code has a name (`<c0012>`), so its id is looked up and never computed from an offset, and tokenizer and
model stay what any Hugging Face tool loads. An image of h x w codes is `<cxr> <frontal> <c0012> ... </cxr>`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AddedToken, PreTrainedModel, PreTrainedTokenizerBase

from radloom.errors import CheckpointError
from radloom.study import View

CXR, CXR_END = "<cxr>", "</cxr>"
VIEWS = {View.FRONTAL: "<frontal>", View.LATERAL: "<lateral>"}
NULL = "<null>"
"""Stands where a condition was dropped, for classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598)."""
INSTRUCTION, RESPONSE, END = "<|instruction|>", "<|response|>", "<|end|>"
CONTROL = (CXR, CXR_END, *VIEWS.values(), NULL, INSTRUCTION, RESPONSE, END)


@dataclass(frozen=True)
class ImageVocabulary:
    """The image tokens of a model.

    Attributes:
        codes: size of the codebook.
        grid: rows and columns of an image's codes, (h, w).
    """

    codes: int = 1024
    grid: tuple[int, int] = (16, 16)

    @property
    def length(self) -> int:
        """Codes an image, h * w."""
        return self.grid[0] * self.grid[1]

    def code_names(self) -> list[str]:
        """The token of each code, in the order of the codebook."""
        return [f"<c{code:04d}>" for code in range(self.codes)]

    def extend(
        self,
        tokenizer: PreTrainedTokenizerBase,
        model: PreTrainedModel | None = None,
        codebook: Tensor | None = None,
        seed: int = 0,
    ) -> TokenIds:
        """Add the tokens to `tokenizer` and rows for them to `model`; tokens that are there already are left alone.

        New rows start at the mean of the text rows plus a little noise. Code rows, where a codebook is given, are a
        random projection of the centred codebook with the spread of the text rows, so that near codes are near tokens.

        Args:
            tokenizer: changed in place.
            model: changed in place; tied and untied heads are both filled.
            codebook: (codes, d), the codec's embedding of each code.
            seed: of noise and projection.

        Raises:
            CheckpointError: a codebook of another size.
        """
        if codebook is not None and codebook.shape[0] != self.codes:
            raise CheckpointError(
                f"The codebook has {codebook.shape[0]} codes and the vocabulary {self.codes}; give both the same size."
            )
        old = sorted(set(tokenizer.get_vocab().values()))
        names = [*CONTROL, *self.code_names()]
        tokenizer.add_tokens([AddedToken(n, normalized=False, special=True) for n in names], special_tokens=True)
        ids = TokenIds.of(tokenizer, self)
        if model is not None:
            known = tokenizer.get_vocab()
            _add_rows(model, old, [known[name] for name in names], ids, codebook, seed)
        return ids


@dataclass(frozen=True, eq=False)
class TokenIds:
    """The ids of the image tokens in one tokenizer.

    Attributes:
        vocabulary: which tokens these are.
        cxr, cxr_end: around an image; views: the token of each view.
        null: a dropped condition.
        instruction, response, end: around instruction and response.
        codes: (codes,) id of each code.
        text: ids of ordinary text tokens: neither these nor special tokens of the base model.
    """

    vocabulary: ImageVocabulary
    cxr: int
    cxr_end: int
    views: dict[View, int]
    null: int
    instruction: int
    response: int
    end: int
    codes: Tensor
    text: Tensor
    _code_of: Tensor = field(repr=False)  # id -> code, -1 where the id is no code

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, vocabulary: ImageVocabulary) -> TokenIds:
        """Look the tokens up.

        Raises:
            CheckpointError: the tokenizer lacks one; the text names it.
        """
        known = tokenizer.get_vocab()
        names = [*CONTROL, *vocabulary.code_names()]
        missing = [name for name in names if name not in known]
        if missing:
            raise CheckpointError(
                f"The tokenizer lacks {len(missing)} image tokens, {missing[0]!r} first. Use the tokenizer that was "
                f"saved with the model, with {vocabulary.codes} codes."
            )
        codes = torch.tensor([known[name] for name in vocabulary.code_names()])
        special = {known[name] for name in names} | set(tokenizer.all_special_ids)
        special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        code_of = torch.full((max(known.values()) + 1,), -1)
        code_of[codes] = torch.arange(len(codes))
        return cls(
            vocabulary=vocabulary,
            cxr=known[CXR],
            cxr_end=known[CXR_END],
            views={view: known[name] for view, name in VIEWS.items()},
            null=known[NULL],
            instruction=known[INSTRUCTION],
            response=known[RESPONSE],
            end=known[END],
            codes=codes,
            text=torch.tensor(sorted(set(known.values()) - special)),
            _code_of=code_of,
        )

    def encode_codes(self, codes: Tensor) -> list[int]:
        """Ids of an image's codes, any shape of h * w integers.

        Raises:
            ValueError: another number of codes, or a code outside the codebook.
        """
        codes = codes.flatten().long().cpu()
        if len(codes) != self.vocabulary.length:
            raise ValueError(f"{len(codes)} codes given; an image has {self.vocabulary.length}.")
        if int(codes.min()) < 0 or int(codes.max()) >= self.vocabulary.codes:
            raise ValueError(f"Codes run from {int(codes.min())} to {int(codes.max())}, outside the codebook.")
        return [int(i) for i in self.codes[codes]]

    def decode_codes(self, ids: list[int] | Tensor) -> Tensor:
        """Codes (n,) of n code ids.

        Raises:
            ValueError: an id that is no code.
        """
        codes = self._code_of[torch.as_tensor(ids, dtype=torch.long).cpu()]
        if (codes < 0).any():
            raise ValueError(f"Token {int((codes < 0).nonzero()[0])} of the sequence is not an image code.")
        return codes

    def opening(self, view: View | str) -> list[int]:
        """`<cxr> <view>`, what an image begins with."""
        return [self.cxr, self.views[View(view)]]

    def image(self, codes: Tensor, view: View | str) -> list[int]:
        """`<cxr> <view> <c....> ... </cxr>` of an image's h * w codes."""
        return [*self.opening(view), *self.encode_codes(codes), self.cxr_end]

    def is_image(self, ids: Tensor) -> Tensor:
        """Which of the ids are codes or the end of an image, as booleans of the same shape."""
        return (self._code_of.to(ids.device)[ids] >= 0) | (ids == self.cxr_end)


def _add_rows(
    model: PreTrainedModel, old: list[int], added: list[int], ids: TokenIds, codebook: Tensor | None, seed: int
) -> None:
    """Rows of the embedding and of the head for those tokens of `added` that were not in the vocabulary before."""
    rows: Any = model.get_input_embeddings().weight
    if max(added) >= len(rows):
        model.resize_token_embeddings(max(added) + 1, mean_resizing=False)
    text, new = torch.tensor(old), torch.tensor(sorted(set(added) - set(old)), dtype=torch.long)
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    for table in {id(t): t for t in (embedding.weight, head.weight)}.values():
        _fill(table.data, text, new, ids.codes, codebook, seed)
    if getattr(head, "bias", None) is not None:
        head.bias.data[new] = head.bias.data[text].mean()


def _fill(table: Tensor, text: Tensor, new: Tensor, codes: Tensor, codebook: Tensor | None, seed: int) -> None:
    known = table[text].float()
    mean, spread = known.mean(0), (known - known.mean(0)).std()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(new), table.shape[1], generator=generator).to(table.device)
    table[new] = (mean + 0.1 * spread * noise).to(table.dtype)
    if codebook is not None:
        centred = codebook.detach().float().cpu()
        centred = centred - centred.mean(0)
        projected = centred @ torch.randn(centred.shape[1], table.shape[1], generator=generator)  # (codes, hidden)
        rows = mean + spread * (projected / projected.std()).to(table.device)
        fresh = torch.isin(codes, new)
        table[codes[fresh]] = rows[fresh].to(table.dtype)
