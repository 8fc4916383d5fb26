"""The rule-labeller, sentence by sentence."""

from __future__ import annotations

import time

import pytest

from radloom.reports import labeller
from radloom.reports.labeller import evidence, label
from radloom.study import OBSERVATIONS, Mention, Report

SHORT = {
    "mediastinum": "Enlarged Cardiomediastinum",
    "heart": "Cardiomegaly",
    "opacity": "Lung Opacity",
    "lesion": "Lung Lesion",
    "edema": "Edema",
    "consolidation": "Consolidation",
    "pneumonia": "Pneumonia",
    "atelectasis": "Atelectasis",
    "pneumothorax": "Pneumothorax",
    "effusion": "Pleural Effusion",
    "pleura": "Pleural Other",
    "fracture": "Fracture",
    "devices": "Support Devices",
}
SIGN = {"+": Mention.POSITIVE, "-": Mention.NEGATIVE, "?": Mention.UNCERTAIN}

# Every observation the sentence speaks of: + positive, - negative, ? uncertain. What is not listed is not mentioned.
SENTENCES = {
    "plain mentions": [
        ("There is a moderate right pleural effusion.", "+effusion"),
        ("Bibasilar atelectasis.", "+atelectasis"),
        ("Tiny left apical pneumothorax measuring 0.4 cm.", "+pneumothorax"),
        ("Dense consolidation in the lingula.", "+consolidation"),
        ("Mild interstitial edema.", "+edema"),
        ("Lobar pneumonia in the right middle lobe.", "+pneumonia"),
        ("Acute fracture of the left seventh rib.", "+fracture"),
        ("Patchy opacities are scattered through both lungs.", "+opacity"),
        ("A 9 mm nodule projects over the right upper lobe.", "+lesion"),
        ("Mild cardiomegaly.", "+heart"),
        ("Left-sided hydropneumothorax.", "+pneumothorax +effusion"),
        ("Right basilar infiltrate with adjacent pleural fluid.", "+opacity +effusion"),
        ("Findings of congestive heart failure.", "+edema"),
        ("Collapse of the left lower lobe.", "+atelectasis"),
        ("Bilateral pleural plaques.", "+pleura"),
        ("Biapical pleural thickening.", "+pleura"),
        ("A cavitary lesion is seen in the left apex.", "+lesion"),
        ("Hazy airspace disease at the left base.", "+opacity"),
    ],
    "headings and lists within a section": [
        ("LUNGS: No consolidation.", "-consolidation"),
        ("FINDINGS: No focal consolidation or pneumothorax.", "-consolidation -pneumothorax"),
        ("Impression: negative for pneumonia.", "-pneumonia"),
        ("Mild cardiomegaly: no edema.", "+heart -edema"),
        ("Left effusion: no change.", "+effusion"),
        ("Pleural effusion: No.", "-effusion"),
        ("Pneumothorax: none.", "-pneumothorax"),
        ("Pleural effusion: not seen.", "-effusion"),
        ("Effusion - none.", "-effusion"),
        ("Heart size: enlarged.", "+heart"),
        ("HEART: Mildly enlarged.", "+heart"),
        ("Heart size: normal.", "-heart"),
        ("Mediastinum: widened.", "+mediastinum"),
    ],
    "normal and not normal": [
        ("Heart size is not normal.", "+heart"),
        ("Heart size is slightly above normal.", "+heart"),
        ("The cardiomediastinal silhouette is abnormal.", "+mediastinum"),
        ("Abnormal heart size.", "+heart"),
        ("The cardiac silhouette is larger than before.", "+heart"),
        ("The heart is not larger.", "-heart"),
        ("Heart is top normal to mildly enlarged.", "?heart"),
        ("The heart is no longer enlarged.", "-heart"),
        ("Interstitial markings are not increased.", "-opacity"),
    ],
    "what comes after a denial": [
        ("No pneumothorax, large effusion.", "-pneumothorax +effusion"),
        ("No effusions, enlarged heart.", "-effusion +heart"),
        ("No pneumothorax, severe cardiomegaly.", "-pneumothorax +heart"),
        ("No pneumothorax and new right effusion.", "-pneumothorax +effusion"),
        ("No pneumothorax, upper lobe nodule.", "-pneumothorax +lesion"),
        ("No focal consolidation, large pleural effusion, or pneumothorax.", "-consolidation -effusion -pneumothorax"),
        ("No consolidation, large pleural effusion/pneumothorax.", "-consolidation -effusion -pneumothorax"),
        ("No displaced, acute fractures are identified.", "-fracture"),
    ],
    "not resolved, not seen, not seen before": [
        ("Pneumonia has not resolved.", "+pneumonia"),
        ("The pneumonia has not completely resolved.", "+pneumonia"),
        ("Chest tube has not been removed.", "+devices"),
        ("Pneumothorax not visualized.", "-pneumothorax"),
        ("Pneumothorax cannot be seen.", "-pneumothorax"),
        ("New opacity not seen previously.", "+opacity"),
        ("An effusion was not seen previously.", "+effusion"),
        ("Pneumonia should be excluded.", "?pneumonia"),
        ("Pneumonia should be considered.", "?pneumonia"),
        ("Minimal if any effusion.", "?effusion"),
        ("Pleural and pericardial effusions.", "+effusion"),
    ],
    "plain negations": [
        ("No pneumothorax.", "-pneumothorax"),
        ("No pneumothorax or pleural effusion.", "-pneumothorax -effusion"),
        ("No focal consolidation, pleural effusion, or pneumothorax.", "-consolidation -effusion -pneumothorax"),
        ("There is no evidence of pneumonia.", "-pneumonia"),
        ("Without effusion.", "-effusion"),
        ("The chest is negative for pneumonia, effusion, and edema.", "-pneumonia -effusion -edema"),
        ("Neither effusion nor pneumothorax is present.", "-effusion -pneumothorax"),
        ("The lungs are free of focal airspace disease.", "-opacity"),
        ("Lungs are clear of infiltrate.", "-opacity"),
        ("No displaced rib fracture is identified.", "-fracture"),
        ("No suspicious pulmonary nodule or mass.", "-lesion"),
        ("Absence of pleural effusion is confirmed.", "-effusion"),
        ("No definite pneumothorax, pleural fluid or consolidation.", "-pneumothorax -effusion -consolidation"),
        ("The film fails to show any effusion.", "-effusion"),
        ("No acute fracture or dislocation.", "-fracture"),
        ("No large pleural effusion is appreciated.", "-effusion"),
        ("No focal opacity to suggest pneumonia.", "-opacity -pneumonia"),
        ("There are no XXXX of a pleural effusion.", "-effusion"),
        ("No XXXX focal infiltrate.", "-opacity"),
        ("No new consolidation.", "-consolidation"),
        ("Pleural effusion: none.", "-effusion"),
        ("PNEUMOTHORAX: ABSENT.", "-pneumothorax"),
    ],
    "negations after the mention": [
        ("Pneumothorax is not seen.", "-pneumothorax"),
        ("Pleural effusion is absent.", "-effusion"),
        ("The right pneumothorax has resolved.", "-pneumothorax"),
        ("The left effusion has completely resolved since yesterday.", "-effusion"),
        ("Effusions and infiltrates are not identified.", "-effusion -opacity"),
        ("The apical pneumothorax is no longer visible.", "-pneumothorax"),
        ("Pneumonia is unlikely.", "-pneumonia"),
        ("Pneumonia has been ruled out.", "-pneumonia"),
        ("There is a left pleural effusion and pneumothorax is not seen.", "+effusion -pneumothorax"),
        ("A right lower lobe opacity is present; effusion is not detected.", "+opacity -effusion"),
        ("The earlier consolidation has cleared.", "-consolidation"),
        ("Pulmonary edema, now resolved.", "-edema"),
    ],
    "scope of a negation": [
        ("No pneumothorax, but there is a small effusion.", "-pneumothorax +effusion"),
        ("No effusion; mild atelectasis at the left base.", "-effusion +atelectasis"),
        ("No pneumothorax, small left effusion.", "-pneumothorax +effusion"),
        ("No pneumothorax and stable cardiomegaly.", "-pneumothorax +heart"),
        ("No consolidation is seen, however a nodule is present in the left apex.", "-consolidation +lesion"),
        ("No acute fracture; old healed rib fracture.", "+fracture"),
        ("No acute abnormality other than a small right effusion.", "+effusion"),
        ("No change in the large pneumothorax.", "+pneumothorax"),
        ("No significant interval change in the moderate left effusion.", "+effusion"),
        ("Right base opacity without significant change.", "+opacity"),
        ("The effusion has not changed.", "+effusion"),
        ("The effusion is not significantly changed.", "+effusion"),
        ("No increase in the left pleural effusion.", "+effusion"),
        ("No improvement in pulmonary edema.", "+edema"),
        ("Mild edema without effusion.", "+edema -effusion"),
        ("No pneumothorax after removal of the chest tube.", "-pneumothorax -devices"),
        ("No pneumothorax with the chest tube in place.", "-pneumothorax +devices"),
        ("Atelectasis rather than pneumonia.", "+atelectasis -pneumonia"),
        ("No evidence of pneumonia, and the heart is mildly enlarged.", "-pneumonia +heart"),
        (
            "Right lower lobe opacity, no effusion, no pneumothorax, mild cardiomegaly.",
            "+opacity -effusion -pneumothorax +heart",
        ),
        ("The nodule was not seen on the prior study.", "+lesion"),
        ("There is no doubt of a right pneumothorax.", "+pneumothorax"),
        ("The pneumothorax has nearly resolved.", "+pneumothorax"),
        ("Follow up to document resolution of the opacity.", "+opacity"),
        ("No effusion is seen though the left base opacity persists.", "-effusion +opacity"),
        ("Nondisplaced fracture of the clavicle.", "+fracture"),
    ],
    "uncertain before the mention": [
        ("Cannot exclude pneumonia.", "?pneumonia"),
        ("Possible small left effusion.", "?effusion"),
        ("Probable atelectasis.", "?atelectasis"),
        ("Questionable nodule in the right apex.", "?lesion"),
        ("This may represent pneumonia.", "?pneumonia"),
        ("Left base opacity may represent atelectasis.", "+opacity ?atelectasis"),
        ("Opacity suspicious for pneumonia.", "+opacity ?pneumonia"),
        ("Opacity concerning for pneumonia.", "+opacity ?pneumonia"),
        ("Worrisome for malignancy.", "?lesion"),
        ("Suggestion of a trace effusion.", "?effusion"),
        ("Suspected rib fracture.", "?fracture"),
        ("A small apical pneumothorax cannot be ruled out.", "?pneumothorax"),
        ("Unable to exclude a small effusion.", "?effusion"),
        ("CT is advised to exclude a nodule.", "?lesion"),
        ("Rule out pneumonia.", "?pneumonia"),
        ("Could reflect mild edema or atypical infection.", "?edema ?pneumonia"),
        ("Borderline cardiomegaly.", "?heart"),
        ("? left lower lobe pneumonia.", "?pneumonia"),
        ("Presumed atelectasis at the bases.", "?atelectasis"),
        ("Differential includes edema, infection, and hemorrhage.", "?edema ?pneumonia"),
        ("Findings favor atelectasis.", "?atelectasis"),
        ("Perhaps a trace of pleural fluid.", "?effusion"),
        ("Right base opacity, less likely pneumonia.", "+opacity ?pneumonia"),
        ("Correlate clinically for pneumonia.", "?pneumonia"),
    ],
    "uncertain after the mention": [
        ("Pneumonia cannot be excluded.", "?pneumonia"),
        ("Superimposed infection is not entirely excluded.", "?pneumonia"),
        ("A trace effusion is possible.", "?effusion"),
        ("Pleural effusion, if any, is minimal.", "?effusion"),
        ("A pneumothorax, if present, is small.", "?pneumothorax"),
        ("A small effusion may be present.", "?effusion"),
        ("Pneumonia is in the differential.", "?pneumonia"),
        ("Early infection is a consideration.", "?pneumonia"),
        ("Pneumonia?", "?pneumonia"),
        ("Aspiration pneumonia is less likely.", "?pneumonia"),
        ("A trace effusion is difficult to exclude.", "?effusion"),
    ],
    "alternatives": [
        ("Atelectasis versus pneumonia.", "?atelectasis ?pneumonia"),
        ("Left base opacity, atelectasis vs. consolidation.", "+opacity ?atelectasis ?consolidation"),
        ("Right base scarring or atelectasis.", "?opacity ?atelectasis"),
        ("Atelectasis and/or pneumonia at the right base.", "?atelectasis ?pneumonia"),
        ("Apical pleural thickening versus scarring.", "?pleura ?opacity"),
    ],
    "negation over uncertainty and the reverse": [
        ("No opacity suspicious for pneumonia.", "-opacity -pneumonia"),
        ("No concerning mass.", "-lesion"),
        ("No effusion, possible left base atelectasis.", "-effusion ?atelectasis"),
        ("Possible atelectasis without effusion.", "?atelectasis -effusion"),
        ("Possible pneumonia, no effusion or pneumothorax.", "?pneumonia -effusion -pneumothorax"),
        ("No pneumothorax or effusion, although a trace effusion cannot be excluded.", "-pneumothorax ?effusion"),
        ("Opacity may represent atelectasis, but pneumonia is not excluded.", "+opacity ?atelectasis ?pneumonia"),
        ("Likely atelectasis.", "+atelectasis"),
        ("Opacity most likely represents pneumonia.", "+opacity +pneumonia"),
        ("Findings consistent with pulmonary edema.", "+edema"),
        ("Appearance compatible with pneumonia.", "+pneumonia"),
        ("Findings suggest pneumonia.", "+pneumonia"),
    ],
    "heart": [
        ("Heart size is normal.", "-heart"),
        ("Normal heart size.", "-heart"),
        ("The heart is not enlarged.", "-heart"),
        ("The heart is mildly enlarged.", "+heart"),
        ("Enlarged cardiac silhouette.", "+heart"),
        ("The cardiac silhouette remains enlarged.", "+heart"),
        ("The heart is at the upper limits of normal in size.", "-heart"),
        ("Heart size is top-normal.", "-heart"),
        ("Heart size is borderline enlarged.", "?heart"),
        ("Heart size is upper limits of normal to mildly enlarged.", "?heart"),
        ("Heart size is stable.", "?heart"),
        ("Stable cardiomegaly.", "+heart"),
        ("The heart is stable and normal in size.", "-heart"),
        ("Heart size is unchanged, at the upper limits of normal.", "-heart"),
        ("The heart may be enlarged.", "?heart"),
        ("Heart size is difficult to assess.", "?heart"),
        ("There is no cardiac enlargement.", "-heart"),
        ("The heart size and pulmonary vascularity are within normal limits.", "-heart"),
        ("The right heart border is obscured by the opacity.", "+opacity"),
        ("No evidence of heart failure.", "-edema"),
        ("Heart size normal, lungs hyperexpanded.", "-heart"),
        ("The heart, lungs and bones are unremarkable.", "-heart"),
    ],
    "mediastinum": [
        ("The cardiomediastinal silhouette is normal.", "-mediastinum -heart"),
        ("Unremarkable cardiomediastinal silhouette.", "-mediastinum -heart"),
        ("The cardiomediastinal silhouette is enlarged.", "+mediastinum"),
        ("Stable cardiomediastinal silhouette.", "?mediastinum"),
        ("The mediastinum is widened.", "+mediastinum"),
        ("Widened superior mediastinum.", "+mediastinum"),
        ("No mediastinal widening.", "-mediastinum"),
        ("Heart size and mediastinal contours are within normal limits.", "-heart -mediastinum"),
        ("Normal heart size and mediastinal contours.", "-heart -mediastinum"),
        ("Cardiac and mediastinal contours are unremarkable.", "-heart -mediastinum"),
        ("The heart is enlarged and the mediastinum is normal.", "+heart -mediastinum"),
        ("The heart is normal in size, but the mediastinum is prominent.", "-heart +mediastinum"),
        ("Calcified mediastinal lymph nodes.", ""),
    ],
    "opacity and its neighbours": [
        ("The lungs are clear.", ""),
        ("Low lung volumes with bronchovascular crowding.", ""),
        ("Hyperinflated lungs with flattened diaphragms.", ""),
        ("Linear scarring in the lingula.", "+opacity"),
        ("Biapical pleural scarring.", "+pleura"),
        ("Increased interstitial markings.", "+opacity"),
        ("Interstitial markings are normal.", "-opacity"),
        ("Diffuse reticular pattern with chronic fibrotic change.", "+opacity +pleura"),
        ("Nodular opacity in the left mid lung.", "+opacity +lesion"),
        ("Peribronchial cuffing is noted.", "+opacity"),
    ],
    "lesion and its neighbours": [
        ("Calcified granuloma in the right upper lobe.", "+lesion"),
        ("Scattered granulomas.", "+lesion"),
        ("Sequelae of old granulomatous disease.", ""),
        ("Calcified splenic granuloma.", ""),
        ("Right hilar mass.", "+lesion"),
        ("Massive right pleural effusion.", "+effusion"),
        ("No mass effect.", ""),
        ("Known metastatic disease to the lungs.", "+lesion"),
    ],
    "edema, effusion and their neighbours": [
        ("Mild pulmonary vascular congestion.", "?edema"),
        ("No pulmonary vascular congestion.", "-edema"),
        ("Pulmonary vascularity is normal.", ""),
        ("The pulmonary vasculature is engorged.", "?edema"),
        ("Soft tissue edema of the chest wall.", ""),
        ("Small pericardial effusion.", ""),
        ("Blunting of the left costophrenic angle.", ""),
        ("Blunting of the left costophrenic angle suggesting a small effusion.", "+effusion"),
        ("Fluid in the minor fissure.", "+effusion"),
    ],
    "bones": [
        ("Old healed fractures of the right ribs.", "+fracture"),
        ("Mild compression fracture of T8.", "+fracture"),
        ("Wedge deformity of T10.", ""),
        ("Degenerative changes of the spine.", ""),
        ("The most superior sternotomy wire is fractured.", "+devices"),
        ("Nondisplaced fractures may not be visible.", ""),
        ("The tortuous aorta is calcified.", ""),
    ],
    "devices": [
        ("Median sternotomy wires and surgical clips.", "+devices"),
        ("Left chest wall pacemaker with leads in the right atrium and ventricle.", "+devices"),
        ("The endotracheal tube ends 4 cm above the carina.", "+devices"),
        ("Right PICC with its tip in the lower SVC.", "+devices"),
        ("Interval removal of the chest tube.", "-devices"),
        ("The nasogastric tube has been removed.", "-devices"),
        ("Interval removal of the left chest tube with a persistent small pneumothorax.", "-devices +pneumothorax"),
        ("Removal of the endotracheal tube and right jugular line.", "-devices"),
        ("Removal of the feeding tube; the PICC is unchanged.", "+devices"),
        ("Mechanical aortic valve.", "+devices"),
        ("Kerley B lines.", ""),
        ("Spinal fusion hardware is intact.", "+devices"),
        ("Placement of a left subclavian central line without pneumothorax.", "+devices -pneumothorax"),
        ("A right-sided chest port is in place.", "+devices"),
        ("Bilateral breast prostheses.", ""),
    ],
    "past, wish and condition": [
        ("History of pneumonia.", ""),
        ("Evaluate for pneumonia.", ""),
        ("Status post lobectomy with a history of lung cancer and a new effusion.", "+effusion"),
        ("If there is clinical concern for pneumonia, a lateral view may help.", ""),
        ("CT is more sensitive for pulmonary nodules.", ""),
    ],
}

CASES = [(sentence, expected, group) for group, rows in SENTENCES.items() for sentence, expected in rows]


def labels_of(text: str) -> dict[str, Mention]:
    return {k: v for k, v in label(text).items() if k != "No Finding"}


def expand(expected: str) -> dict[str, Mention]:
    return {SHORT[item[1:]]: SIGN[item[0]] for item in expected.split()}


@pytest.mark.parametrize(("sentence", "expected"), [case[:2] for case in CASES], ids=[f"{g}: {s}" for s, _, g in CASES])
def test_sentence(sentence: str, expected: str) -> None:
    assert labels_of(sentence) == expand(expected)


def test_there_are_at_least_150_sentences_and_none_twice() -> None:
    assert len({sentence for sentence, _, _ in CASES}) == len(CASES) >= 150


def test_example_of_the_chexpert_paper() -> None:
    """The labeller's example in Irvin et al. 2019: the same but for Cardiomegaly, which CheXpert leaves out."""
    text = (
        "1. unremarkable cardiomediastinal silhouette\n"
        "2. diffuse reticular pattern, which can be seen with an atypical infection or chronic fibrotic change. "
        "no focal consolidation.\n"
        "3. no pleural effusion or pneumothorax\n"
        "4. mild degenerative changes in the lumbar spine and old right rib fractures."
    )
    assert labels_of(text) == expand(
        "-mediastinum -heart +opacity -consolidation ?pneumonia -pneumothorax -effusion ?pleura +fracture"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion. A small left effusion may be present.", "?effusion"),
        ("No effusion on the right. Small left effusion.", "+effusion"),
        ("Possible effusion. Definite left effusion.", "+effusion"),
    ],
)
def test_positive_beats_uncertain_beats_negative(text: str, expected: str) -> None:
    assert labels_of(text) == expand(expected)


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        ("Heart size is normal. The lungs are clear.", True),
        ("No acute cardiopulmonary abnormality.", True),
        ("Pacemaker in place. The lungs are clear.", True),
        ("Small effusion.", False),
        ("Possible effusion.", False),
        ("Degenerative changes of the spine. The lungs are clear.", False),
        ("Low lung volumes.", False),
        ("No degenerative change.", True),
        ("", False),
        (" . XXXX. 2.", False),
    ],
)
def test_no_finding_needs_a_report_without_any_finding(text: str, positive: bool) -> None:
    assert label(text).get("No Finding") is (Mention.POSITIVE if positive else None)


def test_findings_and_impression_are_read_but_not_the_indication() -> None:
    report = Report(findings="The lungs are clear.", impression="No effusion.", indication="Pneumonia. Cardiomegaly.")
    assert label(report) == {"No Finding": Mention.POSITIVE, "Pleural Effusion": Mention.NEGATIVE}


def test_findings_without_a_full_stop_do_not_run_into_the_impression() -> None:
    assert labels_of(Report("No pneumothorax", "Effusion")) == expand("-pneumothorax +effusion")  # type: ignore[arg-type]


def test_labels_come_in_the_order_of_the_observations() -> None:
    said = label("Pacemaker. Rib fracture. Effusion. Cardiomegaly.")
    assert list(said) == [o for o in OBSERVATIONS if o in said]


def test_evidence_names_the_sentence_and_the_words() -> None:
    first, second = evidence("The heart is enlarged. No pleural fluid.")
    assert (first.observation, first.mention, first.sentence) == (
        "Cardiomegaly",
        Mention.POSITIVE,
        "The heart is enlarged.",
    )
    assert (second.observation, second.mention, second.phrase) == (
        "Pleural Effusion",
        Mention.NEGATIVE,
        "pleural fluid",
    )


def test_it_is_named_after_itself() -> None:
    assert labeller.NAME == "rule-labeller" and labeller.VERSION >= 1


def test_it_labels_more_than_300_reports_a_second() -> None:
    """The fastest of three batches, by CPU time; reports of eight sentences that all differ, so none is remembered."""
    reports = [" ".join(f"{CASES[(i + 25 * j) % len(CASES)][0][:-1]} {i}." for j in range(8)) for i in range(160)]
    label(reports[0])
    seconds = []
    for batch in (reports[10:60], reports[60:110], reports[110:160]):
        start = time.process_time()
        for report in batch:
            label(report)
        seconds.append(time.process_time() - start)
    assert 50 / min(seconds) > 300


def test_text_without_stops_takes_no_more_than_its_share() -> None:
    start = time.process_time()
    assert labels_of("no effusion, " * 4000) == expand("-effusion")
    assert time.process_time() - start < 3
