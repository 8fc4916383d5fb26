"""A model on another device does what it does on the CPU, as far as a pretended one shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import radloom
from pretend import pretending
from radloom.classifier.model import ClassifierConfig
from radloom.classifier.stage import ClassifierStage
from radloom.corpora.images import XrayImages
from radloom.study import Study
from radloom.training import LoopConfig, fit


@pytest.fixture(params=["cuda:0", "mps:0"])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    with pretending(request.param) as device:
        yield device


@pytest.mark.parametrize(
    "mix",
    [
        lambda there, here: there + here,
        lambda there, here: torch.isin(there, here),
        lambda there, here: here[there.long()],
        lambda there, here: torch.nn.functional.linear(here[None], there[None]),
        lambda there, here: here.add_(there),
        lambda there, here: there.numpy(),
        lambda there, here: np.asarray(there),
        lambda there, here: torch.rand(3, generator=torch.Generator(), device=there.device),
    ],
)
def test_what_a_gpu_refuses_is_refused(mix: Callable[[Tensor, Tensor], object], device: torch.device) -> None:
    with pytest.raises((RuntimeError, TypeError)):
        mix(torch.ones(3, device=device), torch.ones(3))


def test_what_a_gpu_takes_is_taken(device: torch.device) -> None:
    there, here = torch.zeros(3, device=device), torch.ones(3)
    module = torch.nn.Linear(3, 3).to(device)
    module(there).sum().backward()
    assert {there.device, there[1:].device, module.weight.device, module.weight.grad.device} == {device}
    assert here.device == there.cpu().device == torch.tensor([there[0], 1.0]).device == torch.device("cpu")
    there[here.bool()] = here[0]
    assert (there + here.sum()).tolist() == [4, 4, 4] and float(there.copy_(here).sum()) == 3


def test_a_model_there_gives_what_it_gives_on_the_cpu(
    any_to_any_folder: Path, chest_file: Path, device: torch.device
) -> None:
    def outputs(model: radloom.Model) -> list[object]:
        return [
            model.report(chest_file, temperature=0.7, seed=1),
            model.ask(chest_file, "Is there a foreign body?"),
            model.check(chest_file),
            model.saliency(chest_file).tolist(),
            model.reconstruct(chest_file).tolist(),
            model.image("Large effusion.", engine="language", guidance=2.0)[0].tolist(),
            model.image("Large effusion.", engine="diffusion", steps=2)[0].tolist(),
            model.complete(Study(frontal=chest_file), ["lateral", "report"], steps=2).lateral.tolist(),
        ]

    there = outputs(radloom.load(any_to_any_folder, device=device))
    assert there == outputs(radloom.load(any_to_any_folder))


def test_a_stage_is_trained_there(xrays: dict[str, XrayImages], tmp_path: Path, device: torch.device) -> None:
    classifier = ClassifierConfig(size=32).build()
    stage = ClassifierStage(classifier, xrays["train"], xrays["val"])
    config = LoopConfig(steps=2, batch_size=4, learning_rate=1e-3, warmup=1, ema=0.9, precision="fp32")
    assert fit(stage, config, tmp_path / "run")
    assert classifier.head.weight.device == device
