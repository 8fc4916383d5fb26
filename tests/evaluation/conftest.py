"""A made-up corpus of studies with reports, and a bench to score on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import radloom
import tiny
from radloom.corpora import prepare
from radloom.corpora.manifest import Manifest
from radloom.evaluation.bench import Bench, Vision
from radloom.evaluation.table import Score

NewBench = Callable[..., Bench]


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Twelve studies in train and six in val."""
    folder = tmp_path_factory.mktemp("board")
    return prepare("indiana", tiny.make_indiana(folder / "raw", studies=18), folder / "prepared")


@pytest.fixture
def new_bench(model: radloom.Model, studies: Manifest) -> NewBench:
    """Makes a bench of those studies, for a system called oracle."""

    def make(split: Manifest | None = None, train: Manifest | None = None) -> Bench:
        vision = Vision(model.classifier, model.transform)
        return Bench("oracle", split or studies.split("val"), train or studies.split("train"), vision, samples=50)

    return make


def found(bench: Bench) -> dict[tuple[str, str], Score]:
    """What a bench gathered, by name of the measure and system."""
    return {(score.name, score.system): score for score in bench.scores}


def value(score: Score) -> float:
    assert score.interval is not None, score.why
    return score.interval.value


def write_lines(path: Path, lines: list[dict[str, str]]) -> Path:
    import json

    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
