from __future__ import annotations

import pytest
from pydicom.sr.codedict import codes as standard

from radloom.errors import RadloomError
from radloom.interop import codes
from radloom.interop.codes import Code, in_order
from radloom.study import OBSERVATIONS, Mention

CONTEXT_GROUPS = {
    7000: [codes.XRAY_REPORT],
    7001: [codes.FINDINGS, codes.IMPRESSIONS, codes.SUMMARY],
    7002: [codes.FINDING, codes.IMPRESSION],
    7003: [codes.BEST_ILLUSTRATION],
    7005: [codes.SYNTHESIZING, codes.PROCESSING],
    270: [codes.DEVICE],
    4009: [codes.CHEST],
    4010: list(codes.VIEWS.values()),
    6102: [codes.OBSERVATION_CODES["Lung Opacity"]],
}


@pytest.mark.parametrize("group", CONTEXT_GROUPS)
def test_codes_are_those_of_the_standard(group: int) -> None:
    there = {(c.value, c.scheme_designator, c.meaning) for c in getattr(standard, f"cid{group}").concepts.values()}
    for code in CONTEXT_GROUPS[group]:
        assert (code.value, code.scheme, code.meaning) in there


def test_every_dicom_code_is_in_the_standard_with_its_meaning() -> None:
    ours = [code for code in vars(codes).values() if isinstance(code, Code) and code.scheme == "DCM"]
    there = {(c.value, c.meaning) for c in standard.DCM.concepts.values()}
    assert len(ours) > 10
    assert [code for code in ours if (code.value, code.meaning) not in there] == []


def test_coded_observations_are_among_the_fourteen() -> None:
    assert set(codes.OBSERVATION_CODES) < set(OBSERVATIONS)
    assert all(code.scheme in codes.SYSTEMS for code in codes.OBSERVATION_CODES.values())
    assert set(codes.MENTION_CODES) == set(Mention)


def test_labels_are_put_in_order_and_unknown_ones_named() -> None:
    labels = {"Fracture": Mention.NEGATIVE, "Edema": Mention.POSITIVE}
    assert list(in_order(labels)) == ["Edema", "Fracture"]
    with pytest.raises(RadloomError, match=r"'Edemma' .did you mean 'Edema'"):
        in_order({"Edemma": Mention.POSITIVE})
