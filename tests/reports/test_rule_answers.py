"""Questions that the called observations answer, and those that they must not."""

from __future__ import annotations

import time

import pytest

from radloom.reports.facts import LUNGS, OBSERVED
from radloom.reports.labeller import NO_FINDING, SUPPORT_DEVICES, label
from radloom.reports.questions import WORDINGS, asked_of
from radloom.reports.rule_answers import Findings, rule_answer
from radloom.reports.rule_answers.pictures import kind_answer, view_answer
from radloom.reports.rule_answers.presence import presence_answer, size_answer
from radloom.reports.rule_answers.sides import side_answer
from radloom.reports.rule_answers.wording import LONGEST, yes_or_no
from radloom.study import SIDED, SIGNS, Mention, Side, View

PRESENCE = {
    "Enlarged Cardiomediastinum": ["Is the mediastinum widened?", "Is/Are there a widened mediastium?"],
    "Cardiomegaly": [
        "Is the heart enlarged?",
        "Is/Are the the heart enlarged ? -yes/no",
        "is the patient's heart dilated",
        "Is the heart too big?",
        "Is the heart larger than normal?",
        "Is the heart wider than 50% of the chest?",
        "Is the heart greater than half the width of the thorax?",
        "Is the heart size abnormal?",
        "Is the heart shadow abnormally large?",
        "Does the heart look enlarged?",
        "Is the cardiac silhouette enlarged?",
        "Do you see cardiomegaly?",
        "Is there cardiac enlargement (yes or no)?",
    ],
    "Lung Opacity": ["Are there increased interstitial markings?", "Are infiltrates seen?", "Any airspace disease?"],
    "Lung Lesion": ["Is there a mass in the lung?", "Can a pulmonary nodule be appreciated?"],
    "Edema": ["Does this X-ray show pulmonary edema?"],
    "Consolidation": ["Are there any pulmonary consolidations?", "Is there a focal consolidation?"],
    "Pneumonia": ["Does the patient have pneumonia?", "Is this pneumonia?"],
    "Atelectasis": ["Is there evidence of atelectasis?"],
    "Pneumothorax": [
        "Is there a pneumonthorax?",
        "Is/Are there a pneumothroax?",
        "Is there a pneumothorax seen in the above image?",
        "Pneumothorax?",
    ],
    "Pleural Effusion": [
        "Can you see a pleural effusion?",
        "Is there presence of pleural effusions in this patient?",
        "Is pleural fluid identified?",
        "Any pleural effusion present?",
        "Is there fluid in the pleural space?",
    ],
    "Pleural Other": ["Is there pleural thickening?"],
    "Fracture": ["Are any of the patient's ribs fractured?", "Are any ribs broken?", "Are there bone fractures?"],
    "Support Devices": ["Are there any lines or tubes?", "Is a medical device visible?", "Are there support devices?"],
}

ABSENCE = {
    "Cardiomegaly": ["Is the heart size normal?", "Is/Are the heart normal size?", "Is the heart normal?"],
    "Enlarged Cardiomediastinum": ["Is the mediastinum normal?"],
    "Lung Opacity": ["Are the lungs free of infiltrates?"],
    "Consolidation": ["Are there lungs free of consolidation?", "Is there an absence of consolidation?"],
    "Pneumothorax": ["Is pneumothorax absent?", "Is there no evidence of a pneumothorax?"],
    "Pleural Effusion": ["Is this film without pleural effusion?", "Are pleural effusions absent?"],
    "Support Devices": ["Is the chest free of support devices?"],
}

NORMAL = [
    "normal?",
    "Is this normal?",
    "Is this image normal?",
    "Is this a normal film?",
    "Does this X-ray look normal?",
    "Is there no abnormality?",
    "Is the chest free of abnormalities?",
    "Are these findings normal?",
]

ABNORMAL = [
    "Is this X-ray abnormal?",
    "Is this an abnormal film?",
    "Is anything wrong?",
    "Is anything wrong in this image?",
    "Anything abnormal in this image?",
    "Are there any abnormalities?",
    "Does this X-ray show any abnormalities?",
    "Do you see anything wrong with this X-ray?",
]

OTHERS = [
    "Is there a left pleural effusion?",
    "Is there a right-sided pneumothorax?",
    "Are there bilateral effusions?",
    "Is there a pneumothorax at the apex?",
    "Is there an opacity in the lower lobe?",
    "Are the clavicles fractured?",
    "Is there a mass in the right hilum?",
    "Is there a small effusion?",
    "Is the pneumothorax larger?",
    "Is there severe cardiomegaly?",
    "Has the effusion increased?",
    "Has the heart enlarged?",
    "Is the edema worse?",
    "Is there a new consolidation?",
    "Is the fracture acute?",
    "Is the effusion clear?",
    "Is the effusion on the left or right?",
    "Is the heart large or normal?",
    "Is the effusion present or absent?",
    "Is this pneumonia vs. effusion?",
    "Is the cardiomediastinal silhouette normal?",
    "Is there a tension pneumothorax?",
    "Is there a hydropneumothorax?",
    "Is there a calcified nodule?",
    "Is there a malignancy?",
    "Does this image show heart failure?",
    "Is there possible pneumonia?",
    "Is the chest not without effusion?",
    "Isn't there an effusion?",
    "Is there a chest tube?",
    "Does the patient have a pacemaker?",
    "Is the ET tube properly placed?",
    "Is this a PA film?",
    "Is this a chest X-ray?",
    "Is this film underexposed?",
    "Can this image highlight bone fractures?",
    "Is there tracheal deviation?",
    "Is there hilar adenopathy?",
    "Is there free air under the diaphragm?",
    "Is there pericardial effusion?",
    "Is there emphysema?",
    "Is there any change in the hiatal hernia?",
    "Is there a change in the scoliosis?",
    "Is there degenerative change of the aorta?",
    "Are there degenerative changes of the ribs?",
    "Is there flattening of the vertebrae?",
    "Are the ribs crowding?",
    "Is there a hernia of the diaphragm?",
    "Is there CABG?",
    "Are there degenerative changes?",
    "Is there degeneration of the lungs?",
    "Is there a hernia in the chest?",
    "Is there ectasia?",
    "Is there crowding?",
    "Is the aorta tortuous with an effusion?",
    "Is the right hemidiaphragm elevated?",
    "Is the aorta tortuous and the heart enlarged?",
    "Is there mild scoliosis?",
    "Is the aortic contour normal?",
    "Is the heart displaced?",
    "Are there abnormalities in the lower lung?",
    "Is the image normal or abnormal?",
    "Is this patient healthy?",
    "Is the picture broken?",
    "Is the mediastinum wider than half the chest?",
    "Which side is the effusion on?",
    "Where is the pneumothorax?",
    "How large is the heart?",
    "What is a pleural effusion?",
    "How many fractures are there?",
    "Is it?",
    "yes or no",
    "?",
    "",
]

TRUTHS = [(o, q, True) for o, asked in PRESENCE.items() for q in asked] + [
    (o, q, False) for o, asked in ABSENCE.items() for q in asked
]


@pytest.mark.parametrize(("observation", "question", "present"), TRUTHS)
def test_presence_is_answered_both_ways(observation: str, question: str, present: bool) -> None:
    others = set(OBSERVED) - {observation}
    for positive, there in (({observation}, True), (set(), False), (others, False)):
        assert presence_answer(question, positive) == ("yes" if there is present else "no")


@pytest.mark.parametrize(
    ("sign", "question", "present"),
    [
        ("Hyperinflation", "Is there hyperinflation?", True),
        ("Hyperinflation", "Are the lungs hyperinflated?", True),
        ("Hyperinflation", "Is/Are the diaphragm  flattened? -yes/no", True),
        ("Hyperinflation", "Is there hyperinflation of the lung(s)?", True),
        ("Hyperinflation", "Are the lungs free of hyperinflation?", False),
        ("Low Lung Volumes", "Are there low lung volumes?", True),
        ("Low Lung Volumes", "Are the lung volumes low?", True),
        ("Tortuous Aorta", "Is the thoracic aorta tortuous?", True),
        ("Tortuous Aorta", "Is/Are there tortuosity in the patient's aorta?", True),
        ("Aortic Calcification", "Is there calcification of the aorta?", True),
        ("Degenerative Spine", "Are there degenerative changes in the spine?", True),
        ("Degenerative Spine", "Is there degenerative disease of the thoracic spine?", True),
        ("Scoliosis", "Does the patient have scoliosis?", True),
        ("Hiatal Hernia", "Is there a hiatal hernia?", True),
        ("Elevated Hemidiaphragm", "Is the hemidiaphragm elevated?", True),
        ("Sternotomy", "Are there sternotomy wires?", True),
        ("Pacemaker", "Is there a pacemaker?", True),
        ("Pacemaker", "Are cardiac pacemaker leads seen?", True),
        ("Central Venous Catheter", "Is there a central line in place?", True),
        ("Central Venous Catheter", "Is the chest free of central venous catheters?", False),
    ],
)
def test_signs_are_answered_where_they_were_looked_for(sign: str, question: str, present: bool) -> None:
    for there in (True, False):
        for positive in ((), None):
            assert presence_answer(question, positive, {sign: there}) == ("yes" if there is present else "no")
    assert presence_answer(question, set(OBSERVED)) is None
    assert presence_answer(question, set(OBSERVED), dict.fromkeys(set(SIGNS) - {sign}, True)) is None


@pytest.mark.parametrize(
    "question",
    [
        "Is there a PICC line?",
        "Is there a chest port?",
        "Is there an ICD?",
        "Is there a dialysis catheter?",
        "Is the catheter tip in the SVC?",
        "Is there a pleural catheter?",
        "Are there ECG leads?",
        "Is the pacemaker new?",
    ],
)
def test_kinds_and_places_of_devices_are_left_alone(question: str) -> None:
    assert presence_answer(question, {"Support Devices"}, dict.fromkeys(SIGNS, True)) is None


def test_where_nobody_has_looked_nothing_is_said_of_observations() -> None:
    for question in ("Is the heart enlarged?", "Is this X-ray normal?", "Are the lungs normal?"):
        assert presence_answer(question, None, {"Hyperinflation": True}) is None


def test_hyperinflated_lungs_are_not_normal() -> None:
    for there in (True, False):
        assert presence_answer("Are the lungs normal?", (), {"Hyperinflation": there}) == ("no" if there else "yes")
    assert presence_answer("Are the lungs clear?", (), {"Hyperinflation": True}) == "yes"


@pytest.mark.parametrize(("question", "normal"), [(q, True) for q in NORMAL] + [(q, False) for q in ABNORMAL])
def test_normal_is_where_nothing_but_devices_is_there(question: str, normal: bool) -> None:
    devices = {NO_FINDING, SUPPORT_DEVICES}
    for positive, is_normal in (({NO_FINDING}, True), (devices, True), (set(), True), ({NO_FINDING, "Edema"}, False)):
        assert presence_answer(question, positive) == ("yes" if is_normal is normal else "no")
        assert presence_answer(question, positive, {"Scoliosis": True}) == ("no" if normal else "yes")
        assert presence_answer(question, positive, {"Scoliosis": False}) == ("yes" if is_normal is normal else "no")
    assert presence_answer(question, None) is None


@pytest.mark.parametrize(
    ("question", "positive", "sides", "answer"),
    [
        ("Is the left lung clear?", {"Cardiomegaly", "Pleural Effusion"}, {}, "yes"),
        ("Is the left lung clear?", {"Lung Opacity"}, {"Lung Opacity": Side.LEFT}, "no"),
        ("Is the right lung clear?", {"Lung Opacity"}, {"Lung Opacity": Side.LEFT}, "yes"),
        ("Is the right lung clear?", {"Lung Opacity"}, {"Lung Opacity": Side.BOTH}, "no"),
        ("Is the right lung clear?", {"Lung Opacity"}, {}, None),  # on a lateral view
        ("Is the right lung clear?", {"Lung Lesion", "Lung Opacity"}, {"Lung Opacity": Side.RIGHT}, "no"),
        ("Is the right lung clear?", {"Lung Lesion", "Lung Opacity"}, {"Lung Opacity": Side.LEFT}, None),
        ("Is the left lung normal?", {"Pleural Effusion"}, {"Pleural Effusion": Side.LEFT}, "no"),
        ("Are the left lung fields abnormal?", {"Pleural Effusion"}, {"Pleural Effusion": Side.LEFT}, "yes"),
        ("Is the patient's left lung normal appearing?", {"Cardiomegaly"}, {}, "yes"),
        ("Is the left lung clear of effusions?", set(), {}, None),
        ("Is the left lung smaller than the right?", set(), {}, None),
        ("Is the left lung clear?", None, {"Lung Opacity": Side.LEFT}, None),
    ],
)
def test_one_lung(question: str, positive: set[str] | None, sides: dict[str, Side], answer: str | None) -> None:
    assert presence_answer(question, positive, sides=sides) == answer


@pytest.mark.parametrize("question", ["Are the lungs clear?", "Are both lungs clear? -yes/no"])
def test_lungs_are_clear_without_any_finding_in_them(question: str) -> None:
    assert presence_answer(question, {"Cardiomegaly", "Pleural Effusion", "Fracture"}) == "yes"
    assert {presence_answer(question, {observation}) for observation in LUNGS} == {"no"}


@pytest.mark.parametrize("question", ["Are the lungs abnormal?", "Are there any abnormalities in the lungs?"])
def test_lungs_are_abnormal_with_any_finding_in_or_around_them(question: str) -> None:
    assert presence_answer(question, {"Cardiomegaly", "Fracture", SUPPORT_DEVICES}) == "no"
    around = {"Pneumothorax", "Pleural Effusion", "Pleural Other"}
    assert {presence_answer(question, {observation}) for observation in LUNGS | around} == {"yes"}
    normal = "Are the lungs normal?"
    assert {presence_answer(normal, {observation}) for observation in LUNGS | around} == {"no"}
    assert presence_answer(normal, {"Cardiomegaly"}) == "yes"


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("Is this a PA film?", True),
        ("Is/Are there free air under the diaphragm? -yes/no", True),
        ("  does the trachea deviate", True),
        ("Isn't the heart displaced?", True),
        ("Isn’t the heart displaced?", True),
        ("Can't you see the trachea?", True),
        ("Any free air?", True),
        ("Is it in the left lung?", True),
        ("Can you see the trachea?", True),
        ("Can you describe the findings?", False),
        ("Could you please tell me the view?", False),
        ("Do describe it.", False),
        ("Have a look at the lungs.", False),
        ("Is this AP/PA?", False),
        ("Is the heart big, normal, small?", False),
        ("Is there a mass? Name its location.", False),
        ("Is this film AP or PA?", False),
        ("Is there an effusion, and where?", False),
        ("Is the opacity left vs right?", False),
        ("Which side is the effusion on?", False),
        ("How large is the heart?", False),
        ("Describe the lungs.", False),
        ("is", False),
        ("", False),
    ],
)
def test_whether_yes_or_no_is_asked_for(question: str, asks: bool) -> None:
    assert yes_or_no(question) is asks


@pytest.mark.parametrize("question", OTHERS)
def test_other_questions_are_left_alone(question: str) -> None:
    assert presence_answer(question, set(OBSERVED)) is None


@pytest.mark.parametrize("marks", ["?" * 4000, " " * 4000, "(-" * 2000, "is it " * 700])
def test_a_long_question_is_left_alone_at_once(marks: str) -> None:
    begun = time.process_time()
    assert not yes_or_no(f"is it {marks}x") and presence_answer(f"is it {marks}x", ()) is None
    yes_or_no(f"is it {marks[: LONGEST - 8]}x")
    assert time.process_time() - begun < 0.5


def test_a_long_question_is_left_alone() -> None:
    assert presence_answer("the " * LONGEST + "effusion?", ()) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is this a chest X-ray?", "yes"),
        ("Is this a plain film xray?", "yes"),
        ("Is this a chest radiograph?", "yes"),
        ("Is this an image of the thorax?", "yes"),
        ("Is the image a CT scan?", "no"),
        ("Is this a MRI of the chest?", "no"),
        ("Is this an ultrasound?", "no"),
        ("Is this a normal chest X-ray?", None),
        ("Is this a good chest X-ray?", None),
        ("Is this a chest X-ray of a child?", None),
        ("Is this a knee X-ray?", None),
        ("Is this a PA film?", None),
        ("Is there a CT scan?", None),
        ("Is this a chest X-ray? " + "x" * 200, None),
    ],
)
def test_the_kind_of_picture_is_answered(question: str, answer: str | None) -> None:
    assert kind_answer(question, lambda: True) == answer
    assert kind_answer(question, lambda: False) == ("no" if answer == "yes" else None)


@pytest.mark.parametrize(
    ("question", "of_frontal", "of_lateral"),
    [
        ("Which view is this?", "frontal", "lateral"),
        ("Is this a front view?", "yes", "no"),
        ("Is this a side view?", "no", "yes"),
        ("What projection is this?", "frontal", "lateral"),
        ("Is this a frontal or lateral view?", "frontal", "lateral"),
        ("Is this a lateral film?", "no", "yes"),
        ("Is this a lateral chest X-ray?", "no", "yes"),
        ("Is the image frontal?", "yes", "no"),
        ("is this in the lateral plane", "no", "yes"),
        ("Is this a PA film?", None, "no"),
        ("Is the radiograph lateral?", "no", "yes"),
        ("Is this study frontal?", "yes", "no"),
        ("Is this a lateral view of the chest?", "no", "yes"),
        ("Is this an AP image?", None, "no"),
        ("Is this an axial image?", None, None),
        ("Is this a lateral effusion?", None, None),
        ("Is this a normal chest X-ray?", None, None),
        ("Which view is best?", None, None),
        ("the " * 200 + "lateral", None, None),
    ],
)
def test_the_view_is_answered(question: str, of_frontal: str | None, of_lateral: str | None) -> None:
    assert (view_answer(question, View.FRONTAL), view_answer(question, View.LATERAL)) == (of_frontal, of_lateral)


def test_questions_written_by_rule_are_answered_where_they_are_closed() -> None:
    for observation in OBSERVED:
        for kind, wordings in WORDINGS.items():
            for wording in wordings:
                answer = presence_answer(asked_of(observation, wording), {observation})
                normal = "yes" if observation == SUPPORT_DEVICES else "no"
                assert answer == {"presence": "yes", "absence": "no", "normality": normal}.get(kind), wording


def test_plain_sentences_of_a_report_agree_with_the_answer() -> None:
    for observation, known in OBSERVED.items():
        question = f"Is there {known.a}?"
        assert presence_answer(question, {observation}) == "yes" and presence_answer(question, ()) == "no"
        assert label(known.there).get(observation) is Mention.POSITIVE
        assert label(known.absent).get(observation) is Mention.NEGATIVE


@pytest.mark.parametrize("observation", SIDED)
def test_the_side_of_what_is_asked_about_is_answered(observation: str) -> None:
    for side in Side:
        for wording in WORDINGS["side"]:
            question = asked_of(observation, wording)
            assert side_answer(question, (), {observation: side}) == side.value
            assert side_answer(question, None, {}) is None and presence_answer(question, {observation}) is None


SIDES = {
    "Is there a left pleural effusion?": "yes no yes",
    "Is there a left-sided effusion?": "yes no yes",
    "Is there an effusion present on the right-side?": "no yes yes",
    "Can a pleural effusion be appreciated on the right side?": "no yes yes",
    "Is/Are there pleural effusion in the patient's left lung field?": "yes no yes",
    "Are there bilateral pleural effusions?": "no no yes",
    "Is the pleural effusion bilateral?": "no no yes",
    "Is there pleural effusion in both lungs?": "no no yes",
    "Is there pleural effusion in both right and left lung fields?": "no no yes",
    "Is the left lung free of effusion?": "no yes no",
    "Are both lungs free of effusion?": "no no no",
    "Is there no effusion on the right?": "yes no no",
    "Is the effusion on the left or right?": "left right both",
    "Is the effusion on the patient's left or the right side?": "left right both",
    "Which side is the effusion on?": "left right both",
    "Which lung has an effusion?": "left right both",
    "Is the effusion left-sided or right-sided?": "left right both",
    "Is the effusion on the left, on the right or bilateral?": "left right both",
    "Can a left effusion be seen on this X-ray?": "yes no yes",
    "Does this chest X-ray show a left pleural effusion?": "yes no yes",
    "Is the left lung free of effusion on this film?": "no yes no",
    "On what side of the chest is the pleural effusion?": "left right both",
}
"""Question -> what is right of an effusion on the left, on the right and on both sides."""


@pytest.mark.parametrize(("question", "answers"), SIDES.items())
def test_whether_something_is_on_a_side_is_answered(question: str, answers: str) -> None:
    for side, answer in zip(Side, answers.split(), strict=True):
        assert side_answer(question, {"Pleural Effusion"}, {"Pleural Effusion": side}) == answer
        if answer not in ("yes", "no"):
            assert side_answer(question, (), {"Pleural Effusion": side}) == answer  # it speaks of one that there is
        else:
            none = "yes" if " free " in question or " no " in question else "no"
            assert side_answer(question, {"Edema"}, {"Pleural Effusion": side}) == none
            assert side_answer(question, None, {"Pleural Effusion": side}) is None


@pytest.mark.parametrize(
    "question",
    [
        "Is the left lung clear?",
        "Is there a large left pleural effusion?",
        "Is there atelectasis in the left lower lobe?",
        "Is there a left pneumothorax or a right effusion?",
        "Is there a left effusion on the right?",
        "Is the right hemidiaphragm elevated?",
        "Is there a nodule in the left lung?",
        "Is there an effusion?",
        "Is the left effusion larger than the right?",
        "Is consolidation absent on the left?",
        "Are effusions absent bilaterally?",
        "Which side is effusion absent on?",
        "Is there no bilateral effusion?",
        "Is the chest free of bilateral effusions?",
        "Is the effusion on the left side of the image?",
        "On which side of the X-ray is the pneumothorax?",
        "Is there an opacity seen in the right side of this film?",
        "Does the film on the right show pneumonia?",
        "Is this the right image of the effusion?",
        "There is pneumonia, right?",
        "Is there pneumonia right here?",
        "Is it right that there is an effusion?",
        "Is there any effusion left?",
        "Is there any effusion left in the lungs?",
        "Is there an effusion on the left, right?",
        "What lung opacity is seen?",
        "Are there left and right pleural effusions?",
        "Does the right study show pneumonia?",
        "Does the patient on the left have pneumonia?",
        "Is any effusion left visible?",
        "Is it right you see an effusion?",
        "Is there the right sign of effusion?",
        "Which side is it on?",
        "Left or right?",
        "Which side?",
        "",
        "Is there a left effusion? " * 20,
    ],
)
def test_what_asks_for_more_than_a_side_is_left_alone(question: str) -> None:
    assert side_answer(question, set(SIDED), dict.fromkeys(SIDED, Side.LEFT)) is None


def test_asked_whether_it_is_on_either_side_what_is_absent_is_on_none() -> None:
    for question in (
        "Is there a left or right pneumothorax?",
        "Any pneumothorax in the left or right lung?",
        "Does this study show a left or right pneumothorax?",
        "Is there a left or right pneumothorax in the lungs?",
    ):
        assert side_answer(question, {"Pneumothorax"}, {"Pneumothorax": Side.RIGHT}) == "right"
        assert side_answer(question, {"Edema"}, {"Pneumothorax": Side.RIGHT}) == "no"
        assert side_answer(question, None, {"Pneumothorax": Side.RIGHT}) is None


def test_what_is_absent_somewhere_is_not_answered_as_present() -> None:
    assert presence_answer("Is consolidation absent in the chest?", {"Consolidation"}) is None


def test_both_lungs_may_be_clear_but_which_are_not_is_another_question() -> None:
    assert presence_answer("Are both lungs clear?", {"Consolidation"}) == "no"
    assert presence_answer("Are both lungs abnormal?", {"Consolidation"}) is None
    assert presence_answer("Are there abnormalities in both lungs?", {"Consolidation"}) is None


@pytest.mark.parametrize(
    "question",
    [
        "How big is the heart?",
        "What is the size of the heart?",
        "how large is the patient's heart",
        "What size is the heart?",
    ],
)
def test_the_size_of_the_heart(question: str) -> None:
    assert size_answer(question, {"Cardiomegaly"}) == "enlarged"
    assert size_answer(question, {"Edema"}) == "normal"
    assert size_answer(question, None) is None


@pytest.mark.parametrize(
    "question", ["How big is the effusion?", "How big is the heart shadow on the left?", "How is it?"]
)
def test_other_sizes_are_left_alone(question: str) -> None:
    assert size_answer(question, {"Cardiomegaly"}) is None


KINDS = {
    "Pneumothorax": ["Is this a tension pneumothorax?", "Is there a right apical pneumothorax?"],
    "Fracture": ["Are the clavicles fractured?", "Is there a fracture of the left humerus?", "Are ribs fractured?"],
    "Lung Lesion": ["Is there a cavitary lesion?", "Is there a malignancy?", "Is there a mass in the right hilum?"],
    "Support Devices": ["Is there a chest tube?", "Does this patient have an endotracheal tube?"],
    "Consolidation": ["Is there a new consolidation in the left upper lobe?"],
    "Pleural Effusion": ["Is there a small effusion?", "Are there large loculated effusions?"],
}
"""Observation -> questions about one sort of it, or about one place."""


@pytest.mark.parametrize(("observation", "question"), [(o, q) for o, asked in KINDS.items() for q in asked])
def test_what_is_not_there_is_there_of_no_kind(observation: str, question: str) -> None:
    assert presence_answer(question, set(OBSERVED) - {observation}) == "no"
    assert presence_answer(question, {observation}) in (None, "yes" if question == "Are ribs fractured?" else None)
    assert presence_answer(question, None) is None


@pytest.mark.parametrize(
    "question",
    [
        "Is the effusion small?",
        "Is the consolidation in the left upper lobe?",
        "Has the effusion resolved?",
        "Is the edema worse?",
        "Is there an improved effusion?",
        "Is there no large effusion?",
        "Is the chest free of large effusions?",
        "Is there a small pericardial effusion?",
        "Does this image show heart failure?",
        "Is there COPD?",
        "Is the tip of the central line in the right atrium?",
        "Is there a tension hydropneumothorax?",
    ],
)
def test_of_what_is_not_there_other_questions_are_left_alone(question: str) -> None:
    assert presence_answer(question, (), dict.fromkeys(SIGNS, False)) is None


ANGLES = {
    "Are the costophrenic angles blunted?": True,
    "Is there any blunting of the costophrenic angle(s)?": True,
    "Is there any costophrenic angle blunting present?": True,
    "Is/Are there blunting in the patient's costophrenic angles?": True,
    "Are the costophrenic angles sharp?": False,
    "Are the costophrenic sulci clear?": False,
    "Is there no evidence of blunting of the costophrenic angles?": False,
}
"""Question -> whether `yes` says that they are blunted."""


@pytest.mark.parametrize(("question", "blunted"), ANGLES.items())
def test_costophrenic_angles_are_blunted_by_fluid_or_thickening(question: str, blunted: bool) -> None:
    for positive in ({"Pleural Effusion"}, {"Pleural Other", "Edema"}):
        assert presence_answer(question, positive) == ("yes" if blunted else "no")
    assert presence_answer(question, {"Edema"}) == ("no" if blunted else "yes")
    assert presence_answer(question, None) is None


def test_one_costophrenic_angle() -> None:
    left = {"Pleural Effusion": Side.LEFT}
    for question, answers in {
        "Is there blunting of the left costophrenic angle?": ("yes", "no"),
        "Is the right costophrenic angle sharp?": ("yes", "yes"),
        "Is/Are the R costophrenic angle sharp?": ("yes", "yes"),
        "Is the L costophrenic angle clear?": ("no", "yes"),
    }.items():
        there = presence_answer(question, {"Pleural Effusion"}, sides=left)
        assert (there, presence_answer(question, (), sides=left)) == answers
        assert presence_answer(question, {"Pleural Effusion"}) is None  # on a lateral view


@pytest.mark.parametrize(
    ("question", "positive", "answer"),
    [
        ("Is there fluid in the lungs?", {"Edema"}, "yes"),
        ("Do you see fluid in the left lung?", {"Pleural Effusion"}, "yes"),
        ("Is there fluid in the lungs?", {"Lung Opacity"}, "no"),
        ("Is there fluid in the right lung?", {"Pleural Effusion"}, "no"),
        ("Is there fluid in the right lung?", {"Edema"}, None),
        ("Is there an air-fluid level?", (), None),
        ("Is there interstitial lung disease?", {"Lung Opacity"}, None),
        ("Is there interstitial lung disease?", (), "no"),
        ("Is there scarring?", {"Lung Opacity"}, None),
        ("Are there pleural plaques?", {"Pleural Other"}, None),
        ("Is there fluid overload?", {"Edema"}, None),
        ("Is the cardiac contour normal?", (), "yes"),
        ("Is the heart border normal?", {"Cardiomegaly"}, "no"),
        ("Is the heart >50% of the chest diameter?", {"Cardiomegaly"}, "yes"),
        ("Is the heart wider than more than half the width of the thorax?", (), "no"),
        ("Is the heart contour a mirror image of normal?", (), None),
        ("Is the heart clearly visible?", (), None),
    ],
)
def test_other_words_for_what_is_seen(question: str, positive: set[str], answer: str | None) -> None:
    assert presence_answer(question, positive, sides={"Pleural Effusion": Side.LEFT}) == answer


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which view is this?", "frontal"),
        ("Is there a left effusion?", "yes"),
        ("How big is the heart?", "normal"),
        ("Is there hyperinflation?", "no"),
        ("Is this a chest X-ray?", "yes"),
        ("Is there a mass?", "no"),
        ("Is there free air under the diaphragm?", None),
    ],
)
def test_the_first_rule_that_knows_answers(question: str, answer: str | None) -> None:
    sides = {"Pleural Effusion": Side.LEFT}
    found = Findings(View.FRONTAL, {"Pleural Effusion"}, {"Hyperinflation": False}, sides)
    assert rule_answer(question, found, lambda: True) == answer


@pytest.mark.parametrize(
    ("question", "positive", "answer"),
    [
        ("Is there a pneumothorax or an effusion?", {"Pleural Effusion"}, "yes"),
        ("Is there a pneumothorax or an effusion?", {"Edema"}, "no"),
        ("Any effusion or consolidation?", {"Consolidation"}, "yes"),
        ("Is there cardiomegaly and edema?", {"Cardiomegaly", "Edema", "Fracture"}, "yes"),
        ("Is there cardiomegaly and edema?", {"Edema"}, "no"),
        ("Is there an effusion or hyperinflation?", {"Pleural Effusion"}, None),  # nobody looked for the sign
        ("Is there an effusion or a small nodule?", {"Pleural Effusion"}, None),
        ("Is there no effusion or pneumothorax?", {"Pleural Effusion"}, None),
        ("Is this pneumonia or an effusion?", {"Pleural Effusion"}, None),  # which of them
        ("Is there an effusion, and where?", {"Pleural Effusion"}, None),
        ("Is there an effusion or a pneumothorax?", None, None),
    ],
)
def test_several_at_once(question: str, positive: set[str] | None, answer: str | None) -> None:
    assert presence_answer(question, positive) == answer
