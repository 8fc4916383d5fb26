"""The text that is most like its fellows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radloom.language.consensus import likeness


def test_the_odd_one_is_the_least_alike() -> None:
    texts = ["the heart is normal in size", "the heart is normal in size .", "there is a fracture of a rib"]
    alike = likeness([text.split() for text in texts])
    assert alike[2] < min(alike[:2])


def test_equal_texts_are_wholly_alike_and_foreign_ones_not_at_all() -> None:
    assert likeness([["a", "b", "c", "d", "e"]] * 3) == [1.0, 1.0, 1.0]
    assert likeness([list("abcd"), list("efgh")]) == [0.0, 0.0]
    assert likeness([[], []]) == [1.0, 1.0]
    assert likeness([["a"]]) == [1.0]


def test_short_texts_are_alike_by_the_words_they_have() -> None:
    assert likeness([["cardiomegaly"], ["edema"]]) == [0.0, 0.0]
    assert likeness([[], ["edema"]]) == [0.0, 0.0]
    assert likeness([["a", "b"], ["a", "b"], ["c", "d"]]) == [0.5, 0.5, 0.0]


def test_likeness_is_the_mean_f1_of_shared_ngrams() -> None:
    # shared: 3 of 4 and 4 single words, 2 of 3 and 3 pairs, 1 of 2 and 2 triples, none of 1 and 1 runs of four
    assert likeness([list("abcd"), list("abce")]) == pytest.approx([(3 / 4 + 2 / 3 + 1 / 2 + 0) / 4] * 2)


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=2, max_size=5))
def test_likeness_stays_within_bounds_and_follows_the_order(texts: list[list[str]]) -> None:
    alike = likeness(texts)
    assert all(0 <= value <= 1 for value in alike)
    assert likeness(texts[::-1]) == pytest.approx(alike[::-1])
