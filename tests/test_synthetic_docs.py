"""The commands of docs/synthetic.md run in their order, with a tiny random model and trainings of one step."""

import json
import re
import shlex
from itertools import chain
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tiny
from radloom.cli import app
from radloom.corpora import prepare
from radloom.evaluation.utility import REAL, TRAININGS, Scenario

DOCUMENT = (Path(__file__).parent.parent / "docs" / "synthetic.md").read_text(encoding="utf-8")
QUICK = {
    "complete": "--steps 1 --model MODEL",
    "utility": "--steps 1 --batch 2 --size 32 --scenarios scarcity",
    "privacy": "--judge MODEL",
}


def test_the_commands_run(tmp_path: Path, any_to_any_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)
    monkeypatch.chdir(tmp_path)
    prepare("indiana", tiny.make_indiana(tmp_path / "data"), tmp_path / "prepared" / "indiana")
    commands = re.findall(r"^\$ radloom (.*)$", DOCUMENT, re.MULTILINE)
    assert [command.split()[0] for command in commands] == list(QUICK)
    for command in commands:
        name, *rest = shlex.split(command)
        more = QUICK[name].replace("MODEL", str(any_to_any_folder)).split()
        result = CliRunner().invoke(app, [name, *rest, *more, "--json"])
        assert result.exit_code == 0, f"{command}\n{result.output}"
        assert json.loads(result.stdout)["out"] == rest[-1]
    trained = {path.name for path in (tmp_path / "utility" / "trainings").iterdir()}
    assert trained == {"real", "few-real", "few-real-and-synthetic"}
    assert (tmp_path / "privacy" / "closest-pairs-frontal.png").is_file()


def test_the_table_has_every_training() -> None:
    [table] = re.findall(r"^\| scenario .*?\n\n", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (\w*) ?\| ([\w ]+) \|", table, re.MULTILINE)[1:]
    assert [name for _, name in rows] == [REAL, *chain(*TRAININGS.values())]
    assert [scenario for scenario, _ in rows if scenario in tuple(Scenario)] == list(Scenario)
