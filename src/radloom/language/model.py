"""A causal language model with image tokens, as a folder that any Hugging Face tool loads."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from radloom import config
from radloom.errors import CheckpointError
from radloom.language.base import BaseConfig, quiet
from radloom.language.prompts import CHAT_TEMPLATE, Prompter, fixed_texts
from radloom.language.vocabulary import ImageVocabulary, TokenIds

FORMAT = 1
"""Version of `radloom.json`."""

SETTINGS = "radloom.json"


@dataclass
class LanguageModel:
    """A Hugging Face model and tokenizer that share image tokens.

    Attributes:
        model: the causal LM.
        tokenizer: its tokenizer.
        vocabulary: the image tokens.
        ids: their ids.
        codec: fingerprint of the codec whose codes the model knows; `""` before it was trained.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    vocabulary: ImageVocabulary
    ids: TokenIds
    codec: str = ""

    @classmethod
    def create(
        cls,
        base: BaseConfig,
        vocabulary: ImageVocabulary,
        *,
        texts: Iterable[str] = (),
        codebook: Tensor | None = None,
        codec: str = "",
        context: int | None = None,
        seed: int = 0,
    ) -> LanguageModel:
        """A base model that has just got its image tokens.

        Args:
            base: where the model comes from.
            vocabulary: the image tokens.
            texts: all training texts, for a cut vocabulary; the wordings of the prompts are added.
            codebook: (codes, d) of the codec.
            codec: its fingerprint.
            context: most tokens of a sequence from now on; what is never trained on is better refused than answered.
            seed: of new rows and random weights.

        Raises:
            RadloomError: see `BaseConfig.build` and `ImageVocabulary.extend`.
        """
        model, tokenizer = base.build(chain(texts, fixed_texts()), seed)
        ids = vocabulary.extend(tokenizer, model, codebook, seed)
        tokenizer.chat_template = CHAT_TEMPLATE
        for settings in (model.config, model.generation_config):
            settings.eos_token_id = ids.end
        if context is not None:
            model.config.max_position_embeddings = min(context, model.config.max_position_embeddings)
        if model.generation_config.pad_token_id is None:
            model.generation_config.pad_token_id = ids.end
        return cls(model, tokenizer, vocabulary, ids, codec)

    @property
    def prompter(self) -> Prompter:
        """Builds this model's prompts."""
        return Prompter(self.tokenizer, self.ids)

    def save(self, folder: Path | str, dtype: str = "bfloat16", card: str | None = None) -> Path:
        """Write an ordinary Hugging Face folder with `radloom.json` beside, whole or not at all.

        Args:
            folder: where; its parent is made and a folder that is there replaced.
            dtype: of the stored weights; tied tables are stored once.
            card: text of the model card `README.md`.
        """
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
        for stale in (new, old):
            shutil.rmtree(stale, ignore_errors=True)
        stored = getattr(torch, dtype)
        state = self.model.state_dict()
        # tensors that share memory go on sharing it, so that transformers sees that they are tied
        converted = {v.data_ptr(): v.detach().to("cpu", stored) for v in state.values() if v.is_floating_point()}
        with quiet():
            self.model.save_pretrained(new, state_dict={k: converted.get(v.data_ptr(), v) for k, v in state.items()})
        settings = copy.deepcopy(self.model.config)
        settings.dtype = dtype
        settings.save_pretrained(new)
        self.tokenizer.save_pretrained(new)
        own = {"format": FORMAT, "vocabulary": config.to_dict(self.vocabulary), "codec": self.codec}
        (new / SETTINGS).write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")
        if card is not None:
            (new / "README.md").write_text(card, encoding="utf-8")
        if folder.exists():
            folder.replace(old)
        new.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: Path | str, dtype: torch.dtype = torch.float32, codec: str | None = None) -> LanguageModel:
        """Read a folder that `save` wrote.

        Args:
            folder: the checkpoint.
            dtype: of the weights in memory.
            codec: fingerprint of the codec that will be used with it, if it should be checked.

        Raises:
            CheckpointError: not such a folder, of another format, with missing or unexpected weights (named), without
                an image token, or trained with another codec.
        """
        folder = Path(folder)
        own = _read_settings(folder)
        if codec is not None and own["codec"] != codec:
            raise CheckpointError(
                f"{folder} was trained with the codes of codec {own['codec'] or 'unknown'}, not of {codec}. "
                "Use the codec that belongs to it."
            )
        vocabulary = config.from_dict(ImageVocabulary, own["vocabulary"], "vocabulary")
        try:
            with quiet():
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
                loaded: Any = AutoModelForCausalLM.from_pretrained(
                    folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
                )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = next(iter(str(error).splitlines()), "")
            raise CheckpointError(f"{folder} cannot be loaded ({reason}); restore it from a whole copy.") from None
        model, info = loaded
        _check_keys(folder, info)
        return cls(model.eval(), tokenizer, vocabulary, TokenIds.of(tokenizer, vocabulary), own["codec"])


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a language model of radloom: {SETTINGS} is missing.")
    try:
        own = json.loads(path.read_text(encoding="utf-8"))
        known = own["format"], own["vocabulary"], own["codec"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not complete ({error}); restore it from a whole copy.") from None
    if known[0] != FORMAT:
        raise CheckpointError(f"{folder} has format {known[0]}; this radloom reads format {FORMAT}.")
    return dict(own)


def _check_keys(folder: Path, info: dict[str, Any]) -> None:
    """transformers fills missing weights with random numbers and only warns."""
    missing, extra = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    if missing or extra:
        named = ", ".join((missing + extra)[:3])
        raise CheckpointError(
            f"{folder}: {len(missing)} weights are missing and {len(extra)} unexpected ({named}). "
            "Restore the whole checkpoint folder."
        )
