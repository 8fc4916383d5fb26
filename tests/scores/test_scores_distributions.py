"""Golden values are torch-fidelity 0.4.0's `fid_statistics_to_metric` and `mmd2`, and prdc 0.2's `compute_prdc`."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from radloom.errors import RadloomError
from radloom.scores.distributions import PRDC, SetScores, frechet_distance, kernel_distance, prdc, recentred
from radloom.scores.statistics import Bootstrap, difference

SCORES = ("frechet", "kernel", "precision", "recall", "density", "coverage")


def waves(rows: int, phase: float) -> np.ndarray:
    row, column = np.mgrid[:rows, :6]
    return np.sin(phase + 1.7 * row * row + 0.9 * row * column + 0.3 * column * column)


X, Y = waves(40, 1.0), 0.8 * waves(50, 2.0) + 0.5
PAIRED = Y[:40]
RANDOM = np.random.default_rng(3)
WIDE_X, WIDE_Y = RANDOM.normal(0, 1, (15, 60)), RANDOM.normal(0.3, 1.2, (20, 60))  # fewer rows than dimensions


def by_covariances(x: np.ndarray, y: np.ndarray) -> float:
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s + t - 2 * sqrtm(s @ t).real))


def by_pairs(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        return float(np.mean([kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]))

    return within(x) + within(y) - 2 * float(np.mean([kernel(a, b) for a in x for b in y]))


def test_distances_equal_torch_fidelity() -> None:
    assert frechet_distance(X, Y) == pytest.approx(1.6878578594508795, rel=1e-9)
    assert kernel_distance(X, PAIRED) == pytest.approx(0.803985123128403, rel=1e-9)


def test_prdc_equals_its_package() -> None:
    assert prdc(X, Y, 3) == PRDC(0.9, 0.4, pytest.approx(1.1066666666666665), 0.8)
    assert prdc(X, Y) == PRDC(0.94, 0.65, pytest.approx(1.176), 0.9)


def test_distances_equal_their_formulas_for_sets_of_two_sizes() -> None:
    assert frechet_distance(X, Y) == pytest.approx(by_covariances(X, Y), rel=1e-9)
    assert kernel_distance(X, Y) == pytest.approx(by_pairs(X, Y), rel=1e-9)


def test_fewer_rows_than_dimensions_or_more_give_one_frechet_distance() -> None:
    """Zero columns add nothing to the distance, and make more dimensions than rows of X and Y."""
    padded_x, padded_y = (np.pad(rows, ((0, 0), (0, 100))) for rows in (X, Y))
    assert frechet_distance(padded_x, padded_y) == pytest.approx(frechet_distance(X, Y), rel=1e-12)
    assert frechet_distance(padded_x, padded_y[:, ::-1]) > frechet_distance(X, Y)
    # A root of singular matrices is only good to the root of the rounding.
    assert frechet_distance(WIDE_X, WIDE_Y) == pytest.approx(by_covariances(WIDE_X, WIDE_Y), rel=1e-5)
    eigenvalues = np.linalg.eigvals(np.cov(WIDE_X, rowvar=False) @ np.cov(WIDE_Y, rowvar=False)).real
    largest = np.sort(eigenvalues)[-14:]  # as many as the covariances' ranks leave
    traces = np.var(WIDE_X, axis=0, ddof=1).sum() + np.var(WIDE_Y, axis=0, ddof=1).sum()
    apart = np.sum((WIDE_X.mean(0) - WIDE_Y.mean(0)) ** 2)
    assert frechet_distance(WIDE_X, WIDE_Y) == pytest.approx(apart + traces - 2 * np.sqrt(largest).sum(), rel=1e-10)


@pytest.mark.parametrize(("x", "y"), [(X, Y), (WIDE_X, WIDE_Y)], ids=["long", "wide"])
def test_distances_know_no_order_of_sets_or_rows(x: np.ndarray, y: np.ndarray) -> None:
    for distance in (frechet_distance, kernel_distance):
        assert distance(y, x) == pytest.approx(distance(x, y), rel=1e-10)
        assert distance(x[::-1], RANDOM.permutation(y)) == pytest.approx(distance(x, y), rel=1e-10)
    assert prdc(x[::-1], RANDOM.permutation(y)) == prdc(x, y)


@pytest.mark.parametrize("x", [X, WIDE_X], ids=["long", "wide"])
def test_a_set_is_not_apart_from_itself(x: np.ndarray) -> None:
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-10)
    same = prdc(x, x[::-1])
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    shift = np.arange(x.shape[1]) / 10
    assert frechet_distance(x, x + shift) == pytest.approx(np.sum(shift**2), rel=1e-9)
    assert frechet_distance(x + shift, x + shift) == pytest.approx(0, abs=1e-10)


def test_kernel_distance_of_halves_of_one_source_is_zero_on_average() -> None:
    rows = RANDOM.normal(0, 1, (400, 12))
    parts = [kernel_distance(*np.split(RANDOM.permutation(rows), 2)) for _ in range(50)]
    assert min(parts) < 0 < max(parts)
    assert np.mean(parts) == pytest.approx(0, abs=0.02)
    assert kernel_distance(rows[:200], rows[200:] + 0.5) > 0.3


def test_clusters_apart_share_nothing() -> None:
    assert prdc(X, Y + 100) == PRDC(0, 0, 0, 0)


def test_one_image_drawn_over_and_over_is_precise_and_recalls_nothing() -> None:
    one = prdc(X, np.repeat(X[3:4], 30, axis=0))
    assert one.precision == 1
    assert one.recall <= 1 / len(X)
    assert one.coverage < 0.5


@pytest.mark.parametrize("score", SCORES)
def test_every_row_once_is_the_plain_score(score: str) -> None:
    scores, once = SetScores(X, Y), np.ones((1, 40))
    shares = prdc(X, Y)
    plain = {"frechet": frechet_distance(X, Y), "kernel": kernel_distance(X, Y)} | vars(shares)
    assert getattr(scores, score)(once, np.ones((1, 50))) == pytest.approx([plain[score]], rel=1e-12)


@pytest.mark.parametrize(("x", "y"), [(X, Y), (WIDE_X, WIDE_Y)], ids=["long", "wide"])
def test_weights_are_repeated_rows(x: np.ndarray, y: np.ndarray) -> None:
    weights, fake_weights = Bootstrap(len(x), 4).weights(), Bootstrap(len(y), 4, seed=1).weights()
    repeated = [
        frechet_distance(np.repeat(x, w.astype(int), axis=0), np.repeat(y, v.astype(int), axis=0))
        for w, v in zip(weights, fake_weights, strict=True)
    ]
    assert SetScores(x, y).frechet(weights, fake_weights) == pytest.approx(repeated, rel=1e-10)


def test_draws_of_the_kernel_distance_need_no_recentring() -> None:
    rows = np.random.default_rng(5).normal(0, 1, (160, 30))
    plain = Bootstrap(80, 400)(SetScores(rows[:80], rows[80:] + 0.2).kernel)
    assert plain.draws.mean() == pytest.approx(plain.value, abs=4 * plain.draws.std() / 20)
    assert plain.low < plain.value < plain.high


def test_weights_count_rows_of_prdc_against_the_balls_of_all_rows() -> None:
    scores, single = SetScores(X, Y), prdc(X, Y)
    eye = np.eye(50)
    inside, density = scores.precision(np.ones((1, 40)), eye), scores.density(np.ones((1, 40)), eye)
    assert set(inside) == {0, 1}
    assert inside.mean() == pytest.approx(single.precision)
    assert density.mean() == pytest.approx(single.density)
    weights = Bootstrap(50, 9).weights()
    assert scores.precision(np.ones((1, 40)), weights) == pytest.approx(weights @ inside / 50)
    reached, covered = scores.recall(np.eye(40), np.ones((1, 50))), scores.coverage(np.eye(40), np.ones((1, 50)))
    assert (reached.mean(), covered.mean()) == (single.recall, single.coverage)


@pytest.mark.parametrize("score", SCORES)
def test_pairs_are_drawn_together(score: str) -> None:
    statistic, draw = getattr(SetScores(X, PAIRED), score), Bootstrap(40, 20)
    interval = draw(statistic)
    assert interval.draws == pytest.approx(statistic(draw.weights(), draw.weights()), rel=1e-12)
    assert interval.value == statistic(np.ones((1, 40)))[0]


@pytest.mark.parametrize("score", SCORES)
def test_one_draw_goes_with_every_draw_of_the_other_set(score: str) -> None:
    statistic, drawn, once = getattr(SetScores(X, Y), score), Bootstrap(50, 3).weights(), np.ones((1, 40))
    assert statistic(once, drawn) == pytest.approx(statistic(np.repeat(once, 3, axis=0), drawn), rel=1e-12)


def test_a_draw_of_too_few_rows_has_no_score() -> None:
    weights = np.zeros((3, 40))
    weights[1, 0] = 1
    weights[2, :2] = 1
    scores = SetScores(X, PAIRED)
    assert np.isnan(scores.frechet(weights)).tolist() == [True, True, False]
    assert np.isnan(scores.kernel(weights)).tolist() == [True, True, False]
    assert np.isnan(scores.recall(weights)).tolist() == [True, False, False]


def test_recentred_interval_lies_around_the_value_that_the_draws_miss() -> None:
    rows = np.random.default_rng(5).normal(0, 1, (160, 30))
    plain = Bootstrap(80, 200)(SetScores(rows[:80], rows[80:] + 0.2).frechet)
    assert plain.low > plain.value
    moved = recentred(plain.value, plain.draws)
    assert moved.value == plain.value
    assert moved.low < moved.value < moved.high
    assert moved.draws.mean() == pytest.approx(plain.value)
    assert moved.draws.std() == pytest.approx(plain.draws.std())
    assert difference(moved, moved).value == 0


def test_recentred_interval_of_a_distance_does_not_fall_below_zero() -> None:
    draws = np.linspace(1, 3, 101)
    assert recentred(0.5, draws).low == 0
    assert recentred(0.5, draws).high == pytest.approx(1.45)
    assert recentred(1.5, draws).low == pytest.approx(0.55)
    assert recentred(-0.2, draws).low == -0.2  # an unbiased estimate may be negative
    assert recentred(1.5, np.append(draws, np.nan)).low == pytest.approx(0.55)
    with pytest.raises(RadloomError, match="undefined for every draw"):
        recentred(1.0, np.full(5, np.nan))
    with pytest.raises(RadloomError, match="undefined for these studies"):
        recentred(np.nan, draws)


@pytest.mark.parametrize("score", [frechet_distance, kernel_distance, prdc])
@pytest.mark.parametrize(
    ("features", "complaint"),
    [
        (np.where(X > 0.9, np.nan, X), "NaN or infinity; mend"),
        (np.where(X > 0.9, np.inf, X), "NaN or infinity; mend"),
        (X[:, :5], "5 dimensions|5 and 6 dimensions|6 and 5 dimensions"),
        (X[:1], "set of 1 rows has no spread"),
        (X[:, 0], r"\(40,\); give \(rows, dimensions\)"),
        (X[:, :0], r"\(40, 0\); give \(rows, dimensions\)"),
    ],
)
def test_bad_features_are_refused(score, features, complaint) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RadloomError, match=complaint):
        score(features, Y)
    with pytest.raises(RadloomError, match=complaint):
        score(X, features)


def test_too_few_rows_for_the_balls_are_refused() -> None:
    with pytest.raises(RadloomError, match="need 6 rows in each set, got 5 real and 50 drawn"):
        prdc(X[:5], Y)
    with pytest.raises(RadloomError, match="got 40 real and 5 drawn; score more images or lower k"):
        prdc(X, Y[:5])
    with pytest.raises(RadloomError, match="neighbour 0; take 1 or more"):
        prdc(X, Y, 0)
    assert prdc(X[:6], Y[:6]).recall <= 1
    assert SetScores(X[:5], Y[:5]).frechet(np.ones((1, 5))) > 0  # needs no balls


@pytest.mark.parametrize("score", SCORES)
def test_weights_that_do_not_fit_are_refused(score: str) -> None:
    statistic = getattr(SetScores(X, Y), score)
    with pytest.raises(RadloomError, match="40 real and 50 drawn rows are not pairs"):
        statistic(np.ones((1, 40)))
    with pytest.raises(RadloomError, match=r"\(1, 50\) for 40 real rows; give \(draws, 40\)"):
        statistic(np.ones((1, 50)), np.ones((1, 50)))
    with pytest.raises(RadloomError, match=r"\(50,\) for 50 drawn rows"):
        statistic(np.ones((1, 40)), np.ones(50))
    with pytest.raises(RadloomError, match="3 draws of real and 2 of drawn rows"):
        statistic(np.ones((3, 40)), np.ones((2, 50)))
    with pytest.raises(RadloomError, match="negative or NaN"):
        statistic(-np.ones((1, 40)), np.ones((1, 50)))
