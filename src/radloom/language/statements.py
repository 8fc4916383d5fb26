"""Statements: from which probability on an observation is called positive.

A likelihood-trained model that always takes the likeliest state hardly ever calls a rare finding positive. So each
observation gets a threshold at which the model calls it positive as often as the training reports do. Nothing of a
validation split is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from radloom.language.decoding import generate_statements
from radloom.language.model import LanguageModel
from radloom.study import OBSERVATIONS, Mention

LEAST = 0.1
"""What is less probable is never called positive."""

ROUNDS = 3
"""How often thresholds are set anew; the first ones decide what the second ones see stated before."""


def calibrated_thresholds(
    language: LanguageModel, prompts: Sequence[list[int]], labels: Sequence[Mapping[str, Mention]]
) -> list[float]:
    """Thresholds at which a model that goes by its own earlier statements calls as many studies positive as are.

    Args:
        language: a model with statements.
        prompts: each ends in `<|response|>`.
        labels: of the study that each prompt shows.
    """
    thresholds = [0.5] * len(OBSERVATIONS)
    for _ in range(ROUNDS):
        thresholds = matched_thresholds(positive_probabilities(language, prompts, thresholds), labels)
    return thresholds


def positive_probabilities(
    language: LanguageModel, prompts: Sequence[list[int]], thresholds: Sequence[float], batch_size: int = 16
) -> np.ndarray:
    """(n, 14) probability that an observation is called positive, given the prompt and what was stated before it.

    Args:
        language: a model with statements.
        prompts: each ends in `<|response|>`.
        thresholds: of the statements.
        batch_size: prompts at a time.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # little padding
    found = np.empty((len(prompts), len(OBSERVATIONS)), np.float32)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        made = generate_statements(language.model, language.ids, [prompts[i] for i in batch], thresholds)
        found[batch] = made[1].numpy()
    return found


def matched_thresholds(
    values: np.ndarray, labels: Sequence[Mapping[str, Mention]], least: float = LEAST, most: float = 1.1
) -> list[float]:
    """For each observation the threshold that calls as many studies positive as are.

    Args:
        values: (n, 14) of `positive_probabilities`, or anything else that rises with how likely a positive is.
        labels: of those studies.
        least: the lowest threshold.
        most: threshold of what is never positive.
    """
    thresholds = []
    for i, observation in enumerate(OBSERVATIONS):
        positive = sum(said.get(observation) is Mention.POSITIVE for said in labels)
        falling = np.sort(values[:, i])[::-1]
        last = float(falling[positive - 1]) if positive else most
        thresholds.append(max(math.floor(last * 1e4) / 1e4, least))  # down, so that the last of them is called, too
    return thresholds


def stated_positive(language: LanguageModel, answer: Sequence[int]) -> set[str]:
    """The observations that the statements of a report call positive.

    Args:
        language: a model with statements.
        answer: token ids, statements included.
    """
    return {observation for observation, mention in language.ids.said(answer).items() if mention is Mention.POSITIVE}
