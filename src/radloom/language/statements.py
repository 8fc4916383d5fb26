"""From which probability on a model should call an observation positive.

A likelihood-trained model that always takes the likeliest state hardly ever calls a rare finding positive. So each
observation gets a threshold at which the model calls it positive as often as the training reports do. Nothing of a
validation split is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from radloom.language.losses import linear_head
from radloom.language.model import LanguageModel
from radloom.language.vocabulary import POSITIVE
from radloom.study import OBSERVATIONS, Mention

LEAST = 0.1
"""What is less probable is never called positive."""


@torch.no_grad()
def positive_probabilities(
    language: LanguageModel,
    prompts: Sequence[list[int]],
    labels: Sequence[Mapping[str, Mention]],
    batch_size: int = 8,
) -> np.ndarray:
    """(n, 14) probability that an observation is called positive, given the prompt and the true earlier statements.

    Args:
        language: a model with statements.
        prompts: each ends in `<|response|>`.
        labels: of the study that each prompt shows.
        batch_size: prompts at a time.
    """
    model, ids = language.model, language.ids
    head = linear_head(model)
    rows = []
    for start in range(0, len(prompts), batch_size):
        sequences = [
            prompt + ids.say(said)[:-1]
            for prompt, said in zip(
                prompts[start : start + batch_size], labels[start : start + batch_size], strict=True
            )
        ]
        longest = max(map(len, sequences))
        tokens = torch.tensor([s + [ids.end] * (longest - len(s)) for s in sequences], device=model.device)
        mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sequences], device=model.device)
        inputs = {"input_ids": tokens, "attention_mask": mask, "use_cache": False}
        made = model(**inputs).logits if head is None else model.base_model(**inputs).last_hidden_state
        for row, sequence in zip(made, sequences, strict=True):
            last = row[len(sequence) - len(OBSERVATIONS) : len(sequence)]  # predicts one statement each
            logits = last if head is None else head(last)
            chosen = logits.float().gather(1, ids.statements.to(model.device))  # (14, states)
            rows.append(chosen.softmax(-1)[:, POSITIVE].cpu().numpy())
    return np.stack(rows)


def matched_thresholds(probabilities: np.ndarray, labels: Sequence[Mapping[str, Mention]]) -> list[float]:
    """For each observation the threshold that calls as many studies positive as are.

    Args:
        probabilities: (n, 14) of `positive_probabilities`.
        labels: of those studies.
    """
    thresholds = []
    for i, observation in enumerate(OBSERVATIONS):
        positive = sum(said.get(observation) is Mention.POSITIVE for said in labels)
        falling = np.sort(probabilities[:, i])[::-1]
        last = float(falling[positive - 1]) if positive else 1.0
        thresholds.append(round(max(last, LEAST), 4))
    return thresholds
