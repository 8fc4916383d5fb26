"""Denials in prompts, put as normal reports put them."""

from __future__ import annotations

import pytest

from radloom.reports.labeller import label
from radloom.reports.prompts import as_prompt
from radloom.study import Mention, Report


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("No cardiomegaly.", "The heart is normal in size."),
        ("The heart is not enlarged.", "The heart is normal in size."),
        ("Cardiomegaly is not present.", "The heart is normal in size."),
        ("Pulmonary edema is absent.", "The lungs are clear."),
        ("There is no cardiomegaly or pleural effusion.", "The heart is normal in size. No pleural effusion."),
        ("No edema, effusion or pneumothorax.", "The lungs are clear. No pleural effusion or pneumothorax."),
        ("Large right effusion. No cardiomegaly.", "Large right effusion. The heart is normal in size."),
        ("No atelectasis.", "The lungs are clear."),
        ("There is an opacity on the right. No atelectasis.", "There is an opacity on the right."),
        ("No pacemaker.", "The lungs are clear."),
        ("The heart is normal in size. No pacemaker.", "The heart is normal in size."),
    ],
)
def test_awkward_denials_are_reworded(text: str, prompt: str) -> None:
    assert as_prompt(Report(findings=text)) == Report(findings=prompt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The heart is enlarged.",
        "The heart is normal in size. No focal airspace disease, effusion or pneumothorax.",
        "No edema, but there is a nodule.",
        "The heart is enlarged without pulmonary edema.",
        "Persistent edema. No longer any cardiomegaly than before, which is severe.",
        "The endotracheal tube has been removed.",
        "Etwas ganz anderes.",
    ],
)
def test_other_sentences_stay_as_they_are(text: str) -> None:
    assert as_prompt(Report(findings=text)) == Report(findings=text)


def test_whole_reports_stay_as_they_are() -> None:
    whole = Report(findings="No cardiomegaly.", impression="No edema.")
    assert as_prompt(whole) == whole


def test_the_prompt_states_nothing_new() -> None:
    text = "There is a small left effusion. No cardiomegaly, edema or pneumonia. No fracture or lines."
    said, prompt = label(text), label(as_prompt(Report(findings=text)))
    assert {name for name, what in prompt.items() if what is Mention.POSITIVE} == {"Pleural Effusion"}
    assert said["Cardiomegaly"] is prompt["Cardiomegaly"] is Mention.NEGATIVE
