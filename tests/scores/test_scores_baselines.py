import numpy as np
import pytest

from radloom.errors import RadloomError
from radloom.scores.baselines import constant_report, nearest_neighbour


def test_constant_report_is_the_most_typical_not_the_most_frequent() -> None:
    typical = "The Heart is normal. The lungs are clear. No effusion."
    reports = [
        "Sternotomy wires.",
        "Sternotomy wires.",
        "The lungs are clear. No effusion.",
        typical,
        "The heart is normal in size. The lungs are clear. No effusion or pneumothorax.",
        "",
    ]
    assert constant_report(reports) == typical


def test_nearest_neighbour_goes_by_angle_not_length() -> None:
    train = np.array([[1.0, 0.0], [0.0, 100.0], [-1.0, -1.0]])
    queries = np.array([[50.0, 1.0], [0.1, 0.2], [-3.0, -4.0], [0.0, 0.0]])
    assert nearest_neighbour(train, ["right", "up", "down"], queries) == ["right", "up", "down", "right"]


def test_nearest_neighbour_finds_each_training_row_across_blocks() -> None:
    train = np.random.default_rng(0).normal(size=(1500, 8)).astype(np.float32)
    assert nearest_neighbour(train, range(1500), 3 * train) == list(range(1500))


def test_baselines_refuse_what_they_cannot_use() -> None:
    with pytest.raises(RadloomError, match="no report"):
        constant_report([])
    with pytest.raises(RadloomError, match="2 training features for 1 items"):
        nearest_neighbour(np.ones((2, 3)), ["a"], np.ones((1, 3)))
    with pytest.raises(RadloomError, match="3 dimensions, queries 4"):
        nearest_neighbour(np.ones((1, 3)), ["a"], np.ones((1, 4)))
    with pytest.raises(RadloomError, match="Query features hold NaN"):
        nearest_neighbour(np.ones((1, 3)), ["a"], np.full((1, 3), np.nan))
