"""Generation under a grammar: evidence and exactly h * w codes, or statements and text. Never a retry.

Tokens that are not allowed never enter the softmax, so the count of codes is right by construction, whatever the
logits are. Every sample draws from its own generator, seeded by its own number: a batch gives what its members give
one by one. Sampling is nucleus sampling (Holtzman et al. 2019, arXiv 1904.09751); guidance is classifier-free (Ho and
Salimans 2022, arXiv 2207.12598) on logits: null + g * (conditional - null).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from radloom.errors import RadloomError
from radloom.language.losses import linear_head
from radloom.language.vocabulary import POSITIVE, TokenIds
from radloom.progress import Progress

Written = Callable[[list[list[int]]], None]
"""Called after each token of text with the token ids of every answer so far, statements included."""


@torch.no_grad()
def generate_codes(
    model: PreTrainedModel,
    ids: TokenIds,
    prompts: Sequence[list[int]],
    *,
    seeds: Sequence[int],
    null_prompts: Sequence[list[int]] | None = None,
    guidance: float = 1.0,
    temperature: float = 1.0,
    top_p: float = 0.92,
    top_k: int | None = None,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> Tensor:
    """Draw images.

    Args:
        model: a causal LM with image tokens.
        ids: their ids.
        prompts: n token sequences that end in `<cxr> <view>`; evidence, where the model has any, is drawn first.
        seeds: one a prompt.
        null_prompts: n prompts with the condition dropped; needed when `guidance` is not 1.
        guidance: 1 is none; above 1 the condition counts for more.
        temperature: 0 takes the likeliest code.
        top_p: smallest set of codes with this much probability is drawn from; LLM-CXR's is the default.
        top_k: draw from so many likeliest codes only.
        use_cache: keep keys and values of past tokens; off only to check it.
        progress: told of each step.

    Returns:
        (n, h * w) codes, int64, on the CPU.

    Raises:
        RadloomError: a sampling parameter out of range, or more tokens than the model's context holds.
    """
    picker = _Picker(temperature, top_p, top_k, guidance)
    if len(seeds) != len(prompts):
        raise RadloomError(f"{len(prompts)} prompts but {len(seeds)} seeds; give one seed a prompt.")
    guided = _guided(prompts, null_prompts, guidance)
    steps, channels = ids.vocabulary.drawn, len(ids.evidence)
    allowed = torch.cat([ids.evidence.flatten(), ids.codes])
    places = [*_rows(ids.evidence), *[slice(ids.evidence.numel(), None)] * ids.vocabulary.length]
    noise = _uniforms(seeds, steps).to(model.device)
    picks = torch.empty(len(prompts), steps, dtype=torch.long, device=model.device)
    with _evaluating(model):
        decoder = _Decoder(model, guided, allowed, steps, ids.end, use_cache)
        logits = decoder.start()
        for step, place in enumerate(places):
            likely = picker.guided(logits[:, place], len(prompts))
            picks[:, step] = place.start + picker.draw(likely, noise[:, step])
            if step + 1 < steps:
                logits = decoder.advance(picks[:, step])
            if progress:
                progress(step + 1, steps)
    return (picks[:, channels:] - ids.evidence.numel()).cpu()


@torch.no_grad()
def generate_text(
    model: PreTrainedModel,
    ids: TokenIds,
    prompts: Sequence[list[int]],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int | None = None,
    seeds: Sequence[int] | None = None,
    null_prompts: Sequence[list[int]] | None = None,
    guidance: float = 1.0,
    min_tokens: int = 1,
    thresholds: Sequence[float] | None = None,
    positives: Sequence[Sequence[bool]] | None = None,
    candidates: int = 1,
    choices: Sequence[Collection[list[int]]] | None = None,
    use_cache: bool = True,
    progress: Progress | None = None,
    written: Written | None = None,
) -> list[list[int]]:
    """Write answers of text tokens alone, each up to its `<|end|>` or `max_tokens`; or reports, after statements.

    Args:
        model: a causal LM with image tokens.
        ids: their ids.
        prompts: n token sequences that end in `<|response|>`.
        max_tokens: longest answer.
        temperature: 0 takes the likeliest token.
        top_p, top_k: as in `generate_codes`.
        seeds: one a prompt; needed when the temperature is not 0.
        null_prompts, guidance: as in `generate_codes`.
        min_tokens: `<|end|>` is not allowed before so many tokens.
        thresholds: write reports of a model with statements, which come first and count beside `max_tokens`: one number
            an observation, called positive where that is at least so probable and drawn from the other states where
            it is not.
        positives: for each prompt, which observations are called positive; in place of the thresholds' verdict.
        candidates: texts that are written of each prompt, with the same statements.
        choices: for each prompt, the answers that it may get, as text tokens; any where there are none. `min_tokens`
            does not count then.
        use_cache, progress: as in `generate_codes`.
        written: told of the answers while they grow, of several candidates the first.

    Returns:
        Token ids of each answer, statements included, without the end; the candidates of a prompt one after another.

    Raises:
        RadloomError: a sampling parameter out of range, seeds missing, or more tokens than the model's context holds.
    """
    picker = _Picker(temperature, top_p, top_k, guidance)
    if temperature > 0 and (seeds is None or len(seeds) != len(prompts)):
        raise RadloomError(f"Sampling at temperature {temperature} needs one seed a prompt; give {len(prompts)} seeds.")
    if thresholds is not None and len(thresholds) != len(ids.statements):
        raise RadloomError(f"{len(thresholds)} thresholds given; this model makes {len(ids.statements)} statements.")
    if candidates < 1:
        raise RadloomError(f"candidates {candidates} is out of range; give 1 or more.")
    if choices is not None and (len(choices) != len(prompts) or any([] in answers for answers in choices)):
        raise RadloomError(f"{len(choices)} choices for {len(prompts)} prompts; give each its answers, none empty.")
    guided = _guided(prompts, null_prompts, guidance)
    verdicts: list[float | Tensor] = list(thresholds or ())
    if thresholds is not None and positives is not None:
        verdicts = list(torch.tensor([list(row) for row in positives], device=model.device).T)
    steps = len(verdicts) + max_tokens
    noise = _uniforms(seeds or [0] * len(prompts), len(verdicts) + candidates * max_tokens).to(model.device)
    allowed = torch.cat([ids.statements.flatten(), ids.text, torch.tensor([ids.end])])
    limits = [choice for choice in choices or [[]] * len(prompts) for _ in range(candidates)]

    def tell(picks: Tensor) -> None:
        if progress:
            progress(picks.shape[1], steps)
        if written and picks.shape[1] > len(verdicts):
            written(_tokens(picks[::candidates], allowed))

    with _evaluating(model):
        decoder = _Decoder(model, guided, allowed, steps, ids.end, use_cache)
        picks, logits = _statements(decoder, _rows(ids.statements), verdicts, noise, picker, tell)
        logits, picks = decoder.branch(logits, candidates), picks.repeat_interleave(candidates, 0)
        text, own = slice(ids.statements.numel(), None), noise[:, len(verdicts) :].reshape(-1, max_tokens)
        how: dict[str, Any] = {"picker": picker, "min_tokens": min_tokens, "limits": limits, "tell": tell}
        picks = _prose(decoder, logits, picks, text, noise=own, **how)
    return _tokens(picks, allowed)


def _statements(
    decoder: _Decoder,
    tables: Sequence[slice],
    verdicts: Sequence[float | Tensor],
    noise: Tensor,
    picker: _Picker,
    tell: Callable[[Tensor], None],
) -> tuple[Tensor, Tensor]:
    """Write statements after the prompts.

    Args:
        decoder: not started yet.
        tables: where the states of each observation lie among the allowed tokens.
        verdicts: for each statement, when it is positive; see `_state`.
        noise: (n, steps) in [0, 1), of these steps first.
        picker: draws.
        tell: is told of all picks so far.

    Returns:
        (n, statements) picks among the allowed tokens, and the logits after them.
    """
    logits = decoder.start()
    picks = torch.empty(len(noise), 0, dtype=torch.long, device=noise.device)
    for step, verdict in enumerate(verdicts):
        likely = _state(picker.guided(logits[:, tables[step]], len(picks)), verdict)
        pick = tables[step].start + picker.draw(likely, noise[:, step])
        picks = torch.cat([picks, pick[:, None]], 1)
        tell(picks)
        logits = decoder.advance(pick)
    return picks, logits


def _prose(
    decoder: _Decoder,
    logits: Tensor,
    stated: Tensor,
    text: slice,
    *,
    noise: Tensor,
    picker: _Picker,
    min_tokens: int,
    limits: Sequence[Collection[list[int]]],
    tell: Callable[[Tensor], None],
) -> Tensor:
    """Write text up to the end, which is the last of the allowed tokens, or as long as there is noise.

    Args:
        decoder: that gave the logits.
        logits: of the first token.
        stated: (n, statements) picks before the text.
        text: where text and end lie among the allowed tokens.
        noise: (n, most tokens) in [0, 1).
        picker: draws.
        min_tokens: the end is not allowed before so many, but of answers that are limited.
        limits: the whole answers that each may become; any where there are none.
        tell: is told of all picks so far.

    Returns:
        (n, statements + tokens) picks; of shorter answers the rest is the end.
    """
    picks, end = stated, len(decoder.allowed) - 1
    done = torch.zeros(len(picks), dtype=torch.bool, device=picks.device)
    free = torch.tensor([not limit for limit in limits], device=picks.device)
    for step in range(noise.shape[1]):
        likely = picker.guided(logits[:, text], len(picks))
        if any(limits):
            said = _tokens(picks[:, stated.shape[1] :], decoder.allowed)
            likely = _limit(likely, said, limits, decoder.allowed[text])
        if step < min_tokens:
            is_end = torch.arange(likely.shape[1], device=likely.device) == likely.shape[1] - 1
            likely = likely.masked_fill(free[:, None] & is_end, -math.inf)
        pick = (text.start + picker.draw(likely, noise[:, step])).masked_fill(done, end)
        picks = torch.cat([picks, pick[:, None]], 1)
        done |= pick == end
        tell(picks)
        if done.all() or step + 1 == noise.shape[1]:
            break
        logits = decoder.advance(pick)
    return picks


def _limit(
    logits: Tensor, said: Sequence[list[int]], choices: Sequence[Collection[list[int]]], tokens: Tensor
) -> Tensor:
    """Logits (n, a) of text tokens, the last of them the end, in which only what goes on with a choice is possible.

    Args:
        logits: after what was said.
        said: the text tokens of each answer so far.
        choices: the whole answers that each may become; any where there are none.
        tokens: (a,) ids.
    """
    limited = logits.clone()
    for row, (prefix, answers) in enumerate(zip(said, choices, strict=True)):
        if answers:
            end = [int(tokens[-1])]
            following = [[*answer, *end][len(prefix)] for answer in answers if answer[: len(prefix)] == prefix]
            possible = torch.isin(tokens, torch.tensor(following, device=tokens.device))
            limited[row] = logits[row].masked_fill(~possible.to(logits.device), -math.inf)
    return limited


def _tokens(picks: Tensor, allowed: Tensor) -> list[list[int]]:
    """Ids of what was picked, given as indices among the allowed tokens, of which the last is the end."""
    rows = zip(picks.tolist(), allowed.to(picks.device)[picks].tolist(), strict=True)
    return [[token for i, token in zip(*row, strict=True) if i + 1 < len(allowed)] for row in rows]


@torch.no_grad()
def generate_statements(
    model: PreTrainedModel, ids: TokenIds, prompts: Sequence[list[int]], thresholds: Sequence[float]
) -> tuple[list[list[int]], Tensor]:
    """What reports would state, as `generate_text` does at temperature 0.

    Args:
        model, ids, thresholds: as in `generate_text`.
        prompts: n token sequences that end in `<|response|>`.

    Returns:
        The statements of each prompt, and (n, 14) how probable a positive one was, given those before it.
    """
    tables = _rows(ids.statements)
    said, probabilities = [], []
    with _evaluating(model):
        decoder = _Decoder(model, list(prompts), ids.statements.flatten(), len(tables), ids.end, use_cache=True)
        logits = decoder.start()
        for place, threshold in zip(tables, thresholds, strict=True):
            probabilities.append(logits[:, place].softmax(-1)[:, POSITIVE])
            said.append(place.start + _state(logits[:, place], threshold).argmax(-1))
            if len(said) < len(tables):
                logits = decoder.advance(said[-1])
    made = ids.statements.flatten()[torch.stack(said, 1).cpu()].tolist()
    return made, torch.stack(probabilities, 1).cpu()


def _state(logits: Tensor, threshold: float | Tensor) -> Tensor:
    """Logits (n, states) in which positive is certain where it is called, and excluded elsewhere.

    Args:
        logits: of one observation.
        threshold: from which probability on it is called positive; or (n,) booleans that say where it is.
    """
    positive = threshold if isinstance(threshold, Tensor) else logits.softmax(-1)[:, POSITIVE] >= threshold
    chosen = torch.arange(logits.shape[-1], device=logits.device) == POSITIVE
    return logits.masked_fill(positive[:, None] != chosen, -math.inf)


def _rows(table: Tensor) -> list[slice]:
    """Where each row of a flattened table lies."""
    rows, columns = table.shape
    return [slice(i * columns, (i + 1) * columns) for i in range(rows)]


class _Decoder:
    """Feeds a batch of sequences to the model token by token and gives the logits of the allowed tokens.

    Prompts of different lengths are padded on the left; a sequence does not see its padding, and its positions count
    from its first real token.
    """

    def __init__(
        self, model: PreTrainedModel, prompts: list[list[int]], allowed: Tensor, steps: int, pad: int, use_cache: bool
    ) -> None:
        longest = max(map(len, prompts))
        context = getattr(model.config, "max_position_embeddings", None)
        if context and longest + steps > context:
            raise RadloomError(
                f"A prompt of {longest} tokens with {steps} more to come does not fit the model's context of "
                f"{context}; shorten the text."
            )
        device = model.device
        rows = [[pad] * (longest - len(prompt)) + prompt for prompt in prompts]
        real = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self.tokens = torch.tensor(rows, device=device)  # (b, s) all tokens so far
        self.mask = torch.tensor(real, device=device) if len(set(map(len, prompts))) > 1 else None
        self.model, self.allowed, self.use_cache = model, allowed.to(device), use_cache
        self.cache: Any = None
        self.head = linear_head(model)
        self.takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        if self.head is not None:  # a row is copied once, so that no step computes logits that are not allowed
            bias = self.head.bias
            self.rows, self.bias = self.head.weight[self.allowed], None if bias is None else bias[self.allowed]

    def start(self) -> Tensor:
        """(b, a) float32 logits of the allowed tokens after the prompts."""
        return self._forward(self.tokens)

    def advance(self, picks: Tensor) -> Tensor:
        """The same after one more token a sample, given as its index among the allowed; null rows get it too."""
        new = self.allowed[picks].repeat(len(self.tokens) // len(picks))[:, None]
        self.tokens = torch.cat([self.tokens, new], 1)
        if self.mask is not None:
            self.mask = torch.cat([self.mask, torch.ones_like(new)], 1)
        return self._forward(new if self.use_cache else self.tokens)

    def branch(self, logits: Tensor, copies: int) -> Tensor:
        """Go on with so many copies of each sequence, which lie side by side; their logits, from those of the last."""
        if copies == 1:
            return logits
        self.tokens = self.tokens.repeat_interleave(copies, 0)
        if self.mask is not None:
            self.mask = self.mask.repeat_interleave(copies, 0)
        if self.cache is not None:
            self.cache.batch_repeat_interleave(copies)
        return logits.repeat_interleave(copies, 0)

    def _forward(self, tokens: Tensor) -> Tensor:
        inputs: dict[str, Any] = {"input_ids": tokens, "use_cache": self.use_cache, "past_key_values": self.cache}
        if self.mask is not None:
            inputs["attention_mask"] = self.mask
            if self.takes_positions:
                positions = (self.mask.cumsum(1) - 1).clamp_min(0)
                inputs["position_ids"] = positions[:, -tokens.shape[1] :]
        if self.head is None:
            output = self.model(**inputs)
            logits = output.logits[:, -1, self.allowed]
        else:
            output = self.model.base_model(**inputs)
            logits = F.linear(output.last_hidden_state[:, -1], self.rows, self.bias)
        self.cache = output.past_key_values if self.use_cache else None
        return logits.float()


def _guided(prompts: Sequence[list[int]], null_prompts: Sequence[list[int]] | None, guidance: float) -> list[list[int]]:
    if not math.isfinite(guidance):
        raise RadloomError(f"guidance {guidance} is out of range; give a finite number.")
    if guidance == 1.0:
        return list(prompts)
    if null_prompts is None or len(null_prompts) != len(prompts):
        raise RadloomError(f"Guidance {guidance} needs a null prompt for each of the {len(prompts)} prompts.")
    return [*prompts, *null_prompts]


def _uniforms(seeds: Sequence[int], steps: int) -> Tensor:
    """(n, steps) numbers in [0, 1), each row from its own seed."""
    return torch.stack([torch.rand(steps, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def check_sampling(temperature: float, top_p: float, top_k: int | None = None) -> None:
    """Refuse settings that nothing can be drawn with; see `generate_codes`.

    Raises:
        RadloomError: a negative or infinite temperature, a top-p outside (0, 1], a top-k below 1.
    """
    if not 0 <= temperature < float("inf"):
        raise RadloomError(f"temperature {temperature} is out of range; give 0 or more.")
    if not 0 < top_p <= 1:
        raise RadloomError(f"top_p {top_p} is out of range; give more than 0 and at most 1.")
    if top_k is not None and top_k < 1:
        raise RadloomError(f"top_k {top_k} is out of range; give 1 or more.")


@dataclass(frozen=True)
class _Picker:
    """How the next token is drawn; see `generate_codes`."""

    temperature: float
    top_p: float
    top_k: int | None
    guidance: float

    def __post_init__(self) -> None:
        check_sampling(self.temperature, self.top_p, self.top_k)

    def guided(self, logits: Tensor, samples: int) -> Tensor:
        """(n, a) logits of the samples; with guidance, those of their null prompts come after them."""
        if self.guidance == 1.0:
            return logits
        conditional, null = logits[:samples], logits[samples:]
        return null + self.guidance * (conditional - null)

    def draw(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """One index a row, by the inverse of the cumulative distribution.

        Args:
            logits: (n, a); NaN counts as least likely.
            uniform: (n,) in [0, 1).
        """
        logits = torch.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9)
        if self.temperature == 0:
            return logits.argmax(-1)
        probabilities = (logits / self.temperature).softmax(-1)
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            smallest = probabilities.topk(self.top_k).values[:, -1:]
            probabilities = probabilities.where(probabilities >= smallest, 0.0)
        if self.top_p < 1:
            ordered = probabilities.sort(descending=True).values
            inside = ordered.cumsum(-1) - ordered < self.top_p * ordered.sum(-1, keepdim=True)
            smallest = ordered.gather(-1, inside.sum(-1, keepdim=True) - 1)
            probabilities = probabilities.where(probabilities >= smallest, 0.0)
        cumulative = probabilities.cumsum(-1)
        total = cumulative[:, -1:]
        pick = torch.searchsorted(cumulative, uniform[:, None] * total, right=True)[:, 0]
        return pick.minimum((cumulative < total).sum(-1))  # rounding must not step past the last possible index


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Within, the model is in eval mode."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
