"""A process of its own under many clients and damaged files, at small size; `load.py` and `fuzz.py` are the large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from damage import mutate, valid_files
from fuzz import fuzz
from load import Given, compare, load, requests
from process import Process, process

import radloom

PLACES = 6


@pytest.fixture(scope="module")
def service(any_to_any_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with process(any_to_any_folder, tmp_path_factory.mktemp("service"), "--max-queue", str(PLACES)) as service:
        yield service


@pytest.mark.slow
def test_many_clients_get_what_the_model_gives_alone(service: Process, any_to_any_model: radloom.Model) -> None:
    asked = requests(20)
    came, answers = load(service, asked, clients=2 * PLACES)
    compare(any_to_any_model, asked, answers, came)
    assert came.wrong == [] and came.differences == {} and None not in answers
    assert {status for _, status in came.statuses} == {200, 429}


@pytest.mark.slow
def test_damaged_files_are_refused_and_the_service_goes_on(service: Process, tmp_path: Path) -> None:
    found = fuzz(service, valid_files(tmp_path), range(51))
    assert found.wrong == []
    assert {status for _, status in found.statuses} == {200, 422}
    start, _, end = found.megabytes
    assert end < start + 100


def test_a_number_decides_a_mutation(tmp_path: Path) -> None:
    first, second = valid_files(tmp_path), valid_files(tmp_path)
    assert first == second
    for name, data in first.items():
        mutants = [mutate(name, data, np.random.default_rng(seed)) for seed in (0, 0, 1)]
        assert mutants[0] == mutants[1] != mutants[2]


def test_answers_of_others_are_noticed() -> None:
    dark, bright = np.zeros((2, 2)), np.ones((2, 2))
    assert Given("no", [dark], [0.5]).differs(Given("no", [dark + 0.01], [0.5001])) == ""
    assert Given("no").differs(Given("yes")) == "text"
    assert Given(pictures=[dark]).differs(Given(pictures=[bright])) == "picture"
    assert Given(probabilities=[0.5]).differs(Given(probabilities=[0.51])) == "probability"
