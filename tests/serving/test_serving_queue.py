"""Requests are answered together as they are alone; those that cannot wait, do not."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from served import Held, encoded, post, wait_until

import radloom
from radloom.imaging import InMemory, read_image
from radloom.serving.queue import ClosedError, Job, Queue
from radloom.serving.worker import Worker


@dataclass(frozen=True, eq=False)
class Fake:
    group: str
    size: int = 1


def jobs(queue: Queue, *tasks: Fake) -> list[Job]:
    made = [Job(task) for task in tasks]  # type: ignore[arg-type]
    for job in made:
        queue.put(job)
    return made


class TestQueue:
    def test_the_oldest_goes_with_its_group_and_the_rest_keep_their_order(self) -> None:
        queue = Queue(batch=3, wait=0)
        a1, b1, a2, b2, a3, a4 = jobs(queue, *(Fake(group) for group in "abab"), Fake("a"), Fake("a"))
        assert [queue.take() for _ in range(3)] == [[a1, a2, a3], [b1, b2], [a4]]
        assert len(queue) == 0

    def test_a_batch_is_bounded_by_what_is_made_in_it(self) -> None:
        queue = Queue(batch=4, wait=0)
        two, three, one, large = jobs(queue, Fake("a", 2), Fake("a", 3), Fake("a"), Fake("a", 9))
        assert [queue.take() for _ in range(3)] == [[two, one], [three], [large]]

    def test_the_oldest_waits_for_others_but_not_for_long(self) -> None:
        queue = Queue(batch=2, wait=0.4)
        [first] = jobs(queue, Fake("a"))
        threading.Timer(0.05, lambda: jobs(queue, Fake("b"), Fake("a"))).start()
        start = time.monotonic()
        assert len(queue.take()) == 2 and time.monotonic() - start < 0.35  # full: no need to wait longer
        start = time.monotonic()
        assert len(queue.take()) == 1
        assert 0.2 < time.monotonic() - start < 5
        assert first.future.running()

    def test_a_job_that_was_left_is_never_begun(self) -> None:
        queue = Queue(batch=4, wait=0)
        first, second = jobs(queue, Fake("a"), Fake("a"))
        first.leave()
        assert queue.take() == [second]

    def test_once_closed_it_gives_nothing_and_takes_nothing(self) -> None:
        queue = Queue(batch=4, wait=0)
        [waiting] = jobs(queue, Fake("a"))
        queue.close()
        assert queue.take() == []
        with pytest.raises(ClosedError):
            waiting.future.result(0)
        with pytest.raises(ClosedError):
            jobs(queue, Fake("a"))

    def test_closing_wakes_a_worker(self) -> None:
        queue = Queue(batch=4, wait=0)
        worker = Worker(lambda: None, queue, lambda *_: None)  # type: ignore[arg-type,return-value]
        worker.start()
        queue.close()
        worker.join(5)
        assert not worker.is_alive()


def ask(client: Any, question: str, seed: int = 0, **fields: Any) -> Any:
    data = {"question": question, "seed": seed} | fields
    return client.post("/v1/ask", files={"frontal": encoded(seed=seed)}, data=data)


def test_those_that_wait_are_answered_together_and_as_they_are_alone(
    serve: Any, held: Held, model: radloom.Model
) -> None:
    questions = ["Is the heart enlarged?", "Effusion?", "Is there a pneumothorax on the left?", "Is it?"]
    with serve(held) as client, ThreadPoolExecutor(4) as threads:
        queue = client.app.state.service.queue
        answers = [threads.submit(ask, client, questions[0], 0, temperature=1.0)]
        wait_until(held.begun.is_set)
        for seed, question in enumerate(questions[1:], 1):
            answers.append(threads.submit(ask, client, question, seed, temperature=1.0))
            wait_until(lambda waiting=seed: len(queue) == waiting)
        assert "radloom_queue_length 3.0" in client.get("/metrics").text
        held.go.set()
        given = [answer.result().json()["answer"] for answer in answers]
        text = client.get("/metrics").text
    assert held.batches == [questions[:1], questions[1:]]
    for seed, question in enumerate(questions):
        image = read_image(InMemory(encoded(seed=seed)))
        assert given[seed] == model.ask(image, question, seed=seed, temperature=1.0)
    assert 'radloom_batch_size_sum{kind="ask"} 4.0' in text and 'radloom_batch_size_count{kind="ask"} 2.0' in text
    assert 'radloom_requests_total{route="/v1/ask",status="200"} 4.0' in text
    assert 'radloom_request_seconds_count{route="/v1/ask"} 4.0' in text


def test_other_settings_make_another_batch(serve: Any, held: Held) -> None:
    with serve(held) as client, ThreadPoolExecutor(4) as threads:
        threads.submit(ask, client, "First?")
        wait_until(held.begun.is_set)
        for i, temperature in enumerate((0.5, 0.0, 0.5), 1):
            threads.submit(ask, client, f"{i}?", temperature=temperature)
            wait_until(lambda waiting=i: len(client.app.state.service.queue) == waiting)
        held.go.set()
    assert held.batches == [["First?"], ["1?", "3?"], ["2?"]]


def test_one_at_fault_does_not_spoil_the_others(serve: Any, held: Held, model: radloom.Model) -> None:
    with serve(held) as client, ThreadPoolExecutor(3) as threads:
        first = threads.submit(ask, client, "First?")
        wait_until(held.begun.is_set)
        others = [threads.submit(ask, client, question) for question in ("Why? " * 700, "Is it?")]
        wait_until(lambda: len(client.app.state.service.queue) == 2)
        held.go.set()
        statuses = sorted(answer.result().status_code for answer in [first, *others])
    assert statuses == [200, 200, 422]
    assert len(held.batches[1]) == 2 and [len(batch) for batch in held.batches[2:]] == [1, 1]


def test_a_full_service_says_when_to_come_again(serve: Any, held: Held) -> None:
    with serve(held, queue=2) as client, ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(ask, client, "Is it?") for _ in range(2)]
        wait_until(lambda: client.app.state.service.present == 2)
        refused = ask(client, "Is it?")
        assert client.get("/ready").status_code == 200
        held.go.set()
        assert [answer.result().status_code for answer in answers] == [200, 200]
        assert ask(client, "Is it?").status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
    assert int(refused.headers["retry-after"]) >= 1


def test_a_request_that_waits_too_long_is_never_begun(serve: Any, held: Held) -> None:
    with serve(held) as client, ThreadPoolExecutor(1) as threads:
        service = client.app.state.service
        first = threads.submit(ask, client, "First?")
        wait_until(held.begun.is_set)
        service.limits = replace(service.limits, seconds=1)
        second = ask(client, "Second?")
        held.go.set()
        assert first.result().status_code == 200
    assert (second.status_code, second.json()["error"]["code"]) == (504, "timeout")
    assert held.batches == [["First?"]]


def test_a_batch_that_nobody_waits_for_is_given_up(serve: Any, held: Held) -> None:
    with serve(held, seconds=2) as client, ThreadPoolExecutor(1) as threads:
        assert ask(client, "First?").status_code == 504
        held.begun.clear()
        second = threads.submit(ask, client, "Second?")
        wait_until(held.begun.is_set)  # though the first was never let go
        held.go.set()
        assert second.result().status_code == 200
    assert held.batches == [["First?"], ["Second?"]]


def test_a_request_whose_client_leaves_is_never_begun(serve: Any, held: Held) -> None:
    with serve(held) as client, ThreadPoolExecutor(1) as threads:
        service = client.app.state.service
        first = threads.submit(ask, client, "First?")
        wait_until(held.begun.is_set)

        async def leave_when_it_waits() -> dict:
            while len(service.queue) < 1:
                await asyncio.sleep(0.005)
            return {"type": "http.disconnect"}

        post(client.app, "/v1/ask", {"frontal": encoded(), "question": b"Second?"}, leave_when_it_waits)
        held.go.set()
        assert first.result().status_code == 200
        assert ask(client, "Third?").status_code == 200
        counted = client.get("/metrics").text
    assert held.batches == [["First?"], ["Third?"]]
    assert 'radloom_requests_total{route="/v1/ask",status="499"} 1.0' in counted


def test_a_client_that_leaves_while_it_sends(serve: Any, held: Held) -> None:
    async def leave() -> dict:
        return {"type": "http.disconnect"}

    with serve(held) as client:
        post(client.app, "/v1/ask", {"question": b"Is it?"}, leave, whole=False)
        assert 'radloom_requests_total{route="/v1/ask",status="499"} 1.0' in client.get("/metrics").text
        assert client.app.state.service.present == 0


def test_being_stopped_it_finishes_what_runs_and_refuses_the_rest(serve: Any, held: Held) -> None:
    with serve(held) as client, ThreadPoolExecutor(2) as threads:
        service = client.app.state.service
        running = threads.submit(ask, client, "First?")
        wait_until(held.begun.is_set)
        waiting = threads.submit(ask, client, "Second?")
        wait_until(lambda: len(service.queue) == 1)
        service.close()
        refused = [waiting.result(), ask(client, "Third?"), client.get("/ready")]
        assert [answer.status_code for answer in refused] == [503, 503, 503]
        assert {answer.json()["error"]["code"] for answer in refused} == {"closing"}
        assert client.get("/health").status_code == 200
        held.go.set()
        assert running.result().status_code == 200
    assert held.batches == [["First?"]]
    assert not service.workers[0].is_alive()
