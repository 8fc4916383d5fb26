"""A causal language model with image tokens, as a folder that any Hugging Face tool loads."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from radloom import config
from radloom.classifier.evidence import EvidenceScale
from radloom.errors import CheckpointError
from radloom.files import whole_folder
from radloom.language.base import BaseConfig, quiet
from radloom.language.consensus import LONGEST, Phrases
from radloom.language.prompts import CHAT_TEMPLATE, Prompter, fixed_texts
from radloom.language.vocabulary import ImageVocabulary, TokenIds
from radloom.study import OBSERVATIONS, SECTIONS

FORMAT = 1
"""Version of `radloom.json`."""

SETTINGS = "radloom.json"


@dataclass(frozen=True)
class Sight:
    """What evidence means.

    Attributes:
        scale: from a classifier's values to levels.
        classifier: its fingerprint.
        calls: for each of the 14 observations, from which evidence on, on the mean over a study's X-rays, reports state
            it as positive; none where the language model decides it.
    """

    scale: EvidenceScale
    classifier: str
    calls: tuple[float, ...] = ()

    def called(self, values: np.ndarray) -> list[list[bool]] | None:
        """Which observations are stated as positive, of each study's mean evidence (n, channels)."""
        if not self.calls:
            return None
        made: list[list[bool]] = (values[:, : len(self.calls)] >= np.array(self.calls)).tolist()
        return made


@dataclass
class LanguageModel:
    """A Hugging Face model and tokenizer that share image tokens.

    Attributes:
        model: the causal LM.
        tokenizer: its tokenizer.
        vocabulary: the image tokens.
        ids: their ids.
        codec: fingerprint of the codes that the model knows; `""` before it was trained.
        sight: of its evidence; None for a model without.
        thresholds: from which probability on it calls each observation positive, where `sight` does not decide it; None
            for a model without statements.
        phrases: of the sections of its training reports, see `consensus`; none for a model without statements.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    vocabulary: ImageVocabulary
    ids: TokenIds
    codec: str = ""
    sight: Sight | None = None
    thresholds: list[float] | None = None
    phrases: dict[str, Phrases] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        base: BaseConfig,
        vocabulary: ImageVocabulary,
        *,
        texts: Iterable[str] = (),
        codebook: Tensor | None = None,
        codec: str = "",
        sight: Sight | None = None,
        context: int | None = None,
        seed: int = 0,
    ) -> LanguageModel:
        """A base model that has just got its image tokens.

        Args:
            base: where the model comes from.
            vocabulary: the image tokens.
            texts: all training texts, for a cut vocabulary; the wordings of the prompts are added.
            codebook: (codes, d) of the codec.
            codec: fingerprint of its codes.
            sight: of the evidence, where the vocabulary has some.
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
        return cls(model, tokenizer, vocabulary, ids, codec, sight, _even(vocabulary))

    def extend(self, vocabulary: ImageVocabulary, sight: Sight | None, seed: int = 0) -> None:
        """Learn further tokens: evidence and statements, where the model has none yet.

        Args:
            vocabulary: the present one with more.
            sight: of the evidence from now on.
            seed: of new rows.

        Raises:
            CheckpointError: a vocabulary of other codes, or that lacks tokens which the model has.
        """
        if (vocabulary.codes, vocabulary.grid) != (self.vocabulary.codes, self.vocabulary.grid):
            raise CheckpointError("A language model keeps the codes it was trained with; name the codec they are of.")
        lost = sorted(set(self.vocabulary.names()) - set(vocabulary.names()))
        if lost:
            raise CheckpointError(
                f"The model begun from has {lost[0]} and {len(lost) - 1} more tokens that this stage leaves out; "
                "keep its evidence (`classifier`) and `statements`."
            )
        self.ids = vocabulary.extend(self.tokenizer, self.model, seed=seed)
        self.vocabulary, self.sight, self.thresholds = vocabulary, sight, _even(vocabulary)

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
        stored = getattr(torch, dtype)
        state = self.model.state_dict()
        # tensors that share memory go on sharing it, so that transformers sees that they are tied
        converted = {v.data_ptr(): v.detach().to("cpu", stored) for v in state.values() if v.is_floating_point()}
        settings = copy.deepcopy(self.model.config)
        settings.dtype = dtype
        own: dict[str, Any] = {"format": FORMAT, "vocabulary": config.to_dict(self.vocabulary), "codec": self.codec}
        if self.sight:
            own["sight"] = config.to_dict(self.sight)
        if self.thresholds:
            own["thresholds"] = self.thresholds
        if self.phrases:
            own["phrases"] = {section: config.to_dict(found) for section, found in self.phrases.items()}
        with whole_folder(folder) as new:
            with quiet():
                given = {k: converted.get(v.data_ptr(), v) for k, v in state.items()}
                self.model.save_pretrained(new, state_dict=given)
            settings.save_pretrained(new)
            self.tokenizer.save_pretrained(new)
            (new / SETTINGS).write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")
            if card is not None:
                (new / "README.md").write_text(card, encoding="utf-8")
        return Path(folder)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        dtype: torch.dtype = torch.float32,
        codec: str | None = None,
        classifier: str | None = None,
    ) -> LanguageModel:
        """Read a folder that `save` wrote.

        Args:
            folder: the checkpoint.
            dtype: of the weights in memory.
            codec, classifier: fingerprints of the codes and the classifier that will be used with it, if they should be
                checked.

        Raises:
            CheckpointError: not such a folder, of another format, with missing or unexpected weights (named), without
                an image token, or trained with other codes or evidence of another classifier.
        """
        folder = Path(folder)
        own = _read_settings(folder)
        if codec is not None and own["codec"] != codec:
            raise CheckpointError(
                f"{folder} was trained with the codes of codec {own['codec'] or 'unknown'}, not of {codec}. "
                "Use the codec that belongs to it."
            )
        sight = None
        if found := own.get("sight"):
            sight = config.from_dict(Sight, found, "sight")
            if classifier is not None and sight.classifier != classifier:
                raise CheckpointError(
                    f"{folder} was trained with evidence of classifier {sight.classifier}, not of {classifier}. "
                    "Use the classifier that belongs to it."
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
        ids = TokenIds.of(tokenizer, vocabulary)
        phrases = {s: config.from_dict(Phrases, found, f"phrases.{s}") for s, found in own.get("phrases", {}).items()}
        if phrases and (set(phrases) != set(SECTIONS) or any(len(p.totals) != LONGEST for p in phrases.values())):
            raise CheckpointError(f"phrases in {folder / SETTINGS} are not complete; restore it from a whole copy.")
        return cls(model.eval(), tokenizer, vocabulary, ids, own["codec"], sight, own.get("thresholds"), phrases)


def _even(vocabulary: ImageVocabulary) -> list[float] | None:
    """Thresholds before any calibration."""
    return [0.5] * len(OBSERVATIONS) if vocabulary.statements else None


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
