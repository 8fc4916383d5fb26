import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, roc_auc_score

from radloom.errors import RadloomError
from radloom.scores.classification import accuracy, auroc, f1, f1_macro, score_auroc, score_f1

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
    result = score_auroc(labels, scores, NAMES, "a-network", samples=50)
    edema, pneumonia = result["auroc[Edema, a-network]"], result["auroc[Pneumonia, a-network]"]
    macro = result["auroc_macro[2 observations, a-network]"]
    assert result["auroc[Fracture, a-network]"] is None
    assert edema and pneumonia and macro
    assert edema.value == pytest.approx(0.75)
    assert pneumonia.value == pytest.approx(0.5)
    assert macro.value == pytest.approx((0.75 + 0.5) / 2)
    assert edema.low <= edema.value <= edema.high


def test_accuracy() -> None:
    assert accuracy(["yes", "no", "yes", "left"], ["yes", "no", "no", "right"]) == 0.5
    with pytest.raises(RadloomError, match="1 predictions for 2 truths"):
        accuracy(["yes", "no"], ["yes"])


def test_f1_equals_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = generator.random((60, 3)) < 0.3, generator.random((60, 3)) < 0.4
    truth[:, 2] = predicted[:, 2] = False
    for average, score in (("micro", f1), ("macro", f1_macro)):
        ours = score(truth, predicted)
        assert ours.f1 == pytest.approx(f1_score(truth, predicted, average=average, zero_division=0))
        assert ours.precision == pytest.approx(precision_score(truth, predicted, average=average, zero_division=0))


def test_f1_scores_carry_labeller_rule_and_count_of_observations() -> None:
    truth = np.random.default_rng(0).random((30, 3)) < 0.5
    result = score_f1(truth, truth, NAMES, "rule-labeller", "uncertain=negative", samples=20)
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
