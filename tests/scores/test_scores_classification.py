import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, roc_auc_score

from radloom.errors import RadloomError
from radloom.scores.classification import auroc, best_thresholds, f1, f1_macro, score_auroc, score_f1
from radloom.scores.statistics import Bootstrap

NAMES = ["Edema", "Fracture", "Pneumonia"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
def test_auroc_equals_scikit_learn_with_ties(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows], int), np.array([r[1] / 7 for r in rows])
    if len(set(labels.tolist())) == 1:
        assert auroc(labels, scores) is None
    else:
        assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auroc_is_undefined_with_nan() -> None:
    assert auroc(np.array([0, 1, np.nan]), np.array([0.1, 0.2, 0.3])) is None
    assert auroc(np.array([0, 1, 1]), np.array([0.1, np.nan, 0.3])) is None


def test_unknown_labels_are_left_out_and_one_class_observations_are_none() -> None:
    labels = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, np.nan]] * 10, float)
    scores = np.array([[0.1, 0.5, 0.9], [0.8, 0.4, 0.2], [0.3, 0.6, 0.1], [0.2, 0.1, 0.5]] * 10)
    result = score_auroc(labels, scores, NAMES, "a-network", bootstrap=Bootstrap(len(labels), 50))
    edema, pneumonia = result["auroc[Edema, a-network]"], result["auroc[Pneumonia, a-network]"]
    macro = result["auroc_macro[2 observations, a-network]"]
    assert result["auroc[Fracture, a-network]"] is None
    assert edema and pneumonia and macro
    assert edema.value == pytest.approx(0.75)
    assert pneumonia.value == pytest.approx(0.5)
    assert macro.value == pytest.approx((0.75 + 0.5) / 2)
    assert edema.low <= edema.value <= edema.high


def test_f1_equals_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = generator.random((60, 3)) < 0.3, generator.random((60, 3)) < 0.4
    truth[:, 2] = predicted[:, 2] = False
    for average, score in (("micro", f1), ("macro", f1_macro)):
        ours = score(truth, predicted)
        assert ours.f1 == pytest.approx(f1_score(truth, predicted, average=average, zero_division=0))
        assert ours.precision == pytest.approx(precision_score(truth, predicted, average=average, zero_division=0))


def test_scores_of_a_draw_are_those_of_the_rows_drawn() -> None:
    generator = np.random.default_rng(1)
    truth, predicted = generator.random((40, 3)) < 0.4, generator.random((40, 3)) < 0.4
    chances = np.round(predicted + generator.random((40, 3)), 1)
    draw = Bootstrap([i // 2 for i in range(40)], 3)
    areas = score_auroc(truth, chances, NAMES, "net", bootstrap=draw)
    scores = score_f1(truth, predicted, NAMES, "rule", bootstrap=draw)
    for i, weights in enumerate(draw.weights()):
        rows = np.repeat(np.arange(40), weights.astype(int))
        micro, macro = f1(truth[rows], predicted[rows]), f1_macro(truth[rows], predicted[rows])
        assert scores["f1_micro[3 observations, rule]"].draws[i] == pytest.approx(micro.f1)
        assert scores["precision_macro[3 observations, rule]"].draws[i] == pytest.approx(macro.precision)
        edema, pooled = areas["auroc[Edema, net]"], areas["auroc_micro[3 observations, net]"]
        assert edema and edema.draws[i] == pytest.approx(roc_auc_score(truth[rows, 0], chances[rows, 0]))
        assert pooled and pooled.draws[i] == pytest.approx(roc_auc_score(truth[rows].ravel(), chances[rows].ravel()))


def test_the_best_threshold_has_the_highest_f1_of_all() -> None:
    generator = np.random.default_rng(2)
    labels = (generator.random((50, 3)) < 0.3).astype(float)
    labels[:, 2] = 0
    labels[3, 0] = np.nan
    scores = np.round(generator.random((50, 3)) + 0.3 * np.nan_to_num(labels), 1)
    thresholds = best_thresholds(labels, scores)
    assert thresholds[2] == np.inf
    for k in (0, 1):
        known = ~np.isnan(labels[:, k])
        every = [f1(labels[known, k], scores[known, k] >= t).f1 for t in np.unique(scores)]
        assert f1(labels[known, k], scores[known, k] >= thresholds[k]).f1 == pytest.approx(max(every))


def test_f1_scores_carry_labeller_rule_and_count_of_observations() -> None:
    truth = np.random.default_rng(0).random((30, 3)) < 0.5
    result = score_f1(truth, truth, NAMES, "rule-labeller", "uncertain=negative", bootstrap=Bootstrap(len(truth), 20))
    assert result["f1[Edema, rule-labeller, uncertain=negative]"].value == 1
    assert result["recall_macro[3 observations, rule-labeller, uncertain=negative]"].low == 1
    assert len(result) == 3 * (3 + 2)


def test_wrong_labels_and_shapes_are_refused() -> None:
    with pytest.raises(RadloomError, match="0 or 1"):
        auroc(np.array([0, 1, -1]), np.zeros(3))
    with pytest.raises(RadloomError, match="0 or 1"):
        f1(np.array([0, 1, np.nan]), np.zeros(3))
    with pytest.raises(RadloomError, match="NaN or infinity"):
        score_auroc(np.eye(3), np.full((3, 3), np.nan), NAMES, "a-network")
    with pytest.raises(RadloomError, match="for 3 observations"):
        score_f1(np.eye(2), np.eye(2), NAMES, "rule-labeller")
    with pytest.raises(RadloomError, match="shape"):
        auroc(np.zeros(3), np.zeros(4))
