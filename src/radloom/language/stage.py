"""Instruction tuning of a language model on studies as token sequences (LLM-CXR, stages 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from radloom.classifier.evidence import NEVER
from radloom.imaging import sheet
from radloom.language.consensus import usual_phrases
from radloom.language.decoding import generate_codes
from radloom.language.losses import ResponseLoss
from radloom.language.model import LanguageModel
from radloom.language.rates import RatesConfig, freeze, parameter_groups
from radloom.language.statements import calibrated_thresholds, matched_thresholds
from radloom.language.tasks import Task, TaskMix, collate
from radloom.training import Clock, LoopConfig, Loss, Stage

HELD_OUT = 256
"""Examples of val that the losses are taken over."""

CALIBRATED = 512
"""Training studies that the thresholds of statements are set by."""


class LanguageStage(Stage):
    """Tunes the language model on a mix of tasks; the loss is on responses alone.

    Args:
        language: model and tokenizer, with image tokens.
        train, val: examples.
        decode: codes (b, h, w) -> pixels (b, 1, R, R), for sample pictures.
        image_weight: weight of an image token's loss beside 1 for a text token.
        rates: what is trained and how fast.
    """

    def __init__(
        self,
        language: LanguageModel,
        train: TaskMix,
        val: TaskMix,
        decode: Callable[[Tensor], Tensor],
        image_weight: float = 1.0,
        rates: RatesConfig | None = None,
    ) -> None:
        self.language, self.train, self.val, self.decode = language, train, val, decode
        self.rates = rates or RatesConfig()
        freeze(language.model, language.ids, self.rates)
        self.modules = {"language": ResponseLoss(language.model, language.ids, image_weight)}
        self._lengths: list[int] | None = None

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {"language": parameter_groups(self.language.model, self.rates, config.weight_decay)}

    def items(self) -> int:
        return len(self.train)

    def item(self, index: int, epoch: int) -> dict[str, Any]:
        return self.train.item(index, epoch)

    def lengths(self) -> Sequence[int]:
        if self._lengths is None:
            self._lengths = [self.train.length(i) for i in range(len(self.train))]
        return self._lengths

    def collate(self, items: list[Any]) -> dict[str, Any]:
        return collate(items, self.language.ids.end)

    def describe(self, index: int, epoch: int = 0) -> str:
        tags = self.train.item(index, epoch)["tags"]
        return f"{tags['task']} of {tags['uid']}"

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        total, terms = self.modules["language"](batch)
        yield Loss(total, terms)

    def evaluate(self) -> dict[str, float]:
        """Loss of a text token and of an image token over held-out examples, in nats."""
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        picks = np.linspace(0, len(self.val) - 1, min(HELD_OUT, len(self.val))).astype(int)
        items = sorted((self.val.item(int(i), 0) for i in picks), key=lambda item: len(item["input_ids"]))
        device = self.language.model.device
        for start in range(0, len(items), 8):
            batch = {k: v.to(device) for k, v in self.collate(items[start : start + 8]).items()}
            _, terms = self.modules["language"](batch)
            labels = batch["labels"][:, 1:]
            supervised = labels[labels >= 0]
            image = int(self.language.ids.is_image(supervised).sum())
            for name, count in (("image", image), ("text", len(supervised) - image)):
                if count:
                    sums[name] = sums.get(name, 0.0) + float(terms[name]) * count
                    counts[name] = counts.get(name, 0) + count
        return {f"loss[{name}]": sums[name] / counts[name] for name in sorted(sums)}

    def sample(self) -> np.ndarray | None:
        """Eight X-rays drawn from reports of val, without guidance."""
        prompter, ids = self.language.prompter, self.language.ids
        units = self.val.units.get(next(iter(t for t in self.val.units if t.value == "image"), None), [])  # type: ignore[arg-type]
        if not units:
            return None
        picks = [units[int(i)] for i in np.linspace(0, len(units) - 1, 8)]
        prompts = [prompter.draw(unit.row.report, unit.view or "frontal") for unit in picks]
        codes = generate_codes(self.language.model, ids, prompts, seeds=range(len(prompts)), top_p=0.95)
        pixels = self.decode(codes.view(-1, *ids.vocabulary.grid))
        return sheet([(p[0].float().cpu().numpy() + 1) / 2 for p in pixels], columns=4)

    def export(self, folder: Path) -> None:
        if self.language.vocabulary.statements and Task.REPORT in self.train.units:
            self._calibrate()
            self.language.phrases = usual_phrases(self.train.reports())
        self.language.save(folder)

    def _calibrate(self) -> None:
        """Let each observation be stated as positive as often as the training reports do."""
        if sight := self.language.sight:
            values, labels = self.train.study_evidence()
            calls = matched_thresholds(values, labels, least=-math.inf, most=NEVER)
            self.language.sight = replace(sight, calls=tuple(calls))
        else:
            self.language.thresholds = calibrated_thresholds(self.language, *self.train.report_prompts(CALIBRATED))
