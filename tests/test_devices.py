import pytest
import torch

from radloom import devices
from radloom.errors import RadloomError


def test_a_device_by_name() -> None:
    assert devices.usable("cpu") == torch.device("cpu")
    assert devices.usable(torch.device("cpu")) == torch.device("cpu")


def test_a_device_that_is_not_there_is_named_with_what_to_take() -> None:
    with pytest.raises(RadloomError, match=r"Device 'cud' cannot be used .*; take cpu\."):
        devices.usable("cud")


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [({"avx2": True, "avx512_bf16": False}, False), ({"avx512_bf16": True}, True), ({"bf16": True}, True), ({}, False)],
)
def test_bfloat16_of_a_processor(capabilities: dict[str, bool], fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # as with a torch built for CUDA on a machine without a GPU
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert devices.bfloat16_in_hardware() is fast
