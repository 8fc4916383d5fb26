"""`radloom listen`: what keeps it from starting, a run with a real model, and processes that are killed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import nodes
import pytest
from nodes import encoded, image, send, taking
from pydicom import Dataset, dcmread
from typer.testing import CliRunner, Result

from programs import program
from radloom.cli import app
from radloom.listening.service import stopped_by_signals

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "listening.md"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["listen", *map(str, arguments)], catch_exceptions=False)


def test_what_keeps_it_from_starting(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = tmp_path / "spool"
    for arguments, message in (
        (["--host", "0.0.0.0"], "On 0.0.0.0 others can reach the service"),
        (["--ae-title", "MUCH_TOO_LONG_TITLE"], "is no AE title"),
        (["--allow", "MODALITY,\\"], "is no AE title"),
        (["--send-to", "PACS"], "'PACS' is not of the form TITLE@HOST:PORT"),
        (["--model", tmp_path], "neither inside the package"),
    ):
        result = run(spool, "--model", tiny_model, *arguments)
        assert result.exit_code == 2 and message in result.stderr, result.output
    assert not spool.exists()
    monkeypatch.setattr("radloom.doctor.LISTENING", {"no-such-package": "no_such_package"})
    result = run(spool)
    assert "Listening needs no-such-package; run `pip install '.[listen]'`." in result.stderr


def test_a_study_comes_in_and_its_report_goes_on(tiny_model: Path, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def use(spool: Path) -> None:
        try:
            nodes.wait_until(lambda: spool.exists() and seen.get("port"))
            seen["statuses"] = send(seen["port"], image("1.2"), image("1.2", 2, view="LL"))
            nodes.wait_until(lambda: list(spool.glob("sent/*/report-*-sent.dcm")))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with taking() as (peer, reports), pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.cli.serving.say", lambda text: seen.update(port=int(re.findall(r":(\d+)", text)[0])))
        client = Thread(target=use, args=[tmp_path / "spool"])
        with stopped_by_signals():  # so that the signal never ends the tests
            client.start()
            to = ["--port", 0, "--wait", 0.1, "--send-to", f"PACS@127.0.0.1:{peer}"]
            result = run(tmp_path / "spool", "--model", tiny_model, *to, "--json")
            client.join()
    assert result.exit_code == 0, result.output
    assert seen["statuses"] == [0, 0]
    done = json.loads(result.stdout)
    assert {key: done[key] for key in ("images", "reported", "sent", "failed")} == {
        "images": 2,
        "reported": 1,
        "sent": 1,
        "failed": 0,
    }
    assert reports[0].VerificationFlag == "UNVERIFIED" and reports[0].StudyInstanceUID == "1.2"
    assert not {"Jane", "P17"} & set(re.split(r"\W+", result.stderr))


@contextmanager
def process(spool: Path, peer: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A listener of its own, and its port; killed at the end."""
    started = subprocess.Popen(
        [sys.executable, nodes.__file__, str(spool), str(peer)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout
        yield started, int(started.stdout.readline())
    finally:
        started.kill()
        started.wait()


def one(pattern: str, spool: Path) -> Callable[[], bool]:
    return lambda: len(list(spool.glob(pattern))) == 1


def test_killed_anywhere_it_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "hold").touch()
    with taking() as (away, _):
        pass
    with process(spool, away) as (_, port):
        assert send(port, image("1.2")) == [0]
    # between two images, of which the sender repeats the first; then while the study is read
    with process(spool, away) as (_, port):
        assert send(port, image("1.2"), image("1.2", 2, view="LL")) == [0, 0]
        nodes.wait_until(one("received/*/deaths", spool))
    # after the report is written, before it can be sent
    with process(spool, away) as (_, port):
        (spool / "hold").unlink()
        nodes.wait_until(one("reported/*/report-*.dcm", spool))
        [written] = spool.glob("reported/*/report-*.dcm")
        report = dcmread(written)
    # when the other node has the report, and has not said so yet
    killed: list[subprocess.Popen[str]] = []

    def kill(_: Dataset) -> int:
        if not killed:
            killed.append(listener)
            listener.kill()
        return 0

    with taking(kill) as (peer, reports):
        with process(spool, peer) as (listener, _):
            assert listener.wait(20) == -signal.SIGKILL
        with process(spool, peer) as (listener, port):
            nodes.wait_until(one("sent/*/report-*-sent.dcm", spool))
            assert send(port, image("1.2", 2, view="LL")) == [0]  # it has that
    assert [each.SOPInstanceUID for each in reports] == [report.SOPInstanceUID] * 2
    assert reports[0] == reports[1]
    assert len(list(spool.glob("*/*/image-*.dcm"))) == 2 and one("*/*/report-*.dcm", spool)()


def test_dcmtk_sends(receive: Callable[..., int], spool: Any, tmp_path: Path) -> None:
    storescu = program("storescu", "dcmtk")
    files = [tmp_path / f"{number}.dcm" for number in (1, 2)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(image("1.2", number)))
    port = receive("STORESCU")
    done = subprocess.run([storescu, "127.0.0.1", str(port), *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert spool.counts["images"] == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_pages(page: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("radloom.listening.service.listen", lambda receiver, *_: receiver.stop())
    for line in re.findall(r"^\$ radloom (listen .*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        command = [*shlex.split(line), "--port", "0", "--model", str(tiny_model)]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert result.exit_code == 0 and "No longer taking studies" in result.stdout, f"{line}\n{result.output}"
