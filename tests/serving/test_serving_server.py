"""`radloom serve`: who may reach it, what keeps it from starting, and a process of its own."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from process import process
from served import encoded
from typer.testing import CliRunner, Result

import radloom
from radloom.cli import app
from radloom.errors import RadloomError
from radloom.imaging import InMemory, read_image
from radloom.serving.server import Connection, listen


def run(*arguments: object, **environment: str) -> Result:
    names = {"RADLOOM_TOKEN": None} | environment
    return CliRunner().invoke(app, ["serve", "--port", "0", *map(str, arguments)], env=names, catch_exceptions=False)


def test_a_port_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RadloomError, match=f"Cannot listen on 127.0.0.1, port {port}"):
            listen("127.0.0.1", port)
    with pytest.raises(RadloomError, match=r"Cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_what_keeps_it_from_starting(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, environment, message in (
        (
            ("--host", "0.0.0.0", "--model", tiny_model),
            {},
            "On 0.0.0.0 others can reach the service. Set RADLOOM_TOKEN",
        ),
        (("--model", tmp_path), {}, "neither inside the package"),
        (("--model", tiny_model, "--device", "abacus"), {}, "'abacus' cannot be used"),
        (("--model", tiny_model), {"RADLOOM_TOKEN": " "}, "The token is empty"),
        (("--model", tiny_model), {"RADLOOM_TOKEN": ""}, "The token is empty"),
    ):
        result = run(*arguments, **environment)
        assert result.exit_code == 2 and message in result.stderr, result.output
    monkeypatch.setattr("radloom.doctor.SERVING", {"no-such-package": "no_such_package", "numpy": "numpy"})
    result = run("--model", tiny_model)
    assert result.exit_code == 2
    assert "Serving needs no-such-package; run `pip install '.[serve]'`." in result.stderr


def test_it_stops_when_its_model_cannot_be_loaded(tiny_model: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(tiny_model, tmp_path / "damaged")
    (damaged / "codec" / "config.json").write_text("{")
    result = run("--model", damaged)
    assert result.exit_code == 2
    assert re.search(r"radloom: .*config\.json", result.stderr), result.stderr
    assert not logging.getLogger("radloom.serving").handlers  # it would write to a stream that is closed by now
    assert all(logging.getLogger(name).propagate for name in ("pydicom", "PIL"))


def test_what_readers_of_files_warn_of_is_not_logged(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quote(*arguments: object, **options: object) -> None:
        for reader in ("pydicom", "PIL.TiffImagePlugin"):
            logging.getLogger(reader).warning("Jane Doe")

    monkeypatch.setattr("radloom.serving.server.Server.run", quote)
    result = run("--model", tiny_model)
    assert result.exit_code == 0 and "Jane" not in result.output, result.output


@pytest.fixture
def url(tiny_model: Path, tmp_path: Path) -> Iterator[str]:
    """Where a process of its own serves; it has said nothing that it should not."""
    with process(tiny_model, tmp_path, RADLOOM_TOKEN="open-sesame") as service:
        yield service.url
    assert re.search(r"POST /v1/report 200 \d+\.\d+ s", service.said())
    assert not re.search("Jane|sesame|Traceback|Error", service.said()), service.said()


def test_a_process_of_its_own_answers(url: str, model: radloom.Model) -> None:
    headers = {"authorization": "Bearer open-sesame"}
    with httpx2.Client(base_url=url, headers=headers, timeout=120) as client:
        assert client.get("/health").status_code == 200
        files = {"frontal": ("Jane.png", encoded())}
        answer = client.post("/v1/report", files=files).json()
        streamed = client.post("/v1/report?name=Jane", files=files, headers={"accept": "text/event-stream"}).text
        assert client.post("/v1/report", files={"frontal": ("Jane.png", b"Jane")}).status_code == 422
        assert client.post("/v1/report", files=files, headers={"authorization": "Bearer no"}).status_code == 401
    expected = model.report(read_image(InMemory(encoded())))
    assert (answer["findings"], answer["impression"]) == (expected.findings, expected.impression)
    assert "event: partial\n" in streamed and "event: answer\n" in streamed


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server that answers after half a second, and waits for heads, and takes connections, as the tests need."""
    monkeypatch.setattr("radloom.serving.server.HEADER_SECONDS", 0.2)
    monkeypatch.setattr("radloom.serving.server.CONNECTIONS", 3)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.5)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    server = uvicorn.Server(uvicorn.Config(slow, http=Connection, lifespan="off", log_config=None))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes, or a second has passed."""
    connection.settimeout(1)
    data = b""
    with suppress(TimeoutError, ConnectionResetError):
        while part := connection.recv(1000):
            data += part
        return data
    return data + b" and open"


def test_connections_that_do_not_end_their_heads_are_closed(port: int) -> None:
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent)
            assert received(connection) == b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # longer at work than a head may take
        assert received(connection).endswith(b"ok and open")
        connection.sendall(b"GET / HTTP/1.1\r\nHost:")  # and the next head, too, has its time
        assert received(connection) == b""


def test_there_is_a_limit_of_connections(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as stack:
        open_ = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(3)]
        for connection in open_:
            connection.sendall(request)
        time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", port)) as one_more:
            assert received(one_more) == b""
        assert all(b"200 OK" in received(connection) for connection in open_)
