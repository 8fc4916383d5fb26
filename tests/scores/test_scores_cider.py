"""Golden values are pycocoevalcap 1.2's (`Cider()`) on the same strings."""

import numpy as np
import pytest

from radloom.errors import RadloomError
from radloom.scores.cider import cider
from scores.texts import HYPOTHESES, REFERENCES


def test_cider_equals_pycocoevalcap() -> None:
    expected = [5.982434192476017, 2.6369918734608513, 0.0]
    np.testing.assert_allclose(cider(REFERENCES, HYPOTHESES), expected, atol=1e-9)
    assert cider(REFERENCES, HYPOTHESES).mean() == pytest.approx(2.8731420219789556, abs=1e-9)


def test_several_references_equal_pycocoevalcap() -> None:
    references = [
        ["no effusion is seen in the chest", "there is no effusion"],
        "the heart is large",
        "a normal heart",
    ]
    hypotheses = ["no effusion is there at all", "the heart is large", "the heart"]
    expected = [2.4611358048852154, 10.0, 0.44023028570343015]
    np.testing.assert_allclose(cider(references, hypotheses), expected, atol=1e-9)


def test_a_perfect_hypothesis_scores_ten_and_an_empty_one_zero() -> None:
    np.testing.assert_allclose(cider(REFERENCES, REFERENCES), 10)
    np.testing.assert_array_equal(cider(REFERENCES, [""] * 3), 0)


def test_one_pair_alone_scores_zero() -> None:
    assert cider(["no effusion"], ["no effusion"]) == [0]


def test_the_order_of_the_pairs_does_not_matter() -> None:
    order = [2, 0, 1]
    shuffled = cider([REFERENCES[i] for i in order], [HYPOTHESES[i] for i in order])
    np.testing.assert_allclose(shuffled, cider(REFERENCES, HYPOTHESES)[order])


def test_repeated_pairs_score_the_same_if_references_hold_every_ngram() -> None:
    hypotheses = [REFERENCES[0], *REFERENCES[:2]]
    np.testing.assert_allclose(cider(REFERENCES * 2, hypotheses * 2), np.tile(cider(REFERENCES, hypotheses), 2))


def test_a_longer_hypothesis_is_penalised() -> None:
    scores = cider(REFERENCES, [f"{text} and so it is on the other side" for text in REFERENCES])
    assert (scores < cider(REFERENCES, REFERENCES)).all()


def test_missing_pairs_and_references_are_refused() -> None:
    with pytest.raises(RadloomError, match="2 references for 1 hypotheses"):
        cider(["a", "b"], ["a"])
    with pytest.raises(RadloomError, match="0 references"):
        cider([], [])
    with pytest.raises(RadloomError, match="Hypothesis 1 has no reference"):
        cider(["a", []], ["a", "b"])
