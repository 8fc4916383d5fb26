"""Tokens, the size of bodies and pictures, and that uploads stay in memory."""

from __future__ import annotations

import asyncio
import io
import os
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.routing import APIRoute
from PIL import Image
from served import Held, Stub, dicom, encoded, post

import radloom
from radloom.errors import ImageError, RadloomError
from radloom.imaging import InMemory, Transform, png_bytes, read_image
from radloom.serving.app import work
from radloom.serving.guard import ROUTES, WORK
from radloom.serving.limits import Limits
from radloom.serving.uploads import to_model_size

SECRET = "open sesame"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer open", f"Basic {SECRET}", f"Bearer {SECRET}!", "Bearer ä"]
)
def test_without_the_token_nothing_is_read(serve: Any, held: Held, header: str | None) -> None:
    with serve(held, token=SECRET) as client:
        headers = {} if header is None else {"authorization": header.encode()}
        answer = client.post("/v1/ask", files={"frontal": encoded()}, data={"question": "?"}, headers=headers)
        closed = [client.get(path, headers=headers).status_code for path in ("/metrics", "/v1/models", "/nothing")]
        opened = [client.get(path, headers=headers).status_code for path in ("/", "/health", "/ready", "/openapi.json")]
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (closed, opened) == ([401] * 3, [200] * 4)
    assert held.batches == []


def test_with_the_token(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model), token=SECRET) as client:
        for scheme in ("Bearer", "bearer"):
            headers = {"authorization": f"{scheme} {SECRET}"}
            assert client.post("/v1/report", files={"frontal": encoded()}, headers=headers).status_code == 200
        assert client.get("/openapi.json").json()["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_a_body_over_the_limit_is_refused_by_its_stated_length(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model), body=50_000) as client:
        large = client.post("/v1/report", files={"frontal": bytes(60_000)})
        assert client.post("/v1/report", files={"frontal": encoded()}).status_code == 200
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")


def test_a_body_without_end_is_refused_while_it_is_read(serve: Any, model: radloom.Model) -> None:
    given = 0

    async def more() -> dict:
        nonlocal given
        given += 10_000
        assert given <= 200_000, "it is read without end"
        return {"type": "http.request", "body": bytes(10_000), "more_body": True}

    with serve(Stub(model), body=50_000) as client:
        start, body = post(client.app, "/v1/report", {"seed": b"1"}, more, whole=False)
    assert start["status"] == 413 and b"more than 50,000 bytes" in body["body"]
    assert given <= 60_000


def test_an_upload_that_takes_too_long(serve: Any, model: radloom.Model) -> None:
    async def never() -> dict:
        await asyncio.sleep(30)
        raise AssertionError("it waited too long")

    with serve(Stub(model), seconds=0.2) as client:
        start, *_ = post(client.app, "/v1/report", {"seed": b"1"}, never, whole=False)
        assert client.app.state.service.present == 0
    assert start["status"] == 408


def png_header(width: int, height: int) -> bytes:
    """A PNG that states its size and holds no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model), pixels=5000) as client:
        answer = client.post("/v1/report", files={"frontal": encoded()})
        bomb = client.post("/v1/report", files={"lateral": png_header(4000, 4000)})
    assert answer.json()["error"]["message"].startswith("frontal has 72 x 80 pixels, over the limit of 5,000")
    assert bomb.json()["error"]["message"].startswith("lateral has 4000 x 4000 pixels, over the limit")


@pytest.mark.parametrize("limit", ["body", "queue", "seconds", "wait"])
def test_limits_are_numbers_above_zero(limit: str) -> None:
    with pytest.raises(RadloomError, match=f"The limit {limit} is -1"):
        Limits(**{limit: -1})


@pytest.mark.parametrize("fit", ["pad", "crop", "squash"])
def test_the_model_sees_of_a_picture_at_its_size_what_it_sees_of_the_picture(fit: Any) -> None:
    transform, file = Transform(64, fit), InMemory(encoded(size=(300, 211)))
    small, said, _ = to_model_size(file, transform, 100_000)
    assert small.shape == (64, 64) and said == []
    assert bool((transform(small) == transform(read_image(file))).all())
    with pytest.raises(ImageError, match="over the limit"):
        to_model_size(file, transform, 1000)


def test_decoding_ends_with_the_time_of_the_request(
    serve: Any, model: radloom.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("to_model_size", "to_png", "report_bytes"):
        monkeypatch.setattr(f"radloom.serving.app.{name}", lambda *arguments, **named: time.sleep(2))
    with serve(model, seconds=0.4) as client:
        for path, data in (("check", {}), ("view", {}), ("document", {"format": "txt", "findings": "Clear."})):
            start = time.monotonic()
            answer = client.post(f"/v1/{path}", files={"frontal": encoded()}, data=data)
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
            assert time.monotonic() - start < 1.5


_watching = False
_opened: list[str] = []
_hooked: list[bool] = []


def _watch(event: str, arguments: tuple) -> None:
    if _watching and event == "open":
        path, _, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not str(path).startswith("/dev/"):
            _opened.append(str(path))
    elif _watching and event.startswith("tempfile."):
        _opened.append(event)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Files that are opened to be written."""
    global _watching
    if not _hooked:
        sys.addaudithook(_watch)  # there is no way to take it away again
        _hooked.append(True)
    _opened.clear()
    _watching = True
    yield _opened
    _watching = False


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("report", {"seed": 1}),
        ("view", {}),
        ("check", {}),
        ("ask", {"question": "Is it?"}),
        ("document", {"findings": "Clear.", "format": "json"}),
        ("saliency", {"observations": "Edema"}),
    ],
)
@pytest.mark.parametrize("field", ["frontal", "lateral"])
def test_uploads_never_touch_the_disk(
    serve: Any, model: radloom.Model, opened: list[str], field: str, path: str, fields: dict[str, Any]
) -> None:
    noise = np.random.default_rng(0).random((1100, 1100))
    files = {"chest.png": png_bytes(noise), "chest.tif": _tiff(noise), "chest.dcm": dicom(size=(1100, 1100))}
    assert min(map(len, files.values())) > 2**20  # what Starlette would move to the disk
    with serve(Stub(model)) as client:
        for name, data in files.items():
            answer = client.post(f"/v1/{path}", files={field: (name, data)}, data=fields)
            assert answer.status_code == 200, answer.text
    assert opened == []


def _tiff(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.rint(image * 65535).astype(np.uint16)).save(stream, "TIFF")
    return stream.getvalue()


def test_every_route_is_known_to_the_guard() -> None:
    """One that is not would take no place, and be counted as `other`."""
    routes = [route for route in work.routes if isinstance(route, APIRoute)]
    assert set(WORK) == {route.path for route in routes if "POST" in route.methods}
    assert {route.path for route in routes} <= set(ROUTES)
