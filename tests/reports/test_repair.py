"""Reports that agree with what was stated before they were written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radloom.reports.facts import OBSERVED, SAID_SIGNS
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.questions import sides
from radloom.reports.repair import (
    NOTHING,
    agree,
    proofread,
    together,
    unbroken,
    without_repeats,
)
from radloom.reports.signs import signs
from radloom.study import OBSERVATIONS, SIDED, SIGNS, Mention, Report, Side

NORMAL = (
    "Heart size is normal. The lungs are clear. There is no pleural effusion or pneumothorax. The bones are intact."
)

SENTENCES = [sentence for known in OBSERVED.values() for sentence in (known.there, known.absent)]

DEVICES = {"Sternotomy", "Pacemaker", "Central Venous Catheter"}
"""Signs that are support devices."""


def positive(text: str) -> set[str]:
    return {name for name, mention in label(text).items() if mention is Mention.POSITIVE} - {"No Finding"}


@pytest.mark.parametrize("observation", OBSERVED)
def test_plain_sentences_say_what_they_stand_for_and_nothing_else(observation: str) -> None:
    known = OBSERVED[observation]
    for sentence, mention in ((known.there, Mention.POSITIVE), (known.absent, Mention.NEGATIVE)):
        assert {k: v for k, v in label(sentence).items() if k != "No Finding"} == {observation: mention}


@pytest.mark.parametrize("observation", SIDED)
@pytest.mark.parametrize("side", Side)
def test_plain_sentences_with_a_side_say_it_and_nothing_else(observation: str, side: Side) -> None:
    sentence = OBSERVED[observation].said(side)
    assert {k: v for k, v in label(sentence).items() if k != "No Finding"} == {observation: Mention.POSITIVE}
    assert sides(sentence) == {observation: side} and not signs(sentence)


def test_what_has_a_side_can_be_said_with_it() -> None:
    assert {o for o, known in OBSERVED.items() if known.one_side and known.both_sides} == set(SIDED)


def test_a_side_is_said_where_it_was_seen() -> None:
    where = {"Pleural Effusion": Side.LEFT}
    text = agree(Report(NORMAL, "Normal chest."), {"Pleural Effusion"}, where=where)
    assert text.findings == NORMAL.replace(
        "The lungs are clear. There is no pleural effusion or pneumothorax.", "{}"
    ).format("The lungs are clear. There is no pneumothorax. There is a left pleural effusion.")
    assert text.impression == "There is a left pleural effusion."


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("There is a small left pleural effusion.", True),
        ("There is a small pleural effusion.", True),
        ("There is a small right pleural effusion.", False),
        ("There are small bilateral pleural effusions.", False),
        ("Right pleural effusion without pneumothorax.", False),
        ("Right greater than left pleural effusions.", False),
        ("Possible right pleural effusion and left pleural effusion.", False),
        ("Left pleural effusion with both hemidiaphragms flattened.", True),
        ("Effusion is seen on both frontal and lateral views.", True),
        ("Left pleural effusion, seen on both the PA and lateral views.", True),
        ("Bibasal pleural effusion.", False),
        ("Rt pleural effusion.", False),
        ("There is a pleural effusion", False),
        ("There is a pleural effusion.", False),  # as plain, but for the side
    ],
)
def test_no_other_side_is_said_than_was_seen(written: str, kept: bool) -> None:
    made = agree(
        Report(f"Heart size is normal. {written}"), {"Pleural Effusion"}, where={"Pleural Effusion": Side.LEFT}
    )
    assert (written in made.findings) is kept
    assert ("There is a left pleural effusion." in made.findings) is not kept


def test_sides_of_what_is_not_read_are_not_said() -> None:
    made = agree(Report("The heart is normal."), {"Fracture"}, where={"Fracture": Side.LEFT})
    assert "There is a fracture." in made.findings


def test_every_observation_but_no_finding_has_them() -> None:
    assert list(OBSERVED) == list(OBSERVATIONS[1:])


def test_what_was_stated_is_said_where_it_was_denied() -> None:
    assert agree(Report(NORMAL), {"Pleural Effusion"}).findings == (
        "Heart size is normal. The lungs are clear. There is no pneumothorax. There is a pleural effusion. "
        "The bones are intact."
    )


def test_clear_lungs_give_way_to_what_is_in_them() -> None:
    text = agree(Report(NORMAL), {"Atelectasis"}).findings
    assert "clear" not in text
    assert "There is atelectasis." in text


@pytest.mark.parametrize(
    "sentence",
    [
        "No acute cardiopulmonary abnormality.",
        "No evidence of active disease.",
        "Negative for acute abnormality.",
        "Chest radiograph without acute findings.",
    ],
)
@pytest.mark.parametrize(("observation", "kept"), [("Edema", False), ("Pleural Effusion", False), ("Fracture", True)])
def test_nothing_acute_is_not_said_beside_what_is_acute(sentence: str, observation: str, kept: bool) -> None:
    impression = agree(Report(impression=sentence), {observation}).impression
    assert (sentence in impression) is kept
    assert OBSERVED[observation].there in impression or kept


@pytest.mark.parametrize(
    "sentence",
    [
        "There are old left rib fractures, and heart size is normal.",
        "There is an acute fracture of the left 5th rib; the lungs are otherwise unremarkable.",
        "The bones are osteopenic with intact sternotomy wires.",
        "The bones are not normal.",
    ],
)
def test_what_is_said_of_bones_stays_beside_a_fracture(sentence: str) -> None:
    assert sentence in agree(Report(findings=sentence), positive(sentence) | {"Fracture"}).findings


@pytest.mark.parametrize(
    "sentence",
    [
        "The bones are intact.",
        "Osseous structures are grossly unremarkable.",
        "No acute bony abnormalities.",
        "The visualized ribs appear normal.",
    ],
)
def test_bones_are_not_well_beside_a_fracture(sentence: str) -> None:
    text = f"The heart is normal in size. {sentence}"
    broken = agree(Report(findings=text), {"Fracture"}).findings
    assert sentence not in broken and OBSERVED["Fracture"].there in broken
    assert agree(Report(findings=text), {"Cardiomegaly"}).findings.endswith(sentence)


@pytest.mark.parametrize("sentence", ["No acute bony abnormality.", "No acute osseous findings."])
def test_bones_may_be_well_beside_what_is_acute(sentence: str) -> None:
    assert sentence in agree(Report(f"There is a pleural effusion. {sentence}"), {"Pleural Effusion"}).findings


@pytest.mark.parametrize("sentence", ["Normal chest.", "Unremarkable examination.", "Negative chest radiograph."])
def test_a_chest_is_not_called_normal_beside_anything(sentence: str) -> None:
    assert agree(Report(impression=sentence), ()).impression == sentence
    assert sentence not in agree(Report(impression=f"Cardiomegaly. {sentence}"), {"Cardiomegaly"}).impression


@pytest.mark.parametrize(
    ("sentence", "observation"),
    [
        ("Lungs are clear and there is no acute cardiopulmonary disease.", "Pleural Effusion"),
        ("Normal chest without acute disease.", "Cardiomegaly"),
    ],
)
def test_a_sentence_goes_where_any_of_what_it_says_contradicts(sentence: str, observation: str) -> None:
    assert sentence not in agree(Report(sentence), {observation}).findings


def test_what_was_not_stated_is_not_said() -> None:
    assert agree(Report("The heart is enlarged. The lungs are clear."), ()).findings == "The lungs are clear."


def test_a_text_that_agrees_stays_as_it_is() -> None:
    report = Report("Mild cardiomegaly. Small left pleural effusion.", "Cardiomegaly. Pleural effusion.", "Cough.")
    assert agree(report, {"Cardiomegaly", "Pleural Effusion", "No Finding"}) == report


def test_uncertain_words_count_as_no_denial_unless_stated() -> None:
    report = Report("Possible pneumonia.")
    assert agree(report, ()) == report
    assert agree(report, {"Pneumonia"}).findings == "There is pneumonia."


def test_a_section_that_was_not_written_stays_unwritten() -> None:
    assert agree(Report(impression="Stable chest."), {"Edema"}) == Report(
        impression="There is pulmonary edema. Stable chest."
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([*NORMAL.split(". "), *SENTENCES]), min_size=1),
    st.sets(st.sampled_from(OBSERVATIONS[1:])),
)
def test_afterwards_the_labeller_reads_just_what_was_stated(parts: list[str], stated: set[str]) -> None:
    text = agree(Report(". ".join(part.strip(".") for part in parts) + "."), stated).findings
    assert positive(text) == stated
    assert agree(Report(text), stated).findings == text


@pytest.mark.parametrize("sign", SIGNS)
def test_plain_sentences_on_signs_say_what_they_stand_for(sign: str) -> None:
    assert signs(SAID_SIGNS[sign]) == {sign: Mention.POSITIVE}
    assert positive(SAID_SIGNS[sign]) == ({"Support Devices"} if sign in DEVICES else set())


def test_every_sign_has_a_plain_sentence() -> None:
    assert list(SAID_SIGNS) == list(SIGNS)


def test_signs_are_left_alone_where_nobody_looked() -> None:
    written = Report("The lungs are hyperexpanded. There are degenerative changes of the spine.", "Low lung volumes.")
    assert agree(written, ()) == written


def test_findings_say_the_signs_that_are_there_and_no_section_says_others() -> None:
    written = Report("The lungs are hyperexpanded. Heart size is normal.", "COPD. No acute disease.")
    made = agree(written, (), {"Degenerative Spine"})
    assert made == Report("Heart size is normal. Degenerative changes of the spine.", "No acute disease.")
    both = agree(Report("Heart size is normal."), (), {"Degenerative Spine", "Low Lung Volumes"}).findings
    assert both == "Low lung volumes. Heart size is normal. Degenerative changes of the spine."
    assert agree(written, (), {"Hyperinflation"}) == written


def test_what_a_sentence_denied_is_said_when_it_goes_for_a_sign() -> None:
    made = agree(Report("Low lung volumes without pleural effusion."), (), ()).findings
    assert made == "There is no pleural effusion."


@pytest.mark.parametrize(
    ("sign", "sentence"),
    [
        ("Hyperinflation", "The lungs are normally inflated without focal airspace disease."),
        ("Hyperinflation", "Lung volumes are normal."),
        ("Low Lung Volumes", "The lungs are well-expanded and clear."),
        ("Low Lung Volumes", "Both lungs are clear and expanded."),
        ("Low Lung Volumes", "Normal mediastinal contour, central airways and lung volumes."),
        ("Low Lung Volumes", "Lung volumes are not low."),
        ("Tortuous Aorta", "Normal heart, aorta and mediastinum."),
        ("Degenerative Spine", "The osseous structures are within normal limits."),
        ("Elevated Hemidiaphragm", "The diaphragm is normal."),
        ("Tortuous Aorta", "The thoracic aorta is unremarkable."),
        ("Aortic Calcification", "Normal thoracic aorta."),
        ("Degenerative Spine", "The thoracic spine is normal."),
        ("Degenerative Spine", "Normal chest."),
        ("Scoliosis", "Negative chest radiograph."),
    ],
)
def test_what_denies_a_sign_in_other_words_is_not_said_beside_it(sign: str, sentence: str) -> None:
    assert sentence not in agree(Report(f"Heart size is normal. {sentence}"), (), {sign}).findings
    for others in (set(), {"Sternotomy", "Support Devices"}, {"Hiatal Hernia"}):
        kept = agree(
            Report(f"Heart size is normal. {sentence}"), others & {"Support Devices"}, others - {"Support Devices"}
        )
        assert (sentence in kept.findings) is not ("chest" in sentence and bool(others))


@pytest.mark.parametrize(
    ("sign", "sentence"),
    [
        ("Tortuous Aorta", "Normal cardiac silhouette above the aortic hiatus."),
        ("Low Lung Volumes", "Lung volumes are low normal."),
        ("Degenerative Spine", "The bones are intact."),
        ("Hyperinflation", "The lungs are clear."),
    ],
)
def test_what_denies_no_sign_stays_beside_it(sign: str, sentence: str) -> None:
    assert sentence in agree(Report(sentence), (), {sign}).findings


@pytest.mark.parametrize("cut", ["No acute disease", "There is no pneumothorax or pleural"])
def test_signs_are_said_before_what_was_cut_off(cut: str) -> None:
    made = agree(Report(f"Heart size is normal. {cut}"), (), {"Scoliosis"}).findings
    assert made == f"Heart size is normal. There is scoliosis. {cut}"
    assert agree(Report(made), (), {"Scoliosis"}).findings == made
    assert agree(Report(cut), (), {"Scoliosis"}).findings == f"There is scoliosis. {cut}"


def test_of_two_signs_that_exclude_each_other_neither_is_said() -> None:
    assert together((), {"Hyperinflation", "Low Lung Volumes", "Scoliosis"}) == (set(), {"Scoliosis"})
    made = agree(Report("Low lung volumes. Heart size is normal."), (), {"Hyperinflation", "Low Lung Volumes"})
    assert made.findings == "Heart size is normal."


def test_a_section_of_which_nothing_is_left_says_that_nothing_is_acute() -> None:
    assert agree(Report("Heart size is normal.", "COPD."), (), ()) == Report("Heart size is normal.", NOTHING)
    assert label(NOTHING) == {NO_FINDING: Mention.POSITIVE}


def test_signs_that_are_an_observation_are_said_where_that_is_stated() -> None:
    written = Report("Heart size is normal.", "No acute disease.")
    wires = "Sternotomy wires are present."
    assert agree(written, {"Support Devices"}, {"Sternotomy"}) == Report(
        f"Heart size is normal. {wires}", f"No acute disease. {wires}"
    )
    assert agree(written, (), {"Sternotomy"}) == written
    assert together({NO_FINDING, "Support Devices"}, {"Sternotomy"}) == (
        {NO_FINDING, "Support Devices"},
        {"Sternotomy"},
    )
    assert together({NO_FINDING}, {"Sternotomy"}) == ({NO_FINDING}, set())


def test_nothing_is_found_only_where_no_sign_is_a_finding() -> None:
    assert together({NO_FINDING}, {"Scoliosis"}) == (set(), {"Scoliosis"})
    assert together({NO_FINDING}, ()) == ({NO_FINDING}, set())


@given(
    parts=st.lists(
        st.sampled_from(
            [
                *SAID_SIGNS.values(),
                *SENTENCES,
                *(OBSERVED[o].said(s) for o in SIDED for s in Side),
            ]
        ),
        max_size=6,
    ),
    stated=st.sets(st.sampled_from(list(OBSERVED))),
    seen=st.sets(st.sampled_from(SIGNS)),
    where=st.dictionaries(st.sampled_from(SIDED), st.sampled_from(Side)),
)
@settings(max_examples=60, deadline=None)
def test_afterwards_findings_say_just_the_signs_that_fit(
    parts: list[str], stated: set[str], seen: set[str], where: dict[str, Side]
) -> None:
    where = {observation: side for observation, side in where.items() if observation in stated}
    made = agree(Report(" ".join(["The trachea is midline.", *parts])), stated, seen, where).findings
    assert {o: side for o, side in sides(made).items() if o in where} == where
    stated, fitting = together(stated, seen)
    assert {sign for sign, mention in signs(made).items() if mention is Mention.POSITIVE} == fitting
    assert positive(made) == stated
    assert agree(Report(made), stated, seen, where).findings == made


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("There is no acute bony findings.", "There are no acute bony findings."),
        ("There is no pleural effusions or pneumothorax.", "There are no pleural effusions or pneumothorax."),
        ("There are no focal airspace disease.", "There is no focal airspace disease."),
        ("There are no pneumothorax.", "There is no pneumothorax."),
        ("There is no pleural effusion or pneumothorax is seen.", "There is no pleural effusion or pneumothorax."),
        ("Clear lungs. There is no acute bony findings", "Clear lungs. There are no acute bony findings"),
    ],
)
def test_verbs_are_made_to_fit_their_nouns(written: str, right: str) -> None:
    assert proofread(Report(written, written)) == Report(right, right)


@pytest.mark.parametrize(
    "sentence",
    [
        "There are no focal areas of consolidation.",
        "There is no evidence of effusions.",
        "There is no change in the effusions.",
        "There is no mass or nodules.",
        "There are no masses.",
        "There is no effusion, but opacities are seen.",
        "There is no evidence that effusion is present.",
        "There is a pleural effusion.",
        "There are opacities in the lungs.",
        *SENTENCES,
    ],
)
def test_what_is_right_is_left(sentence: str) -> None:
    assert proofread(Report(sentence)) == Report(sentence)


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("There is a a a small effusion.", "There is a small effusion."),
        ("Stable contour, stable contour.", "Stable contour, stable contour."),
        ("No edema. No edema. The heart is normal. No edema.", "No edema. The heart is normal."),
        ("Allllllll clear. The heart is normal.", "The heart is normal."),
        ("The left left lower lobe lower lobe is clear.", "The left lower lobe is clear."),
        ("The heart is normal. The lungs are clear.", "The heart is normal. The lungs are clear."),
        ("Allllllll.", "Allllllll."),
        ("", ""),
    ],
)
def test_what_was_written_twice_goes(written: str, left: str) -> None:
    assert without_repeats(Report(written, "Normal.")) == Report(left, "Normal.")


@pytest.mark.parametrize(
    "broken",
    [
        "Pulmonary vasculature is normal in the lungs are clear.",
        "The silhouette is normal size and configuration of the lungs are clear.",
        "The cardiomediastinal silhouette is no acute bony abnormalities.",
        "There is a right hemidiaphragm.",
        "There is a left base, which may represent atelectasis or scarring.",
    ],
)
def test_sentences_that_run_into_one_another_go(broken: str) -> None:
    assert unbroken(Report(f"{broken} The heart is normal.", "Normal.")) == Report("The heart is normal.", "Normal.")
    assert unbroken(Report(broken)) == Report(broken)  # better than nothing


@pytest.mark.parametrize(
    "whole",
    [
        "There is elevation of the right hemidiaphragm.",
        "There is a left lung calcified granuloma.",
        "The remainder of the lungs are clear.",
        "The lungs are no longer clear.",
    ],
)
def test_whole_sentences_stay(whole: str) -> None:
    assert unbroken(Report(f"{whole} The heart is normal.")) == Report(f"{whole} The heart is normal.")
