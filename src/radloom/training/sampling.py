"""Which items make up which batch: pure functions of seed, epoch, rank, so that a resumed run repeats itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def epoch_batches(
    items: int,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    rank: int = 0,
    world: int = 1,
    lengths: Sequence[int] | None = None,
) -> list[list[int]]:
    """The batches of one epoch for one rank, as lists of item indices.

    Every rank gets the same number of batches of the same size. Over the ranks, each item occurs at least once; some
    occur again to fill the last batches.

    Args:
        items: size of the dataset.
        batch_size: items a batch and rank.
        seed, epoch: the order depends on both.
        rank, world: this process and how many there are.
        lengths: length of each item; batches are then made of items of similar length, in random order.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(items)
    whole = batch_size * world * max(1, -(-items // (batch_size * world)))
    order = np.resize(order, whole)
    if lengths is not None:
        pool = batch_size * world * 32
        length = np.asarray(lengths)
        order = np.concatenate(
            [part[np.argsort(length[part], kind="stable")] for part in np.split(order, range(pool, whole, pool))]
        )
    batches = order.reshape(-1, world, batch_size)
    if lengths is not None:
        batches = batches[rng.permutation(len(batches))]
    return batches[:, rank].tolist()
