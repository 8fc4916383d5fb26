"""One report of the sentences of several."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radloom.language.consensus import FEWEST, LONGEST, Phrases, consensus, usual_phrases
from radloom.reports.cleaning import sentences
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.repair import agree, together
from radloom.reports.signs import signs
from radloom.study import SIGNS, Mention, Report

HEART = "The heart is normal in size."
CLEAR = "The lungs are clear."
NONE = "No pleural effusion or pneumothorax."
BONES = "There are degenerative changes of the spine."
LARGE = "The heart is enlarged."
NORMAL = {NO_FINDING}


def findings(*texts: str) -> list[Report]:
    return [Report(findings=text) for text in texts]


def test_what_most_drafts_say_is_said_once_and_what_one_says_is_not() -> None:
    drafts = findings(
        f"{HEART} {CLEAR} {NONE} Heart size is normal.",
        f"{HEART} {CLEAR} A catheter is seen.",
        f"{CLEAR} {NONE}",
        f"Heart size is normal. {NONE}",
    )
    assert consensus(drafts, NORMAL).findings == f"{HEART} {CLEAR} {NONE}"


def test_sentences_keep_the_place_they_mostly_have() -> None:
    drafts = findings(f"{HEART} {CLEAR} {NONE}", f"{HEART} {NONE}", f"{CLEAR} {NONE}", f"{CLEAR} {HEART} {NONE}")
    assert consensus(drafts, NORMAL).findings.endswith(NONE)


def test_what_was_stated_is_said_first_of_all() -> None:
    drafts = findings(f"{HEART} {CLEAR}", f"{HEART} {CLEAR}", f"{LARGE} {CLEAR}")
    assert consensus(drafts, NORMAL).findings == f"{HEART} {CLEAR}"
    assert consensus(drafts, {"Cardiomegaly"}).findings == f"{LARGE} {CLEAR}"
    unsaid = consensus(drafts, {"Cardiomegaly", "Edema"}).findings  # what no draft says is not made up
    assert unsaid == f"{LARGE} {CLEAR}"


def test_where_there_is_a_finding_beyond_the_observations_the_report_is_not_normal() -> None:
    drafts = findings(*[f"{HEART} {CLEAR}"] * 3, f"{HEART} {CLEAR} {BONES}")
    assert label(f"{HEART} {BONES}").get(NO_FINDING) is not Mention.POSITIVE
    assert consensus(drafts, NORMAL).findings == f"{HEART} {CLEAR}"
    assert BONES in consensus(drafts, set()).findings
    impressions = [Report(impression=text) for text in ("No acute disease.", "No acute disease.", "Spondylosis.")]
    assert consensus(impressions, set()).impression == "No acute disease."  # it is left to the findings


def test_signs_that_are_there_are_said_in_the_findings() -> None:
    drafts = [Report(f"{HEART} {CLEAR}", "No acute disease.")] * 3 + [Report(f"{HEART} {CLEAR} {BONES}", BONES)]
    assert consensus(drafts, (), seen={"Degenerative Spine"}) == Report(f"{HEART} {CLEAR} {BONES}", "No acute disease.")


def test_a_sign_is_spoken_of_once() -> None:
    drafts = findings(f"{HEART} {BONES}", f"{HEART} Thoracic spondylosis.", f"{HEART} {BONES} {CLEAR}")
    assert consensus(drafts, (), seen={"Degenerative Spine"}).findings.count("pondyl") == 0


def test_reports_at_large_decide_among_the_wordings_of_drafts() -> None:
    drafts = findings("Cardiac silhouette is of normal size.", HEART, f"{CLEAR} Cardiac silhouette is of normal size.")
    usual = usual_phrases(findings(*[f"{HEART} {CLEAR}"] * FEWEST))
    assert HEART not in consensus(drafts, NORMAL).findings
    assert consensus(drafts, NORMAL, usual).findings == f"{HEART} {CLEAR}"


def test_sections_are_made_apart_and_empty_ones_stay_empty() -> None:
    drafts = [Report(findings=HEART, impression="Normal chest."), Report(findings=CLEAR, impression="Normal chest.")]
    made = consensus(drafts, NORMAL)
    assert made.impression == "Normal chest." and set(sentences(made.findings)) <= {HEART, CLEAR}
    assert consensus(findings(HEART, HEART), NORMAL) == Report(findings=HEART)
    assert consensus([Report(), Report()], {"Edema"}) == Report()
    assert consensus([Report(), *findings(HEART)], NORMAL).findings == HEART


def test_one_draft_is_left_as_it_is() -> None:
    (draft,) = findings(f"{HEART} {HEART}")
    assert consensus([draft], {"Edema"}) == draft


def test_phrases_are_means_over_texts_without_the_rare() -> None:
    phrases = Phrases.of(["a b a.", "", "a c."])
    assert phrases.totals == (2.5, 1.5, 0.5, 0.0)  # the empty text is no text
    assert phrases.counts == {"a": 1.5, "b": 0.5, "c": 0.5, "a b": 0.5, "b a": 0.5, "a c": 0.5, "a b a": 0.5}
    assert Phrases.of(["a b a.", "a c."], rare=0.6).counts == {"a": 1.5}
    assert Phrases.of(["a b a.", "a c."], fewest=2).counts == {"a": 1.5}
    assert Phrases.of([]) == Phrases({}, (0.0,) * LONGEST)


def test_phrases_of_sentences_go_across_their_stop() -> None:
    assert Phrases.of(["Clear. Heart normal."]).counts["clear . heart"] == 1


def test_mixed_phrases_are_the_mean() -> None:
    mixed = Phrases({"a": 1.0, "b": 0.5}, (2.0, 1.0, 0.0, 0.0)).mixed(Phrases({"a": 0.5}, (1.0, 0.0, 0.0, 0.0)))
    assert mixed == Phrases({"a": 0.75, "b": 0.25}, (1.5, 0.5, 0.0, 0.0))


def test_likeness_is_the_mean_f1_of_expected_ngrams() -> None:
    expected = Phrases({"a": 1.5, "b": 0.5, "a b": 0.5}, (2.0, 1.0, 0.0, 0.0))
    # single words: 1 of a, .5 of b, of 2 and 2; pairs: .5, of 1 and 1; longer ones have neither
    assert expected.likeness(["a", "b"]) == pytest.approx((2 * 1.5 / 4 + 2 * 0.5 / 2) / 2)
    assert expected.likeness(["a", "a"]) == pytest.approx((2 * 1.5 / 4 + 0) / 2)
    assert expected.likeness([]) == 0 and Phrases.of([]).likeness([]) == 1


def test_no_table_repeats_what_few_reports_say() -> None:
    few = findings(*[HEART] * (FEWEST - 1), *[CLEAR] * FEWEST)
    assert "lungs are clear" in usual_phrases(few)["findings"].counts
    assert not any("heart" in gram for gram in usual_phrases(few)["findings"].counts)
    many = findings(*[CLEAR] * 2000, *[HEART] * 10)
    assert not any("heart" in gram for gram in usual_phrases(many)["findings"].counts)


def test_drafts_that_are_alike_are_left_as_they_are() -> None:
    for text in (
        "Endotracheal tube tip is above the carina. Right jugular catheter tip is in the right atrium. Left tube.",
        "Small right pleural effusion. Large left pleural effusion.",
        "There is cardiomegaly with pulmonary edema. There is pulmonary edema with bilateral pleural effusions.",
    ):
        stated = {name for name, mention in label(text).items() if mention is Mention.POSITIVE}
        assert consensus(findings(*[text] * 3), stated).findings == text
    assert consensus(findings(*[f"{HEART} {HEART}"] * 3), NORMAL).findings == HEART  # but nothing is said twice


def test_what_was_not_stated_counts_against_a_draft() -> None:
    effusion = "There is a large right pleural effusion."
    drafts = findings(*[f"{LARGE} {effusion}"] * 2, *[LARGE] * 2)
    assert consensus(drafts, {"Cardiomegaly"}).findings == LARGE


@pytest.mark.parametrize(
    ("fine", "finding"),
    [
        ("The lungs are clear.", "There may be pneumonia."),
        ("No acute cardiopulmonary abnormality.", "Possible right lower lobe pneumonia."),
        ("Low lung volumes are present.", "The lungs are hyperexpanded."),
        ("Normal chest.", "Possible cardiomegaly."),
    ],
)
def test_what_is_at_odds_is_not_brought_together(fine: str, finding: str) -> None:
    drafts = [Report(impression=text) for text in (fine, finding, fine, finding)]
    assert consensus(drafts, NORMAL).impression in (fine, finding)


def test_what_is_normal_of_one_organ_does_not_keep_another_out() -> None:
    hila, tissue = "Mediastinal contours are within normal limits.", "Soft tissues are within normal limits."
    drafts = findings(f"{hila} {NONE}", f"{hila} {tissue}", f"{tissue} {NONE}")
    assert {hila, tissue} <= set(sentences(consensus(drafts, NORMAL).findings))


def test_a_sentence_that_was_cut_off_goes_where_there_are_others() -> None:
    cut = "The lungs are clear. No evidence of"
    drafts = findings(cut, cut, cut, "The lungs are clear. There is a pleural effusion.")
    assert consensus(drafts, {"Pleural Effusion"}).findings == "The lungs are clear. There is a pleural effusion."
    assert consensus(findings(NONE, "There may be edema"), set()).findings == NONE  # alone, too, it would run on
    assert consensus(findings("No evidence of", "There may be"), NORMAL).findings == "No evidence of"


def test_a_section_that_most_drafts_leave_out_stays_out() -> None:
    drafts = [*[Report(findings=HEART)] * 3, Report(findings=HEART, impression="Possible malignancy.")]
    assert consensus(drafts, NORMAL) == Report(findings=HEART)


def test_training_reports_without_a_section_expect_nothing_of_it() -> None:
    usual = usual_phrases(findings(*[CLEAR] * FEWEST))
    drafts = [Report(impression=text) for text in ("Normal chest.", "Normal chest. No change.")]
    assert usual["impression"].totals == (0.0,) * LONGEST
    assert consensus(drafts, NORMAL, usual) == consensus(drafts, NORMAL)


SENTENCES = [
    HEART,
    LARGE,
    CLEAR,
    NONE,
    BONES,
    "Small left effusion.",
    "No acute osseous abnormality.",
    "There is cardiomegaly with pleural effusion.",
    "There may be edema",
]


@given(
    st.lists(st.lists(st.sampled_from(SENTENCES), max_size=4).map(". ".join), min_size=2, max_size=5),
    st.sets(st.sampled_from(["Cardiomegaly", "Pleural Effusion", NO_FINDING])),
)
def test_it_is_made_of_the_drafts_sentences_and_says_what_one_of_them_could(texts: list[str], stated: set[str]) -> None:
    drafts = [agree(Report(findings=text), stated) for text in texts]
    made = consensus(drafts, stated)
    said = sentences(made.findings)
    assert set(said) <= {sentence for draft in drafts for sentence in sentences(draft.findings)}
    assert len(set(said)) == len(said)
    assert bool(said) == (2 * sum(bool(draft.findings) for draft in drafts) >= len(drafts) and any(texts))
    if said:
        positive = {
            name for name, mention in label(agree(made, stated).findings).items() if mention is Mention.POSITIVE
        }
        assert positive - {NO_FINDING} == stated - {NO_FINDING}


@given(
    drafts=st.lists(
        st.lists(
            st.sampled_from([HEART, CLEAR, NONE, BONES, LARGE, "Low lung volumes.", "COPD.", "No pleural"]), max_size=5
        ),
        min_size=2,
        max_size=5,
    ),
    stated=st.sets(st.sampled_from(["Cardiomegaly", "Support Devices"])),
    seen=st.sets(st.sampled_from(SIGNS)),
)
@settings(max_examples=60, deadline=None)
def test_signs_are_said_whatever_the_drafts(drafts: list[list[str]], stated: set[str], seen: set[str]) -> None:
    stated, seen = together(stated, seen)
    agreed = [agree(Report("The trachea is midline. " + " ".join(draft)), stated, seen) for draft in drafts]
    made = agree(consensus(agreed, stated, seen=seen), stated, seen).findings
    assert {sign for sign, mention in signs(made).items() if mention is Mention.POSITIVE} == seen
    said = {name for name, mention in label(made).items() if mention is Mention.POSITIVE}
    assert said - {NO_FINDING} == stated
