import numpy as np
import pytest

from radloom.errors import RadloomError
from radloom.scores.names import score_name
from radloom.scores.statistics import Bootstrap, Interval, difference, mean

VALUES = np.random.default_rng(7).normal(2.0, 1.0, 400)


def test_interval_of_a_mean_agrees_with_theory() -> None:
    interval = Bootstrap(len(VALUES), samples=2000)(mean(VALUES))
    half = 1.96 * VALUES.std() / np.sqrt(len(VALUES))
    assert interval.value == pytest.approx(VALUES.mean(), rel=1e-12)
    assert interval.low == pytest.approx(VALUES.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(VALUES.mean() + half, abs=0.01)
    assert interval.draws.shape == (2000,)


def test_same_seed_same_interval_other_seed_another() -> None:
    first, again, other = (Bootstrap(400, 50, seed)(mean(VALUES)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_draws_without_a_score_are_left_out() -> None:
    def only_with_first(weights: np.ndarray) -> np.ndarray:
        return np.where(weights[:, 0] > 0, 1.0, np.nan)

    interval = Bootstrap(3, 300)(only_with_first)
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)
    assert np.sum(~np.isnan(interval.draws)) == pytest.approx(300 * (1 - (2 / 3) ** 3), abs=30)


def test_a_score_undefined_for_all_studies_is_an_error() -> None:
    with pytest.raises(RadloomError, match="undefined for these studies"):
        Bootstrap(3, 10)(lambda weights: np.full(len(weights), np.nan))
    with pytest.raises(RadloomError, match="0 patients"):
        Bootstrap(0)


def test_a_draw_counts_as_many_studies_as_there_are() -> None:
    weights = Bootstrap(["a", "b", "a", "c"], 20).weights()
    assert weights.shape == (20, 4)
    assert (weights[:, 0] == weights[:, 2]).all()  # the two rows of a come together
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_blocks_of_draws_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Bootstrap(400, 90)(mean(VALUES))
    monkeypatch.setattr("radloom.scores.statistics._BLOCK", 400 * 7)
    assert Bootstrap(400, 90)(mean(VALUES)).draws == pytest.approx(whole.draws, rel=1e-12)


def test_paired_difference_finds_a_steady_gain_far_smaller_than_the_intervals() -> None:
    better = VALUES + np.random.default_rng(8).normal(0.02, 0.05, len(VALUES))
    draw = Bootstrap(len(VALUES), 500)
    alone = draw(mean(VALUES))
    gain = difference(draw(mean(better)), alone)
    assert gain.low > 0
    assert gain.p < 0.01
    assert alone.value + gain.value < alone.high


def test_no_difference_has_p_of_one() -> None:
    score = Bootstrap(len(VALUES), 100)(mean(VALUES))
    nothing = difference(score, score)
    assert (nothing.value, nothing.low, nothing.high, nothing.p) == (0, 0, 0, 1)


def test_scores_with_other_draws_are_not_paired() -> None:
    score = Bootstrap(len(VALUES), 100)(mean(VALUES))
    with pytest.raises(RadloomError, match="100 draws and 99 draws are not paired"):
        difference(score, Interval.of(score.value, score.draws[:99]))


def test_names_say_what_made_the_score() -> None:
    assert score_name("bleu4", "findings", "r2gen") == "bleu4[findings, r2gen]"


def test_rows_of_one_study_are_drawn_together() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    alone = Bootstrap(5)(mean(values))
    doubled = np.repeat(values, 2)
    assert Bootstrap(np.repeat(np.arange(5), 2).tolist())(mean(doubled)) == alone  # twice the rows, no more evidence
    assert Bootstrap(10)(mean(doubled)).low > alone.low


def test_unknown_values_are_not_counted_in_a_mean() -> None:
    score = Bootstrap(4, 10)(mean([1.0, np.nan, 0.0, 1.0]))
    assert score.value == pytest.approx(2 / 3)
