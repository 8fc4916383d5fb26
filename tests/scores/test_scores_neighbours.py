"""Nearest rows against brute force, and shares below a percentile against numpy."""

import numpy as np
import pytest

from radloom.errors import RadloomError
from radloom.scores import neighbours
from radloom.scores.neighbours import nearest, share_within
from radloom.scores.statistics import Bootstrap


def test_nearest_is_what_brute_force_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    train, queries = rng.normal(size=(40, 5)), rng.normal(size=(23, 5))
    distances = [[1 - q @ t / np.linalg.norm(q) / np.linalg.norm(t) for t in train] for q in queries]
    found = nearest(train, 3 * queries)
    assert found.places.tolist() == np.argmin(distances, 1).tolist()
    np.testing.assert_allclose(found.distances, np.min(distances, 1), atol=1e-12)


def test_a_copy_is_at_no_distance_and_nothing_far_from_all() -> None:
    train = np.array([[1.0, 2.0], [3.0, -1.0]])
    found = nearest(train, np.array([[6.0, -2.0], [0.0, 0.0], [-1.0, -2.0]]))
    assert found.places.tolist() == [1, 0, 1]
    np.testing.assert_allclose(found.distances, [0, 1, 1 + 1 / np.sqrt(50)], atol=1e-12)
    assert nearest(train, np.zeros((0, 2))).places.shape == (0,)


@pytest.mark.parametrize(
    ("train", "queries", "says"),
    [
        (np.zeros((0, 2)), np.zeros((1, 2)), "no training row"),
        (np.ones((3, 2)), np.ones((1, 3)), "one network for both"),
        (np.array([[np.nan, 1.0]]), np.ones((1, 2)), "NaN"),
    ],
)
def test_what_cannot_be_compared(train: np.ndarray, queries: np.ndarray, says: str) -> None:
    with pytest.raises(RadloomError, match=says):
        nearest(train, queries)


@pytest.mark.parametrize("percentile", [1, 5, 50])
def test_the_share_within_a_percentile_is_that_of_numpy_draw_by_draw(percentile: float) -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(0, 1, 30).round(1), rng.normal(0.5, 1, 80).round(1)
    draw = Bootstrap(110, samples=20)
    interval = draw(share_within(ours, theirs, percentile))
    limit = np.percentile(theirs, percentile, method="inverted_cdf")
    assert interval.value == pytest.approx(np.mean(ours <= limit))
    for weights, share in zip(draw.weights(), interval.draws, strict=True):
        limit = np.percentile(theirs, percentile, method="inverted_cdf", weights=weights[30:])
        assert share == pytest.approx(weights[:30] @ (ours <= limit) / weights[:30].sum())


def test_golden_shares() -> None:
    theirs = np.arange(1, 201) / 100.0  # percentiles 1 and 5 are .02 and .10
    ours = np.array([0.01, 0.02, 0.021, 0.1, 3.0])
    once = np.ones((1, 205))
    assert share_within(ours, theirs, 1)(once)[0] == pytest.approx(0.4)
    assert share_within(ours, theirs, 5)(once)[0] == pytest.approx(0.8)
    assert share_within(theirs, theirs, 5)(np.ones((1, 400)))[0] == pytest.approx(0.05)
    assert np.isnan(share_within(ours, theirs, 5)(np.repeat([[1.0, 0.0]], [5, 200], axis=1))[0])
