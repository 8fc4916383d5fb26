"""The web page over plain HTTP: its files, what browsers are told of it, and whom the service listens to."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from served import Stub, encoded

import radloom

CHEST = {"frontal": encoded()}


def test_the_page_and_everything_that_it_names(serve: Any, model: radloom.Model) -> None:
    there = {file.name for file in (files("radloom.serving") / "page").iterdir()}
    named = set()
    with serve(Stub(model), token="open-sesame") as client:  # the page itself needs none
        for path in ("/", "/docs"):
            page = client.get(path)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            named |= set(re.findall(r'(?:src|href)="page/([^"]+)"', page.text)) | {path.strip("/") or "index"}
        for name in there:
            file = client.get(f"/page/{name}")
            assert file.status_code == 200
            named |= {name} if name.endswith(".png") else set(re.findall(r'from "\./([^"]+)"', file.text))
        assert client.get("/page/app.js").headers["content-type"] == "text/javascript; charset=utf-8"
        missing = [client.get(f"/page/{name}").status_code for name in ("nothing.js", "../app.py", "%2e%2e/app.py")]
        metrics = client.get("/metrics", headers={"authorization": "Bearer open-sesame"}).text
    assert {name.removesuffix(".html") for name in there} == named
    assert set(missing) <= {401, 404}
    assert 'route="page",status="200"' in metrics


def test_nothing_is_fetched_from_elsewhere_and_nothing_is_inline(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model)) as client:
        for path in ("/", "/docs", "/v1/models", "/nothing"):
            headers = client.get(path).headers
            policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
            assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
            assert policy["frame-ancestors"] == "'none'"
            assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    texts = [f for f in (files("radloom.serving") / "page").iterdir() if not f.name.endswith(".png")]
    for file in texts:
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|(?<!:)//[a-z]+\.[a-z]", text), file.name
        if file.name.endswith(".html"):
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", text), file.name


OWN_HOSTS = ["127.0.0.1:8000", "localhost", "localhost:8000", "[::1]:8000", "192.168.1.7:8000", "xrays.example"]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_its_own_names_are_answered(serve: Any, model: radloom.Model, host: str) -> None:
    with serve(Stub(model), hosts=("Xrays.example",)) as client:
        for headers in ({"host": host}, {"host": host, "origin": f"http://{host}"}):
            assert client.post("/v1/report", files=CHEST, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.x", "[::1"])
def test_a_foreign_name_is_refused(serve: Any, model: radloom.Model, host: str) -> None:
    with serve(Stub(model), hosts=("xrays.example",)) as client:
        answers = [client.get("/", headers={"host": host}), client.get("/v1/models", headers={"host": host})]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["error"]["code"] == "foreign_host"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://evil.example:8000", "null", "http://127.0.0.1:1", "http://["]
)
def test_a_page_of_another_origin_is_refused(serve: Any, model: radloom.Model, origin: str) -> None:
    with serve(Stub(model)) as client:
        answer = client.post("/v1/report", files=CHEST, headers={"origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")


def test_behind_a_proxy_its_allowed_name_may_ask(serve: Any, model: radloom.Model) -> None:
    with serve(Stub(model), hosts=("xrays.example",)) as client:
        answer = client.post("/v1/report", files=CHEST, headers={"origin": "https://xrays.example"})
    assert answer.status_code == 200


def test_a_token_lets_any_name_in(serve: Any, model: radloom.Model) -> None:
    headers = {"host": "xrays.example", "origin": "https://proxy.example", "authorization": "Bearer open-sesame"}
    with serve(Stub(model), token="open-sesame") as client:
        assert client.post("/v1/report", files=CHEST, headers=headers).status_code == 200
        assert client.post("/v1/report", files=CHEST, headers=headers | {"authorization": ""}).status_code == 401
