"""Golden values are pycocoevalcap 1.2's (`Meteor()`, `meteor-1.5.jar`) on the same strings."""

import importlib.util

import numpy as np
import pytest

from radloom.errors import MissingPackageError, RadloomError
from radloom.scores.meteor import MeteorData, meteor, meteor_counts, meteor_data
from radloom.scores.porter2 import stem

needs_tables = pytest.mark.skipif(not importlib.util.find_spec("pycocoevalcap"), reason="needs pycocoevalcap")

REFERENCES = [
    "The heart is normal in size. The lungs are clear; no pleural effusion is seen.",
    "Mild cardiomegaly. No focal consolidation, pneumothorax or effusion.",
    "Lungs are hyperinflated with flattened diaphragms (COPD).",
    "Dr. Jones saw a 2.5 cm nodule in the patient's right upper lobe.",
    "In order to exclude pneumonia, a follow-up examination is needed as soon as possible.",
    ["There is no evidence of acute disease.", "No signs of an acute illness are visible."],
    "Sternotomy wires are unchanged.",
]
HYPOTHESES = [
    "heart size is normal. lungs are clear. there is no pleural effusion.",
    "The heart is mildly enlarged. No pneumothorax or effusions.",
    "Normal chest",
    "A nodule of 2.5 cm is seen in the right upper lobes of patients of Dr. Jones...",
    "To rule out pneumonia, a follow up exam is required at the earliest opportunity.",
    "No evidence of an acute illness",
    "Sternotomy wires are unchanged.",
]
SMALL = MeteorData(
    function_words=frozenset({"is", "no", "of", "the", "."}),
    prefixes={"Dr": False, "No": True},
    synsets={"enlarged": ["1"], "big": ["1", "2"], "mouse": ["3"], "rodent": ["3"]},
    bases={"mice": ["mouse"]},
    paraphrases={"no evidence of": ["without"], "can be seen": ["is visible", "is seen"]},
)


def score(reference: str, hypothesis: str) -> float:
    return float(meteor_counts([reference], [hypothesis], SMALL).corpus())


@pytest.fixture(scope="module")
def tables() -> MeteorData:
    references = [[r] if isinstance(r, str) else r for r in REFERENCES]
    return meteor_data([text for several in (*references, HYPOTHESES) for text in several])


@needs_tables
def test_meteor_equals_pycocoevalcap(tables: MeteorData) -> None:
    counts = meteor_counts(REFERENCES, HYPOTHESES, tables)
    expected = [0.25472441612877195, 0.23045776229918327, 0, 0.36081837508001097, 0.47120681963249506]
    expected += [0.37165038639171355, 1]
    np.testing.assert_allclose(counts.sentences(), expected, atol=1e-9)
    assert counts.corpus() == pytest.approx(0.3120250650543717, abs=1e-9)


@needs_tables
def test_counts_equal_those_of_the_jar(tables: MeteorData) -> None:
    counts = meteor_counts(REFERENCES, HYPOTHESES, tables)
    np.testing.assert_array_equal(counts.length[4], [16, 17])
    np.testing.assert_array_equal(counts.function_words[4], [9, 9])
    np.testing.assert_array_equal(counts.content_matches[4], [[2, 0, 2, 3], [2, 0, 2, 3]])
    np.testing.assert_array_equal(counts.function_matches[4], [[6, 0, 0, 3], [6, 0, 0, 2]])
    np.testing.assert_array_equal(counts.chunks, [7, 3, 0, 7, 1, 1, 1])


@needs_tables
def test_tables_hold_the_paraphrases_between_phrases_of_the_texts_alone(tables: MeteorData) -> None:
    assert "is required" in tables.paraphrases["is needed"]
    assert "needed" in tables.paraphrases["required"]
    assert "in the city" not in tables.paraphrases
    assert tables.synsets["heart"]
    assert tables.bases["mice"] == ["mouse"]
    assert {"the", "."} <= tables.function_words


def test_corpus_score_is_that_of_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.scores.meteor.meteor_data", lambda texts: SMALL)
    assert meteor(REFERENCES, HYPOTHESES) == meteor_counts(REFERENCES, HYPOTHESES, SMALL).corpus()


@pytest.mark.parametrize(
    ("reference", "hypothesis", "matcher", "matched"),
    [
        ("Lungs clear", "clear lungs", 0, 2),
        ("effusions", "effusion", 1, 1),
        ("enlarged", "big", 2, 1),
        ("mice", "rodents", 2, 1),
        ("no evidence of effusion", "without fluid", 3, 1),
        ("it is seen", "it can be seen", 3, 3),
        ("it can be seen", "it is seen", 3, 2),
    ],
)
def test_words_match_by_stem_synonym_and_paraphrase(
    reference: str, hypothesis: str, matcher: int, matched: int
) -> None:
    counts = meteor_counts([reference], [hypothesis], SMALL)
    assert (counts.content_matches + counts.function_matches)[0, 0, matcher] == matched


def test_scores_follow_the_formula() -> None:
    # one exact and one stem match of three content words each, in two chunks
    share = (1 + 0.6) / 3
    assert score("lung remains clear", "lungs are clear") == pytest.approx(share * (1 - 0.6))
    # a function word weighs a third of a content word; the two matches are one chunk
    precision, recall = 1.0, (0.75 + 0.25) / (2 * 0.75 + 0.25)
    mean = 1 / (0.15 / precision + 0.85 / recall)
    assert score("the heart large", "the heart") == pytest.approx(mean * (1 - 0.6 * (1 / 2) ** 0.2))


def test_the_alignment_with_fewest_chunks_is_taken() -> None:
    counts = meteor_counts(["a b c a b"], ["a b a b c"], MeteorData())
    assert counts.chunks == [2]
    assert counts.content_matches[0, 0, 0] == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dr. Jones", 2),
        ("seen. Next", 3),
        ("seen. next", 2),
        ("No. 5", 2),
        ("No. Effusion", 3),
        ("U.S. study", 2),
        ("patient's", 2),
        ("follow-up", 2),
        ("3.5 cm, 1,000 mm", 5),
        ("wait...", 2),
        ("(left)/\u201cright\u201d", 7),
        ("\u00e9tat \u00b5", 2),
        (" ", 0),
    ],
)
def test_texts_are_cut_into_words_and_marks(text: str, words: int) -> None:
    assert meteor_counts(["x"], [text], SMALL).length[0, 0] == words


def test_identical_texts_score_one_and_empty_ones_zero() -> None:
    assert score("No effusion.", "no effusion .") == 1
    assert score("no effusion", "") == score("", "no effusion") == score("", "") == 0
    assert score("clear lungs", "large heart") == 0
    assert meteor_counts(HYPOTHESES, HYPOTHESES, SMALL).corpus() == 1


def test_the_best_of_several_references_counts() -> None:
    several = meteor_counts([["large heart", "no effusion", "no"]], ["no effusion"], SMALL)
    assert several.sentences() == [1]


def test_the_order_of_the_pairs_does_not_matter() -> None:
    order = [3, 6, 0, 5, 2, 4, 1]
    counts = meteor_counts(REFERENCES, HYPOTHESES, SMALL)
    shuffled = meteor_counts([REFERENCES[i] for i in order], [HYPOTHESES[i] for i in order], SMALL)
    np.testing.assert_array_equal(shuffled.sentences(), counts.sentences()[order])
    assert shuffled.corpus() == pytest.approx(counts.corpus())


def test_weights_count_pairs_as_often_as_they_say() -> None:
    counts = meteor_counts(REFERENCES, HYPOTHESES, SMALL)
    weights = np.array([[1] * 7, [0, 0, 0, 0, 0, 0, 3], [2, 0, 1, 0, 3, 1, 0], [2] * 7, [0] * 7])
    scores = counts.corpus(weights)
    assert scores.shape == (5,)
    repeated = [i for i, times in enumerate(weights[2]) for _ in range(times)]
    drawn = meteor_counts([REFERENCES[i] for i in repeated], [HYPOTHESES[i] for i in repeated], SMALL)
    np.testing.assert_allclose(scores, [counts.corpus(), 1, drawn.corpus(), counts.corpus(), 0])


def test_missing_pairs_references_and_tables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RadloomError, match="2 references for 1 hypotheses"):
        meteor(["a", "b"], ["a"])
    with pytest.raises(RadloomError, match="0 references"):
        meteor([], [])
    with pytest.raises(RadloomError, match="Hypothesis 1 has no reference"):
        meteor(["a", []], ["a", "b"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install --no-deps pycocoevalcap"):
        meteor(["a"], ["a"])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("effusions", "effus"),
        ("radiologist", "radiologist"),
        ("radiology", "radiolog"),
        ("organization", "organ"),
        ("opacities", "opac"),
        ("hyperinflated", "hyperinfl"),
        ("calcified", "calcifi"),
        ("ebbing", "eb"),
        ("hoping", "hope"),
        ("skies", "sky"),
        ("dying", "die"),
        ("ties", "tie"),
        ("masses", "mass"),
        ("bus", "bus"),
        ("gas", "gas"),
        ("generally", "general"),
        ("proceeding", "proceed"),
        ("agreed", "agre"),
        ("happily", "happili"),
        ("usefulness", "use"),
        ("relational", "relat"),
        ("youth's", "youth"),
        ("'tis", "tis"),
        ("yying", "yy"),
        ("falling", "fall"),
        ("controllable", "control"),
        ("x2", "x2"),
    ],
)
def test_stems_are_those_of_the_jar(word: str, expected: str) -> None:
    assert stem(word) == expected
