"""`serve(...)` gives a client of a service with a tiny model; `browse(...)` a browser on its page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any

import pytest
from served import FILES, Held, wait_until
from starlette.testclient import TestClient

import radloom
from programs import program
from radloom.serving.app import create_app
from radloom.serving.limits import Limits
from radloom.serving.server import Server, listen
from radloom.serving.service import Service

ADDRESS = "http://127.0.0.1:8000"
Browse = Callable[..., AbstractContextManager[Any]]
Serve = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def held(model: radloom.Model) -> Iterator[Held]:
    held = Held(model)
    yield held
    held.go.set()


@pytest.fixture
def serve(model: radloom.Model, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Gives a client whose service has loaded its model, by default the tiny one; `client.app.state.service` is it."""

    @contextmanager
    def start(
        served: Any = None, *, token: str = "", hosts: tuple[str, ...] = (), **limits: Any
    ) -> Iterator[TestClient]:
        monkeypatch.setattr("radloom.models.load", lambda name, device: served or model)
        service = Service("tiny", limits=Limits(**limits), token=token, hosts=hosts)
        with TestClient(create_app(service), ADDRESS) as client:
            wait_until(lambda: service.workers[0].model is not None)
            yield client

    return start


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's browser, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = program("chromium chromium-browser google-chrome", "chromium")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium: Any, model: radloom.Model, monkeypatch: pytest.MonkeyPatch) -> Browse:
    """Gives a browser's page at a service of its own; nothing may go wrong in it, and nothing come from elsewhere."""

    @contextmanager
    def start(
        served: Any = None, *, token: str = "", width: int = 1280, look: dict[str, Any] | None = None, **limits: Any
    ) -> Iterator[Any]:
        monkeypatch.setattr("radloom.models.load", lambda name, device: served or model)
        service = Service("tiny", limits=Limits(**limits), token=token)
        with listen("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            server = Server(service)
            thread = Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            context = chromium.new_context(
                viewport={"width": width, "height": 800}, accept_downloads=True, **(look or {})
            )
            context.set_default_timeout(60_000)
            try:
                wait_until(lambda: service.workers[0].model is not None)
                page = context.new_page()
                wrong, asked = watch(page)
                page.goto(url)
                if not token:  # else it is asked for first
                    wait_until(lambda: wrong or page.query_selector("body[data-ready]"))
                    assert wrong == []
                yield page
                assert wrong == []
                assert {address.split("?")[0] for address in asked if not address.startswith((url, "blob:"))} == set()
            finally:
                context.close()
                server.should_exit = True
                thread.join()

    return start


def watch(page: Any) -> tuple[list[str], list[str]]:
    """What goes wrong on a page, but for refusals, which are told; and the addresses that it asks."""
    wrong: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    page.on("request", lambda request: asked.append(request.url))
    return wrong, asked


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A file of each kind: its name and its bytes."""
    return request.param, FILES[request.param]()
