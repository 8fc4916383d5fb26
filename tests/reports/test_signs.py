"""What reports say of signs."""

from __future__ import annotations

import pytest

from radloom.reports.signs import sign_evidence, signs
from radloom.study import SIGNS, Mention, Report

SAID = {
    "Hyperinflation": [
        "The lungs are hyperexpanded.",
        "Hyperinflated lungs with flattening of the diaphragms.",
        "Hyperlucent lungs, consistent with COPD.",
        "There are emphysematous changes.",
        "Large lung volumes.",
        "Hyper-inflation of the lungs is noted.",
    ],
    "Low Lung Volumes": [
        "Low lung volumes.",
        "Lung volumes are low.",
        "The lungs are mildly hypoinflated.",
        "There is hypoventilation with bronchovascular crowding.",
        "Lung volumes remain low.",
    ],
    "Tortuous Aorta": [
        "The thoracic aorta is tortuous.",
        "Mild tortuosity of the aorta.",
        "Unfolding of the aorta.",
        "The aorta is ectatic.",
    ],
    "Aortic Calcification": [
        "There are atherosclerotic changes of the aorta.",
        "The aortic knob is calcified.",
        "Atherosclerosis.",
    ],
    "Degenerative Spine": [
        "There are degenerative changes of the spine.",
        "Thoracic spondylosis.",
        "Osteophytes are seen.",
        "Anterior spurring of the thoracic spine.",
    ],
    "Scoliosis": ["There is mild dextroscoliosis.", "Curvature of the thoracic spine."],
    "Hiatal Hernia": ["Large hiatal hernia.", "There is a small hiatus hernia."],
    "Elevated Hemidiaphragm": ["The right hemidiaphragm is elevated.", "Eventration of the left diaphragm."],
    "Sternotomy": ["Median sternotomy wires are intact.", "Sternal wires are noted.", "There has been interval CABG."],
    "Pacemaker": [
        "Stable appearance of pacemaker.",
        "Left chest wall AICD.",
        "A pacemaker or defibrillator is present.",
        "Pacing leads project over the right ventricle.",
        "Leads overlie the right atrium and the right ventricle.",
        "Pacemaker leads with tips in the right atrium.",
    ],
    "Central Venous Catheter": [
        "Right IJ central venous catheter tip in the mid SVC.",
        "Left PICC line.",
        "Left subclavian central line.",
        "There is a right chest port.",
        "Right chest XXXX tip in the low SVC.",
        "A tunneled dialysis catheter with its tip in the right atrium.",
    ],
}


@pytest.mark.parametrize(("sign", "sentence"), [(sign, sentence) for sign, said in SAID.items() for sentence in said])
def test_a_sign_is_read(sign: str, sentence: str) -> None:
    assert signs(sentence) == {sign: Mention.POSITIVE}


def test_every_sign_has_sentences() -> None:
    assert list(SAID) == list(SIGNS)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("No evidence of hyperinflation.", {"Hyperinflation": Mention.NEGATIVE}),
        ("No pacemaker.", {"Pacemaker": Mention.NEGATIVE}),
        ("Interval removal of the right internal jugular catheter.", {"Central Venous Catheter": Mention.NEGATIVE}),
        ("Possible hiatal hernia.", {"Hiatal Hernia": Mention.UNCERTAIN}),
        ("The lungs are not hyperexpanded.", {"Hyperinflation": Mention.NEGATIVE}),
        ("Low lung volumes without hyperinflation.", {"Hyperinflation": Mention.NEGATIVE, "Low Lung Volumes": "+"}),
        ("Degenerative changes of the spine and both shoulders.", {"Degenerative Spine": Mention.POSITIVE}),
        ("Atherosclerotic calcification of the aorta and coronary arteries.", {"Aortic Calcification": "+"}),
        ("Aortic and coronary artery calcifications.", {"Aortic Calcification": "+"}),
        ("Calcified granuloma and tortuous aorta.", {"Tortuous Aorta": Mention.POSITIVE}),
        (
            "The aorta is calcified and tortuous.",
            {"Tortuous Aorta": Mention.POSITIVE, "Aortic Calcification": Mention.POSITIVE},
        ),
    ],
)
def test_negation_and_doubt_are_read(sentence: str, said: dict[str, str]) -> None:
    assert signs(sentence) == {sign: Mention.POSITIVE if what == "+" else what for sign, what in said.items()}


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "The heart is normal in size and the lungs are clear.",
        "There is subcutaneous emphysema.",
        "Calcified granuloma in the right upper lobe.",
        "Pulmonary arterial hypertension.",
        "The pulmonary pressure is elevated.",
        "Surgical clips project over the abdomen.",
        "There is a right pleural effusion.",
        "The spine is intact.",
        "Flattening of the vertebral bodies.",
        "Soft tissue emphysema in the neck.",
        "The endotracheal tube cuff is hyperinflated.",
        "Crowding of the ribs.",
        "Lung volumes are not low.",
        "Lung volumes are low normal.",
        "Tortuous trachea.",
        "Ectasia of the bronchi.",
        "Coronary artery calcifications and a normal aorta.",
        "Mitral annular calcification with normal aortic contour.",
        "Calcified aorticopulmonary window node.",
        "Degenerative changes of the left shoulder, discussed earlier.",
        "Degenerative changes are present in the right shoulder.",
        "Osteophytes of the acetabulum.",
        "Hyperdistended stomach.",
        "Increased kyphotic curvature.",
        "Normal curvature of the spine.",
        "Bochdalek hernia.",
        "Inguinal hernia.",
        "Elevated right hilum, the diaphragm is flat.",
        "Midline sutures in the abdomen.",
        "Cerclage wires in the left humerus.",
        "Overlying ECG leads.",
        "Spinal stimulator leads.",
        "Multiple overlying leads.",
        "There is an intrathecal catheter.",
        "A pigtail catheter in the pleural space.",
        "The feeding tube tip is in the stomach.",
    ],
)
def test_other_things_are_no_signs(sentence: str) -> None:
    assert signs(sentence) == {}


def test_of_several_mentions_the_strongest_counts_in_the_order_of_signs() -> None:
    report = Report("Thoracic spondylosis. No hyperinflation.", "Possible hyperinflation.", "COPD.")
    assert list(signs(report).items()) == [
        ("Hyperinflation", Mention.UNCERTAIN),
        ("Degenerative Spine", Mention.POSITIVE),
    ]


def test_evidence_names_the_words() -> None:
    [found] = sign_evidence("The heart is normal. The Lungs are hyperexpanded.")
    assert (found.observation, found.phrase, found.sentence) == (
        "Hyperinflation",
        "hyperexpanded",
        "The Lungs are hyperexpanded.",
    )
