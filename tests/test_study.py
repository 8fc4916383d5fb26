import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from radloom.errors import RadloomError, ReportError
from radloom.study import OBSERVATIONS, Mention, Report, Study, View


def test_view_of_a_study() -> None:
    lateral = np.zeros((4, 4), np.float32)
    study = Study(frontal=Path("a.png"), lateral=lateral)
    assert study.view("frontal") == study.view(View.FRONTAL) == Path("a.png")
    assert study.view(View.LATERAL) is lateral
    assert Study().view("lateral") is None
    with pytest.raises(RadloomError, match="Unknown view 'oblique'; views: frontal, lateral"):
        study.view("oblique")


def test_a_report_needs_findings_or_impression() -> None:
    assert Report(findings="Clear.")
    assert Report(impression="Normal.")
    assert not Report(indication="Cough.")
    assert not Report()


def test_a_text_in_place_of_a_report_is_refused() -> None:
    with pytest.raises(ReportError, match=r"give it as Report\(findings"):
        Study(report="There is an effusion.")  # type: ignore[arg-type]


def test_parts_are_missing_unless_given() -> None:
    study = Study()
    assert (study.frontal, study.lateral, study.report, study.labels) == (None, None, None, {})
    assert Study().labels is not study.labels
    with pytest.raises(FrozenInstanceError):
        study.uid = "x"  # type: ignore[misc]


def test_words_are_plain_text_in_files() -> None:
    assert json.dumps([View.LATERAL, Mention.UNCERTAIN]) == '["lateral", "uncertain"]'
    assert f"{View.FRONTAL}" == "frontal"


def test_observations_are_those_of_chexpert() -> None:
    assert len(set(OBSERVATIONS)) == 14
    assert OBSERVATIONS[0] == "No Finding"
    assert OBSERVATIONS[-1] == "Support Devices"
