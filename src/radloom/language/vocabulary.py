"""Image tokens as named tokens of a language model's own tokenizer.

LLM-CXR (Lee et al. 2023, arXiv 2305.11490) appends the codes of a VQ-GAN to the vocabulary of a text-pretrained LLM.
Here every code has a name (`<c0012>`), so its id is looked up and never computed from an offset, and tokenizer and
model stay what any Hugging Face tool loads. An image of h x w codes is `<cxr> <frontal> <c0012> ... </cxr>`.

Two further kinds of token are optional. Evidence stands before the codes of an image, one token a channel of
`classifier.evidence`: `<see:cardiomegaly:7>`. Statements say what a report says of each observation:
`<say:cardiomegaly:positive>`; a report that is written begins with them, a text that is drawn from ends with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AddedToken, PreTrainedModel, PreTrainedTokenizerBase

from radloom.errors import CheckpointError
from radloom.study import OBSERVATIONS, Mention, View, slug

CXR, CXR_END = "<cxr>", "</cxr>"
VIEWS = {View.FRONTAL: "<frontal>", View.LATERAL: "<lateral>"}
NULL = "<null>"
"""Stands where a condition was dropped, for classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598)."""
INSTRUCTION, RESPONSE, END = "<|instruction|>", "<|response|>", "<|end|>"
CONTROL = (CXR, CXR_END, *VIEWS.values(), NULL, INSTRUCTION, RESPONSE, END)

STATES: tuple[Mention | None, ...] = (None, Mention.NEGATIVE, Mention.UNCERTAIN, Mention.POSITIVE)
"""What a report may say of an observation; None is not mentioned."""
POSITIVE = STATES.index(Mention.POSITIVE)


@dataclass(frozen=True)
class ImageVocabulary:
    """The image tokens of a model.

    Attributes:
        codes: size of the codebook.
        grid: rows and columns of an image's codes, (h, w).
        evidence: names of the evidence channels; none for a model without evidence.
        levels: levels of a channel.
        statements: whether there are tokens for statements.
    """

    codes: int = 1024
    grid: tuple[int, int] = (16, 16)
    evidence: tuple[str, ...] = ()
    levels: int = 8
    statements: bool = False

    @property
    def length(self) -> int:
        """Codes an image, h * w."""
        return self.grid[0] * self.grid[1]

    @property
    def drawn(self) -> int:
        """Tokens of a drawing: evidence and codes."""
        return len(self.evidence) + self.length

    def code_names(self) -> list[str]:
        """The token of each code, in the order of the codebook."""
        return [f"<c{code:04d}>" for code in range(self.codes)]

    def evidence_names(self) -> list[str]:
        """The token of each level of each channel, channel by channel."""
        return [f"<see:{channel}:{level}>" for channel in self.evidence for level in range(self.levels)]

    def statement_names(self) -> list[str]:
        """The token of each state of each observation, observation by observation."""
        if not self.statements:
            return []
        said = [state.value if state else "unmentioned" for state in STATES]
        return [f"<say:{slug(o)}:{state}>" for o in OBSERVATIONS for state in said]

    def names(self) -> list[str]:
        """All tokens."""
        return [*CONTROL, *self.code_names(), *self.evidence_names(), *self.statement_names()]

    def extend(
        self,
        tokenizer: PreTrainedTokenizerBase,
        model: PreTrainedModel | None = None,
        codebook: Tensor | None = None,
        seed: int = 0,
    ) -> TokenIds:
        """Add the tokens to `tokenizer` and rows for them to `model`; tokens that are there already are left alone.

        New rows start at the mean of the text rows plus a little noise. Code rows, where a codebook is given, are a
        random projection of the centred codebook with the spread of the text rows, so that near codes are near tokens;
        the levels of an evidence channel lie on a line for the same reason. A statement's row is made of the rows of
        its words: begun near the mean, all statements look alike, and the prose learns to do without them.

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
        names = self.names()
        tokenizer.add_tokens([AddedToken(n, normalized=False, special=True) for n in names], special_tokens=True)
        ids = TokenIds.of(tokenizer, self)
        if model is not None:
            known = tokenizer.get_vocab()
            words = [_words(tokenizer, name) for name in self.statement_names()]
            _add_rows(model, old, [known[name] for name in names], ids, words, codebook, seed)
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
        evidence: (channels, levels) ids.
        statements: (observations, states) ids, (0, states) for a model without.
        text: ids of ordinary text tokens: neither these nor special tokens of the base model.
        added: ids of all tokens of the vocabulary.
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
    evidence: Tensor
    statements: Tensor
    text: Tensor
    added: Tensor
    _code_of: Tensor = field(repr=False)  # id -> code, -1 where the id is no code
    _image: Tensor = field(repr=False)  # id -> whether it is part of an image

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, vocabulary: ImageVocabulary) -> TokenIds:
        """Look the tokens up.

        Raises:
            CheckpointError: the tokenizer lacks one; the text names it.
        """
        known = tokenizer.get_vocab()
        names = vocabulary.names()
        missing = [name for name in names if name not in known]
        if missing:
            raise CheckpointError(
                f"The tokenizer lacks {len(missing)} image tokens, {missing[0]!r} first. Use the tokenizer that was "
                f"saved with the model, with {vocabulary.codes} codes."
            )
        codes = torch.tensor([known[name] for name in vocabulary.code_names()])
        evidence = _table(known, vocabulary.evidence_names(), vocabulary.levels)
        statements = _table(known, vocabulary.statement_names(), len(STATES))
        special = {known[name] for name in names} | set(tokenizer.all_special_ids)
        special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        code_of = torch.full((max(known.values()) + 1,), -1)
        code_of[codes] = torch.arange(len(codes))
        image = code_of >= 0
        image[evidence] = True
        image[known[CXR_END]] = True
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
            evidence=evidence,
            statements=statements,
            text=torch.tensor(sorted(set(known.values()) - special)),
            added=torch.tensor([known[name] for name in names]),
            _code_of=code_of,
            _image=image,
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

    def see(self, levels: Sequence[int] | None) -> list[int]:
        """Evidence of an image, one level a channel.

        Raises:
            ValueError: another number of levels than the model has channels.
        """
        levels = [] if levels is None else list(levels)
        if len(levels) != len(self.evidence):
            raise ValueError(f"{len(levels)} levels of evidence given; this model has {len(self.evidence)} channels.")
        return [int(row[level]) for row, level in zip(self.evidence, levels, strict=True)]

    def say(self, labels: Mapping[str, Mention]) -> list[int]:
        """Statements on every observation, in `OBSERVATIONS`' order; nothing for a model without statements."""
        states = [STATES.index(labels.get(o)) for o in OBSERVATIONS]
        return [int(row[state]) for row, state in zip(self.statements, states, strict=False)]

    def said(self, ids: Sequence[int]) -> dict[str, Mention]:
        """The labels that statements among the ids make: the inverse of `say`."""
        known = {
            int(i): (o, state)
            for o, row in zip(OBSERVATIONS, self.statements, strict=False)
            for i, state in zip(row, STATES, strict=True)
        }
        found = (known[i] for i in ids if i in known)
        return {observation: state for observation, state in found if state is not None}

    def image(self, codes: Tensor | None, view: View | str, levels: Sequence[int] | None = None) -> list[int]:
        """`<cxr> <view> <see:...> ... <c....> ... </cxr>` of an image's evidence and h * w codes; or without codes."""
        return [
            *self.opening(view),
            *self.see(levels),
            *([] if codes is None else self.encode_codes(codes)),
            self.cxr_end,
        ]

    def is_image(self, ids: Tensor) -> Tensor:
        """Which of the ids are codes, evidence or the end of an image, as booleans of the same shape."""
        return self._image.to(ids.device)[ids]


def _table(known: dict[str, int], names: list[str], columns: int) -> Tensor:
    return torch.tensor([known[name] for name in names], dtype=torch.long).view(-1, columns)


def _words(tokenizer: PreTrainedTokenizerBase, statement: str) -> list[list[int]]:
    """`<say:pleural-effusion:positive>` -> the text tokens of " pleural effusion" and those of " positive"."""
    _, *parts = statement.strip("<>").split(":")
    encoded = (tokenizer(" " + part.replace("-", " "), add_special_tokens=False) for part in parts)
    return [list(one.input_ids) for one in encoded]


def _add_rows(
    model: PreTrainedModel,
    old: list[int],
    added: list[int],
    ids: TokenIds,
    words: list[list[list[int]]],
    codebook: Tensor | None,
    seed: int,
) -> None:
    """Rows of the embedding and of the head for those tokens of `added` that were not in the vocabulary before."""
    rows: Any = model.get_input_embeddings().weight
    if max(added) >= len(rows):
        model.resize_token_embeddings(max(added) + 1, mean_resizing=False)
    text, new = torch.tensor(old), torch.tensor(sorted(set(added) - set(old)), dtype=torch.long)
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    for table in {id(t): t for t in (embedding.weight, head.weight)}.values():
        _fill(table.data, text, new, ids, words, codebook, seed)
    if getattr(head, "bias", None) is not None:
        head.bias.data[new] = head.bias.data[text].mean()


def _fill(
    table: Tensor,
    text: Tensor,
    new: Tensor,
    ids: TokenIds,
    words: list[list[list[int]]],
    codebook: Tensor | None,
    seed: int,
) -> None:
    codes = ids.codes
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
    if ids.evidence.numel():
        channels, levels = ids.evidence.shape
        at, along = (torch.randn(channels, 1, table.shape[1], generator=generator) for _ in range(2))
        steps = torch.linspace(-1, 1, levels)[None, :, None]
        rows = mean + spread * ((at + steps * along) / 2**0.5).flatten(0, 1).to(table.device)
        fresh = torch.isin(ids.evidence.flatten(), new)
        table[ids.evidence.flatten()[fresh]] = rows[fresh].to(table.dtype)
    for token, parts in zip(ids.statements.flatten(), words, strict=True):
        if token in new:
            sums = torch.stack([(table[part].float() - mean).sum(0) for part in parts])  # (2, hidden)
            row = (sums / sums.std(1, keepdim=True)).sum(0) / 2**0.5
            table[token] = (mean + spread * row).to(table.dtype)
