"""`cli("report", path, ...)` runs a command in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

import tiny
from radloom.cli import app


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli() -> Cli:
    """Runs a command; an exception that the command line does not turn into an exit code fails the test."""

    def run(*arguments: Any) -> Outcome:
        result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="radloom", catch_exceptions=False)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus of six studies, two of them in val, with a question each."""
    from radloom.corpora import prepare

    folder = tmp_path_factory.mktemp("corpus")
    prepare("folder", tiny.make_folder_corpus(folder / "raw"), folder / "prepared")
    return folder / "prepared"
