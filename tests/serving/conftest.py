"""`serve(...)` gives a client of a service with a tiny model; `browse(...)` a browser on its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from served import FILES, Held, wait_until
from starlette.testclient import TestClient

import radloom
from radloom.serving.app import create_app
from radloom.serving.limits import Limits
from radloom.serving.service import Service

ADDRESS = "http://127.0.0.1:8000"
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


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A file of each kind: its name and its bytes."""
    return request.param, FILES[request.param]()
