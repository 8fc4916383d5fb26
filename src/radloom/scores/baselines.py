"""What a model must beat: the same report for every study, and the report of the most similar training study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log, sqrt
from typing import TypeVar

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.neighbours import nearest
from radloom.scores.text import r2gen_clean

Item = TypeVar("Item")


def constant_report(reports: Sequence[str]) -> str:
    """The most typical of `reports`: its bag of words has the highest mean cosine with all of them.

    Scored against every study, the most typical report does far better than the most frequent one, which is short.

    Raises:
        RadloomError: no report.
    """
    if not reports:
        raise RadloomError("The constant baseline has no report to choose from; give it the training reports.")
    bags = [Counter(r2gen_clean(report).split()) for report in reports]
    norms = [sqrt(sum(count * count for count in bag.values())) for bag in bags]
    total: dict[str, float] = {}
    for bag, norm in zip(bags, norms, strict=True):
        for word, count in bag.items():
            total[word] = total.get(word, 0.0) + count / norm
    typicality = [
        sum(count * total[word] for word, count in bag.items()) / norm for bag, norm in zip(bags, norms, strict=True)
    ]
    return reports[int(np.argmax(typicality))]


def nearest_neighbour(
    train_features: np.ndarray, train_items: Sequence[Item], query_features: np.ndarray
) -> list[Item]:
    """For each query the training item whose features have the highest cosine with it; the first of equals.

    Args:
        train_features: (n, d).
        train_items: what belongs to them, e.g. reports; n of them.
        query_features: (m, d).

    Returns:
        m items.

    Raises:
        RadloomError: sizes that do not fit, no training item, or features that are not finite.
    """
    if not len(train_items) or len(train_features) != len(train_items):
        raise RadloomError(f"{len(train_features)} training features for {len(train_items)} items; give one for each.")
    return [train_items[i] for i in nearest(train_features, query_features).places]


def most_similar_texts(train: Sequence[str], queries: Sequence[str]) -> list[int]:
    """For each query the place of the training text with the most similar bag of words, rare words weighing more.

    Cosine of tf-idf vectors of the words that R2Gen's cleaning leaves; the first of equals.

    Raises:
        RadloomError: no training text.
    """
    if not train:
        raise RadloomError("There is no training text to compare with; give it the training reports.")
    bags = [Counter(r2gen_clean(text).split()) for text in train]
    seen = Counter(word for bag in bags for word in bag)
    index = {word: place for place, word in enumerate(seen)}
    weight = {word: log((1 + len(train)) / count) for word, count in seen.items()}

    def vectors(counts: Sequence[Counter[str]]) -> np.ndarray:
        rows = np.zeros((len(counts), len(index)), np.float32)
        for row, bag in zip(rows, counts, strict=True):
            for word, count in bag.items():
                if word in index:
                    row[index[word]] = count * weight[word]
        return rows

    wanted = [Counter(r2gen_clean(text).split()) for text in queries]
    return nearest_neighbour(vectors(bags), range(len(train)), vectors(wanted))
