from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radloom.training.sampling import epoch_batches

COUNTS = {"items": st.integers(1, 60), "batch_size": st.integers(1, 7), "world": st.integers(1, 5)}


@given(**COUNTS, epoch=st.integers(0, 3), bucketed=st.booleans())
def test_ranks_together_see_every_item_and_each_as_many_batches(
    items: int, batch_size: int, world: int, epoch: int, bucketed: bool
) -> None:
    lengths = [(7 * i) % 13 for i in range(items)] if bucketed else None
    ranks = [
        epoch_batches(items, batch_size, seed=1, epoch=epoch, rank=rank, world=world, lengths=lengths)
        for rank in range(world)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    assert all(len(batch) == batch_size for batches in ranks for batch in batches)
    seen = Counter(index for batches in ranks for batch in batches for index in batch)
    assert set(seen) == set(range(items))
    assert seen.total() - items < batch_size * world  # no more than the last batches need
    assert max(seen.values()) - min(seen.values()) <= 1


def test_ranks_see_other_items() -> None:
    ranks = [epoch_batches(24, 3, seed=0, epoch=0, rank=rank, world=2) for rank in range(2)]
    first, second = ({i for batch in batches for i in batch} for batches in ranks)
    assert not first & second
    assert first | second == set(range(24))


def test_more_processes_than_items() -> None:
    ranks = [epoch_batches(2, 3, seed=0, epoch=0, rank=rank, world=4) for rank in range(4)]
    assert [len(batches) for batches in ranks] == [1] * 4
    assert {i for batches in ranks for batch in batches for i in batch} == {0, 1}


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = epoch_batches(40, 4, seed=0, epoch=0)
    assert first == epoch_batches(40, 4, seed=0, epoch=0)
    assert first != epoch_batches(40, 4, seed=0, epoch=1)
    assert first != epoch_batches(40, 4, seed=1, epoch=0)
    assert [i for batch in first for i in batch] != list(range(40))


@pytest.mark.parametrize("world", [1, 2])
def test_batches_of_similar_lengths_in_random_order(world: int) -> None:
    lengths = [(37 * i) % 101 for i in range(512)]

    def spread(lengths_given: list[int] | None) -> float:
        ranks = [
            epoch_batches(512, 8, seed=0, epoch=0, rank=rank, world=world, lengths=lengths_given)
            for rank in range(world)
        ]
        steps = zip(*ranks, strict=True)  # all ranks wait for the longest item of a step
        return sum(
            max(lengths[i] for batch in step for i in batch) - min(lengths[i] for batch in step for i in batch)
            for step in steps
        )

    assert spread(lengths) < 0.25 * spread(None)
    batches = epoch_batches(512, 8, seed=0, epoch=0, lengths=lengths)
    longest = [max(lengths[i] for i in batch) for batch in batches]
    assert longest != sorted(longest)
