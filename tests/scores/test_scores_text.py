"""Golden values are pycocoevalcap 1.2's (`Bleu(4)`, `Rouge()`) on the same strings."""

import numpy as np
import pytest

from radloom.errors import RadloomError
from radloom.scores.statistics import Bootstrap
from radloom.scores.text import R2GEN, R2GEN_MIMIC, bleu, bleu_counts, r2gen_clean, rouge_l, score_reports
from scores.texts import HYPOTHESES, REFERENCES


def test_bleu_equals_pycocoevalcap() -> None:
    corpus = [0.6207532648784001, 0.5402963663833911, 0.46869481173665134, 0.39264868609688097]
    bleu4 = [0.5586623203169252, 0.2790159393287965, 2.1827615550011675e-12]
    np.testing.assert_allclose(bleu(REFERENCES, HYPOTHESES), corpus, atol=1e-9)
    np.testing.assert_allclose(bleu_counts(REFERENCES, HYPOTHESES).sentences()[:, 3], bleu4, atol=1e-9)


def test_rouge_l_equals_pycocoevalcap() -> None:
    expected = [0.8527493010251631, 0.5763779527559055, 0.0]
    np.testing.assert_allclose(rouge_l(REFERENCES, HYPOTHESES), expected, atol=1e-9)


def test_several_references_equal_pycocoevalcap() -> None:
    references, hypotheses = (
        [["no effusion is seen in the chest", "there is no effusion"]],
        ["no effusion is there at all"],
    )
    expected = [0.5643211497389692, 0.4371212829630446, 0.3432315222953156, 5.8118508138094164e-05]
    np.testing.assert_allclose(bleu(references, hypotheses), expected, atol=1e-9)
    np.testing.assert_allclose(rouge_l(references, hypotheses), [0.5], atol=1e-9)


def test_bleu_of_a_subset_is_the_bleu_of_those_pairs() -> None:
    index = np.array([1, 1, 0])
    weights = np.bincount(index, minlength=len(REFERENCES))[None].astype(float)
    subset = bleu([REFERENCES[i] for i in index], [HYPOTHESES[i] for i in index])
    np.testing.assert_allclose(bleu_counts(REFERENCES, HYPOTHESES).corpus(weights)[0], subset)


def test_empty_hypothesis_scores_zero() -> None:
    assert bleu(["no effusion"], [""])[0] == pytest.approx(0, abs=1e-6)
    assert rouge_l(["no effusion"], [""])[0] == 0


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Heart size normal. Lungs CLEAR.", "heart size normal . lungs clear ."),
        ("1. Cardiomegaly. 2. No effusion.", "cardiomegaly . no effusion ."),
        ("No x-ray signs; see note (prior/old): stable!", "no x-ray signs see note priorold stable ."),
        ("Done... Next", "done . next ."),
        ("sats <90% @ rest", "sats 90  rest ."),
        ("", " ."),
    ],
)
def test_cleaning_is_that_of_r2gen(raw: str, clean: str) -> None:
    assert r2gen_clean(raw) == clean


def test_text_is_cut_at_sixty_words() -> None:
    assert R2GEN("word " * 100) == " ".join(["word"] * 60)


def test_mimic_has_a_protocol_of_its_own() -> None:
    assert R2GEN_MIMIC("word " * 200) == " ".join(["word"] * 100)
    odd = "Lungs  clear....\n Heart ___ normal."
    assert R2GEN_MIMIC(odd) == "lungs clear . heart normal ."
    assert R2GEN_MIMIC("1. No edema. 2. Stable.") == R2GEN("1. No edema. 2. Stable.")
    scores = score_reports(REFERENCES, HYPOTHESES, "findings", protocol=R2GEN_MIMIC)
    assert list(scores)[-1] == "rouge_l[findings, r2gen-mimic]"


def test_report_scores_are_named_after_section_and_protocol_and_bracket_the_value() -> None:
    scores = score_reports(
        ["Heart is NORMAL."] * 3 + REFERENCES,
        ["heart is normal"] * 3 + HYPOTHESES,
        "findings",
        Bootstrap(3 + len(REFERENCES), 100),
    )
    assert list(scores) == [*(f"bleu{k}[findings, r2gen]" for k in (1, 2, 3, 4)), "rouge_l[findings, r2gen]"]
    for interval in scores.values():
        assert 0 < interval.low <= interval.value <= interval.high <= 1


def test_a_perfect_system_scores_one() -> None:
    for interval in score_reports(REFERENCES, REFERENCES, "findings", Bootstrap(len(REFERENCES), 10)).values():
        assert interval.value == pytest.approx(1, abs=1e-6)


def test_blank_references_and_unequal_sides_are_refused() -> None:
    with pytest.raises(RadloomError, match="Reference 1 has no findings"):
        score_reports(["clear lungs", "  "], ["a", "b"], "findings")
    with pytest.raises(RadloomError, match="2 references for 1 hypotheses"):
        bleu(["a", "b"], ["a"])
    with pytest.raises(RadloomError, match="0 references"):
        rouge_l([], [])


def test_references_are_cut_one_word_sooner() -> None:
    """R2Gen cuts `[0] + ids + [0]` at 60 tokens, and reads a reference from the second on."""
    for protocol, words in ((R2GEN, 60), (R2GEN_MIMIC, 100)):
        assert len(protocol("word " * 200).split()) == words
        assert protocol.reference("word " * 200).split() == ["word"] * (words - 1)
    assert R2GEN.reference("Clear. Normal.") == R2GEN("Clear. Normal.") == "clear . normal ."
    long, cut = "word " * 58 + "last more", "word " * 58 + "last"
    scores = [score_reports([reference], [long], "findings") for reference in (long, cut)]
    assert scores[0]["bleu4[findings, r2gen]"].value == scores[1]["bleu4[findings, r2gen]"].value < 1
