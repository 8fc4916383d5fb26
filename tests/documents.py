"""README and the pages of the site as tests see them: what they tell the reader to type, and typing it.

It is typed in a folder that holds the files the documents name: `chest.png`, `lateral.png` and `notes.txt`, the raw
corpora below `data/`, a folder of X-rays, `xrays/`, and one in MIMIC-CXR's layout, `mimic/`. Changed are only these
things, so that the tests take seconds:

- commands and examples that would use the shipped model, or one that was trained, use a tiny random one;
- trainings make one step a stage, on batches of two small X-rays, and begin from two layers of the language model;
- services are asked, within this process, what a document asks of one with curl, and stop after that;
- of `make` and `pip`, only what they name is looked up.
"""

from __future__ import annotations

import importlib
import re
import shlex
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tiny
from radloom.cli import app
from radloom.recipes.recipe import Recipe, load_recipe
from radloom.recipes.stages import TrainClassifier, TrainCodec, TuneLanguage

ROOT = Path(__file__).parent.parent
MODEL_COMMANDS = ("report", "image", "ask", "check", "saliency", "complete", "predict", "reconstruct", "demo")
OTHER_COMMANDS = ("prepare", "questions", "evaluate", "score", "compare", "train", "doctor")
TRAINED = "runs/"


@dataclass(frozen=True)
class Document:
    """A Markdown file."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"^```{language}(?: .*)?\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def files(self) -> dict[str, str]:
        """Files that it shows whole, by the titles of their blocks."""
        return dict(re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', self.text, re.MULTILINE | re.DOTALL))

    @cached_property
    def commands(self) -> list[str]:
        lines = "".join(self.blocks("console")).replace("\\\n", " ").splitlines()
        scripts = [line for block in self.blocks("bash") for line in block.splitlines() if line.startswith("radloom ")]
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")] + scripts

    @property
    def serving(self) -> list[str]:
        return [command for command in self.commands if " radloom serve " in f" {command} "]

    @property
    def curl(self) -> list[str]:
        return [command for command in self.commands if command.startswith("curl ")]

    @property
    def listening(self) -> list[str]:
        """These have a test of their own, with a DICOM node's."""
        return [command for command in self.commands if command.startswith("radloom listen ")]

    @property
    def ours(self) -> list[str]:
        ours, services = ("radloom ", "python -m radloom", "accelerate launch "), (*self.serving, *self.listening)
        return [command for command in self.commands if command.startswith(ours) and command not in services]

    @property
    def others(self) -> list[str]:
        ours = (*self.ours, *self.serving, *self.listening, *self.curl)
        return [command for command in self.commands if command not in ours]


def trains(command: str) -> bool:
    return " train " in command and "--data" in command


def write_inputs(folder: Path) -> None:
    """The files that documents name."""
    tiny.write_chest(folder / "chest.png", 0)
    tiny.write_chest(folder / "lateral.png", 1)
    (folder / "notes.txt").write_text("FINDINGS: The heart is enlarged.\n", encoding="utf-8")
    tiny.make_indiana(folder / "data" / "iu_xray")
    tiny.make_vqa_rad(folder / "data" / "vqa_rad")
    tiny.make_nih(folder / "data" / "nih_subset")
    tiny.make_folder_corpus(folder / "xrays")
    tiny.make_mimic(folder / "mimic")


class Reader:
    """Types what documents say, each command once.

    Args:
        folder: where it is typed.
        model: the folder of the model that stands for every other.
        completing: that of one with both engines, for `complete` and `image`.
    """

    def __init__(self, folder: Path, model: Path, completing: Path) -> None:
        self.folder, self.model, self.completing = folder, model, completing
        self.typed: set[str] = set()

    def type(self, commands: Iterable[str]) -> None:
        from radloom.doctor import Check

        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr("radloom.doctor.diagnose", lambda: [Check("weights", True, "not looked at in this test")])
            for command in commands:
                if command not in self.typed:
                    run(command, self.model, self.completing)
                    self.typed.add(command)


def run(command: str, model: Path, completing: Path | None = None) -> None:
    line, _, file = command.partition(" > ")
    program, *arguments = shlex.split(line)
    if program == "python":
        assert importlib.import_module(arguments[1]).main(arguments[2:]) == 0, command
        return
    if program == "accelerate":
        arguments = arguments[arguments.index("radloom") + 1 :]
    if arguments[0] in MODEL_COMMANDS and "--model" not in arguments:
        arguments += ["--model", str(completing if arguments[0] in ("complete", "image") else model)]
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
        if hasattr(stage, "train"):
            yield f"{stage.name}.train.steps=1"
            yield f"{stage.name}.train.batch_size=2"
        if isinstance(stage, TrainClassifier):
            yield f"{stage.name}.network.size={tiny.SIDE}"
        if isinstance(stage, TrainCodec):
            yield f"{stage.name}.loss.clinical_size={tiny.SIDE}"
        if isinstance(stage, TuneLanguage):
            yield f"{stage.name}.base.layers=2"


def serve(commands: Sequence[str], curl: Sequence[str], tiny_model: Path, model: Any) -> list[Any]:
    """The responses to all lines of curl by each service that is started."""
    from starlette.testclient import TestClient

    answers = []

    def run_for_a_while(server: Any, sockets: object) -> None:
        token = server.service.token
        url = "http://127.0.0.1:8000"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with TestClient(server.config.app, url, headers=headers) as client:
            while client.get("/ready").status_code != 200:
                time.sleep(0.01)
            answers.extend([ask_like_curl(client, command) for command in curl])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.serving.server.Server.run", run_for_a_while)
        patch.setattr("radloom.devices.usable", lambda device: device)
        patch.setattr("radloom.models.load", lambda name, device: model)
        for command in commands:
            given, _, line = command.rpartition("radloom ")
            environment = dict(pair.split("=") for pair in given.split())
            arguments = [*shlex.split(line), "--port", "0", "--model", str(tiny_model)]
            result = CliRunner().invoke(app, arguments, env={"RADLOOM_TOKEN": None} | environment)
            assert result.exit_code == 0, f"{command}\n{result.output}"
    return answers


def ask_like_curl(client: Any, command: str) -> Any:
    """The response to a line of curl, of whose options documents use -N, -H and -F."""
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


def check_other(command: str) -> None:
    """Make sure that what a line of make or pip names exists; programs among the tests have tests of their own."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    program, *arguments = shlex.split(command)
    if program == "make":
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in arguments), command
        return
    if program == "python":
        text = (ROOT / arguments[0]).read_text(encoding="utf-8")
        assert all(f'"{option}"' in text for option in arguments if option.startswith("--")), command
        return
    assert (program, arguments[0]) == ("pip", "install"), command
    for extra in re.findall(r"\.\[(\w+)\]", command):
        assert extra in project["optional-dependencies"], command
    for pinned in re.findall(r"\S+==\S+", command):
        assert pinned in makefile, command
