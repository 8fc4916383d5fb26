"""The report autoencoder: a report <-> a latent of a few vectors, from which it can be written again.

A variational autoencoder of text (Bowman et al. 2016, arXiv 1511.06349), as Optimus (Li et al. 2020, arXiv 2004.04092)
gives MedCoDi-M its report latents; with a few vectors in place of one, which cross-attention reads. Free bits (Kingma
et al. 2016, arXiv 1606.04934) and dropped input words keep the decoder from ignoring them. Encoder and decoder are
BART's (Lewis et al. 2020, arXiv 1910.13461) from transformers, so that writing has its cache and its sampling.

Shapes: ids (b, n) int64 -> latents (b, slots, dim).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BartConfig, BartForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from radloom.diffusion.text import END, PAD, START


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the report autoencoder.

    Attributes:
        vocabulary: tokens of the report tokenizer.
        longest: most tokens of a report.
        slots, dim: vectors of a latent and their width.
        width, encoder_layers, decoder_layers, heads: of the networks.
        dropout: in training.
        word_dropout: share of the decoder's input words that are hidden in training.
        kl: weight of the Kullback-Leibler term.
        free_bits: nats of each dimension that cost nothing.
    """

    vocabulary: int = 2048
    longest: int = 192
    slots: int = 8
    dim: int = 32
    width: int = 256
    encoder_layers: int = 2
    decoder_layers: int = 3
    heads: int = 4
    dropout: float = 0.1
    word_dropout: float = 0.3
    kl: float = 0.2
    free_bits: float = 0.5

    def build(self) -> ReportAutoencoder:
        return ReportAutoencoder(self)


_TABLE = "bart.model.shared.weight"
_TIED = ("bart.model.encoder.embed_tokens.weight", "bart.model.decoder.embed_tokens.weight", "bart.lm_head.weight")
"""Names under which BART lists its one table of words again; it is stored once."""


class Posterior(NamedTuple):
    """Mean and log-variance of a latent, (b, slots, dim) each."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        return self.mean + torch.randn_like(self.mean) * (0.5 * self.log_variance).exp()

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from N(0, 1) in nats, averaged over the batch: (slots, dim)."""
        kl = 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance)
        return kl.mean(0)


class ReportAutoencoder(nn.Module):
    """Encoder, latent and decoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        bart = BartConfig(
            vocab_size=config.vocabulary,
            max_position_embeddings=config.longest + config.slots,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            encoder_attention_heads=config.heads,
            decoder_attention_heads=config.heads,
            encoder_ffn_dim=4 * config.width,
            decoder_ffn_dim=4 * config.width,
            d_model=config.width,
            dropout=config.dropout,
            attention_dropout=0.0,
            activation_dropout=0.0,
            pad_token_id=PAD,
            bos_token_id=START,
            eos_token_id=END,
            decoder_start_token_id=START,
            forced_eos_token_id=None,
        )
        self.bart: Any = BartForConditionalGeneration(bart)
        self.slots = nn.Parameter(torch.randn(config.slots, config.width) * 0.02)
        self.narrow = nn.Linear(config.width, 2 * config.dim)
        self.widen = nn.Linear(config.dim, config.width)
        self.slot = nn.Parameter(torch.randn(config.slots, config.width) * 0.02)
        self.register_state_dict_post_hook(_drop_tied)
        self.register_load_state_dict_pre_hook(_fill_tied)

    def posterior(self, ids: Tensor) -> Posterior:
        """What the encoder makes of reports (b, n) of `START ... END`, padded."""
        words = self.bart.get_input_embeddings()
        x = torch.cat([self.slots.expand(len(ids), -1, -1), words(ids)], 1)
        there = F.pad((ids != PAD).long(), (self.config.slots, 0), value=1)
        read = self.bart.model.encoder(inputs_embeds=x, attention_mask=there).last_hidden_state
        mean, log_variance = self.narrow(read[:, : self.config.slots]).chunk(2, -1)
        return Posterior(mean, log_variance.clamp(-8, 4))

    def logits(self, latents: Tensor, ids: Tensor) -> Tensor:
        """Logits (b, n, vocabulary) of what follows each of the ids (b, n)."""
        logits: Tensor = self.bart(encoder_outputs=self._read(latents), decoder_input_ids=ids, use_cache=False).logits
        return logits

    def forward(self, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of reports (b, n) and its terms."""
        posterior = self.posterior(ids)
        given = ids[:, :-1]
        if self.training:
            hidden = (torch.rand(given.shape, device=ids.device) < self.config.word_dropout) & (given > END)
            given = given.masked_fill(hidden, END)
        logits = self.logits(posterior.sample() if self.training else posterior.mean, given)
        words = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)
        divergence = posterior.divergence()
        beyond = divergence.clamp(min=self.config.free_bits).sum()
        return words + self.config.kl * beyond / self.config.longest, {"words": words, "kl": divergence.sum()}

    @torch.no_grad()
    def encode(self, ids: Tensor) -> Tensor:
        """Latents (b, slots, dim) of reports (b, n)."""
        return self.posterior(ids).mean

    @torch.no_grad()
    def write(self, latents: Tensor, beams: int = 1) -> Tensor:
        """Ids (b, n) of the likeliest reports of latents (b, slots, dim), found by beam search."""
        ids: Tensor = self.bart.generate(
            encoder_outputs=self._read(latents),
            attention_mask=torch.ones(latents.shape[:2], dtype=torch.long, device=latents.device),
            max_length=self.config.longest,
            num_beams=beams,
            do_sample=False,
        )
        return ids

    def _read(self, latents: Tensor) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=self.widen(latents) + self.slot)


def token_f1(a: Sequence[int], b: Sequence[int]) -> float:
    """F1 of two texts as bags of tokens, specials left out; 1 for two empty ones."""
    counts = [np.bincount([i for i in ids if i > END], minlength=1) for ids in (a, b)]
    width = max(map(len, counts))
    x, y = (np.pad(c, (0, width - len(c))) for c in counts)
    total = int(x.sum() + y.sum())
    return 2 * int(np.minimum(x, y).sum()) / total if total else 1.0


def _drop_tied(module: nn.Module, state: dict[str, Tensor], prefix: str, local_metadata: Any) -> None:
    for name in _TIED:
        state.pop(prefix + name, None)


def _fill_tied(module: nn.Module, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
    if prefix + _TABLE in state:
        state.update({prefix + name: state[prefix + _TABLE] for name in _TIED})
