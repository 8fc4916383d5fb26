import numpy as np
import pytest

from radloom.classifier.agreement import agreement
from radloom.classifier.evidence import CHANNELS
from radloom.study import Report, View


def values(**channels: float) -> np.ndarray:
    """Evidence of one X-ray, 0 in all other channels."""
    row = np.zeros(len(CHANNELS))
    for name, value in channels.items():
        row[CHANNELS.index(name.replace("_", "-"))] = value
    return row


def best(report: Report, *rows: np.ndarray) -> int:
    return int(agreement(np.stack(rows), report, View.FRONTAL).argmax())


def test_what_is_affirmed_should_be_seen_and_what_is_denied_should_not() -> None:
    seen, unseen = values(pleural_effusion=3.0), values(pleural_effusion=-3.0)
    assert best(Report("There is a pleural effusion."), unseen, seen) == 1
    assert best(Report("There is no pleural effusion."), unseen, seen) == 0
    assert best(Report(impression="Pleural effusion."), unseen, seen) == 1


def test_a_named_side_counts_and_no_or_both_sides_do_not() -> None:
    left, right = (values(pleural_effusion=1.0, pleural_effusion_side=side) for side in (1.0, -1.0))
    assert best(Report("There is a large left pleural effusion."), right, left) == 1
    assert best(Report("There is a large right pleural effusion."), left, right) == 1
    for text in ("There is a pleural effusion.", "There are bilateral pleural effusions."):
        assert np.ptp(agreement(np.stack([left, right]), Report(text), View.FRONTAL)) == 0


def test_sides_are_read_section_by_section_and_in_frontal_views_alone() -> None:
    left, right = (values(pleural_effusion=1.0, pleural_effusion_side=side) for side in (1.0, -1.0))
    two = Report("Small left pleural effusion", "Right pneumothorax")
    assert best(two, right, left) == 1
    assert np.ptp(agreement(np.stack([left, right]), two, View.LATERAL)) == 0


def test_it_is_the_mean_log_probability_of_what_is_said() -> None:
    rows = np.stack([values(cardiomegaly=2.0, pleural_effusion=-1.0)])
    found = agreement(rows, Report("The heart is enlarged. There is no pleural effusion."), View.FRONTAL)
    assert found == pytest.approx([-(np.log1p(np.exp(-2.0)) + np.log1p(np.exp(-1.0))) / 2])


def test_what_is_uncertain_or_not_said_counts_for_nothing() -> None:
    rows = np.stack([values(pneumonia=3.0), values(pneumonia=-3.0)])
    assert agreement(rows, Report("Possible pneumonia."), View.FRONTAL).tolist() == [0.0, 0.0]
    assert agreement(rows, Report(), View.FRONTAL).tolist() == [0.0, 0.0]
