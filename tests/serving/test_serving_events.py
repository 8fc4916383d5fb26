"""Answers that are streamed while they are written."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served import Held, encoded, post, wait_until

import radloom
import tiny

STREAM = {"accept": "text/event-stream"}


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("/v1/report", {}, ("findings", "impression")),
        ("/v1/ask", {"question": "Is the heart enlarged?"}, ("answer",)),
    ],
)
def test_words_come_as_they_are_written_and_then_the_answer(
    serve: Any, path: str, data: dict, words: tuple[str, ...]
) -> None:
    with serve() as client:
        whole = client.post(path, files={"frontal": encoded()}, data=data).json()
        answer = client.post(path, files={"frontal": encoded()}, data=data, headers=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    steps = [event["done"] for name, event in told if name == "progress"]
    partial = [event for name, event in told if name == "partial"]
    assert steps == list(range(1, len(steps) + 1)) and len(partial) == len(steps) > 2
    assert partial[-1] == {word: whole[word] for word in words}
    assert len(str(partial[0])) < len(str(partial[-1]))
    assert told[-1] == ("answer", whole | {"seconds": told[-1][1]["seconds"]})


def test_of_several_candidates_the_first_is_told_as_a_draft(serve: Any, tmp_path: Path) -> None:
    model = radloom.load(tiny.make_model(tmp_path / "seeing", seeing=True))
    model.config = replace(model.config, text=replace(model.config.text, candidates=2, temperature=1.0))
    drafts = []
    with serve(model) as client:
        for candidates in (1, 2):
            form = {"files": {"frontal": encoded()}, "data": {"candidates": candidates}}
            told = events(client.post("/v1/report", **form, headers=STREAM).text)
            drafts.append([event for name, event in told if name == "partial"])
    shorter = min(map(len, drafts))
    assert shorter > 2 and drafts[0][:shorter] == drafts[1][:shorter]


def test_drawings_tell_how_far_they_are(serve: Any) -> None:
    with serve() as client:
        told = events(client.post("/v1/image", data={"report": "Clear."}, headers=STREAM).text)
    assert [event for name, event in told if name == "progress"] == [{"done": i, "total": 16} for i in range(1, 17)]
    assert told[-1][0] == "answer" and len(told[-1][1]["images"]) == 1


def test_errors_end_the_stream_or_keep_it_from_beginning(serve: Any, held: Held) -> None:
    held.go.set()
    with serve(held) as client:
        data = {"question": "Why? " * 700}
        late = client.post("/v1/ask", files={"frontal": encoded()}, data=data, headers=STREAM)
        early = client.post("/v1/ask", files={"frontal": b"no image"}, data=data, headers=STREAM)
        client.app.state.service.close()
        closed = client.post("/v1/ask", files={"frontal": encoded()}, data=data, headers=STREAM)
    assert late.status_code == 200 and early.status_code == 422 and closed.status_code == 503
    [(name, event)] = events(late.text)
    assert name == "error" and event["code"] == "invalid_text" and "tokens long" in event["message"]


def test_a_stream_that_takes_too_long_ends_with_an_error(serve: Any, held: Held) -> None:
    with serve(held, seconds=2) as client:
        form = {"files": {"frontal": encoded()}, "data": {"question": "Is it?"}}
        told = events(client.post("/v1/ask", **form, headers=STREAM).text)
        wait_until(lambda: client.app.state.service.present == 0)
        counted = client.get("/metrics").text
    assert told[-1][0] == "error" and told[-1][1]["code"] == "timeout"
    assert 'radloom_requests_total{route="/v1/ask",status="504"} 1.0' in counted


def test_a_stream_whose_client_leaves_is_given_up(serve: Any, held: Held) -> None:
    with serve(held) as client, ThreadPoolExecutor(1) as threads:
        service = client.app.state.service
        first = threads.submit(client.post, "/v1/ask", files={"frontal": encoded()}, data={"question": "First?"})
        wait_until(held.begun.is_set)

        async def leave_when_it_waits() -> dict:
            while len(service.queue) < 1:
                await asyncio.sleep(0.005)
            return {"type": "http.disconnect"}

        parts = {"frontal": encoded(), "question": b"Second?"}
        post(client.app, "/v1/ask", parts, leave_when_it_waits, headers=STREAM)
        held.go.set()
        assert first.result().status_code == 200
        assert 'radloom_requests_total{route="/v1/ask",status="499"} 1.0' in client.get("/metrics").text
    assert held.batches == [["First?"]]
