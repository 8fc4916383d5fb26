import numpy as np
import pytest

from radloom.errors import RadloomError
from radloom.scores.names import score_name
from radloom.scores.statistics import bootstrap, over_studies, paired_difference

VALUES = np.random.default_rng(7).normal(2.0, 1.0, 400)


def mean(index: np.ndarray) -> float:
    return float(VALUES[index].mean())


def test_interval_of_a_mean_agrees_with_theory() -> None:
    interval = bootstrap(mean, len(VALUES), samples=2000)
    half = 1.96 * VALUES.std() / np.sqrt(len(VALUES))
    assert interval.value == VALUES.mean()
    assert interval.low == pytest.approx(VALUES.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(VALUES.mean() + half, abs=0.01)
    assert interval.draws == 2000


def test_same_seed_same_interval_other_seed_another() -> None:
    assert bootstrap(mean, 400, 50, seed=1) == bootstrap(mean, 400, 50, seed=1)
    assert bootstrap(mean, 400, 50, seed=1) != bootstrap(mean, 400, 50, seed=2)


def test_draws_without_a_score_are_left_out_and_counted() -> None:
    def only_with_first(index: np.ndarray) -> float:
        return 1.0 if 0 in index else float("nan")

    interval = bootstrap(only_with_first, 3, 300)
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)
    assert interval.draws == pytest.approx(300 * (1 - (2 / 3) ** 3), abs=30)


def test_a_score_undefined_for_all_studies_is_an_error() -> None:
    with pytest.raises(RadloomError, match="undefined for these 3 studies"):
        bootstrap(lambda index: float("nan"), 3, 10)
    with pytest.raises(RadloomError, match="0 studies"):
        bootstrap(mean, 0)


def test_paired_difference_finds_a_steady_gain_far_smaller_than_the_intervals() -> None:
    better = VALUES + np.random.default_rng(8).normal(0.02, 0.05, len(VALUES))
    difference = paired_difference(lambda index: float(better[index].mean()), mean, len(VALUES), 500)
    assert difference.low > 0
    assert difference.p < 0.01
    alone = bootstrap(mean, len(VALUES), 500)
    assert alone.value + difference.value < alone.high


def test_no_difference_has_p_of_one() -> None:
    difference = paired_difference(mean, mean, len(VALUES), 100)
    assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_names_say_what_made_the_score() -> None:
    assert score_name("bleu4", "findings", "r2gen") == "bleu4[findings, r2gen]"


def test_rows_of_one_study_are_drawn_together() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    alone = bootstrap(lambda index: values[index].mean(), 5)
    doubled = np.repeat(values, 2)
    statistic, studies = over_studies(lambda index: doubled[index].mean(), np.repeat(np.arange(5), 2).tolist())
    assert studies == 5
    assert bootstrap(statistic, studies) == alone  # twice the rows are no more evidence
    assert bootstrap(lambda index: doubled[index].mean(), 10).low > alone.low
