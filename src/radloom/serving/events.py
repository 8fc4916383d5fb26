"""Server-sent events of a task that is worked on (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from fastapi.responses import StreamingResponse

from radloom.serving.refusals import GONE, Refusal, refusal
from radloom.serving.service import Service
from radloom.serving.tasks import Task

MEDIA_TYPE = "text/event-stream"

_QUIET = 15.0  # seconds after which a comment keeps the connection open
_END = ""


def stream(
    service: Service,
    task: Task,
    deadline: float,
    finished: Callable[[Any], Any],
    failed: Callable[[int], None],
) -> StreamingResponse:
    """Put a task into the queue and stream its events; it is left when the client goes or the time is over.

    Args:
        service: that works on it.
        task: what is to be done.
        deadline: by the event loop's clock.
        finished: makes of the task's answer that of the request.
        failed: told the status that a response would have had, where the last event is an error.

    Raises:
        ClosedError: the service is being stopped.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    def tell(name: str, data: dict[str, Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            loop.call_soon_threadsafe(events.put_nowait, (name, data))

    job = service.submit(task, tell)
    job.future.add_done_callback(lambda _: tell(_END, {}))

    async def told() -> AsyncIterator[str]:
        try:
            while True:
                remaining = deadline - loop.time()
                if remaining <= 0:
                    raise Refusal(504, "timeout", "There was no answer in time; try again later, or ask for less.")
                try:
                    name, data = await asyncio.wait_for(events.get(), min(_QUIET, remaining))
                except TimeoutError:
                    yield ": waiting\n\n"
                    continue
                if name == _END:
                    yield _event("answer", asdict(finished(job.future.result())))
                    return
                yield _event(name, data)
        except (asyncio.CancelledError, GeneratorExit):
            failed(GONE)
            raise
        except Exception as error:
            told = refusal(error)
            failed(told.status_code)
            yield _event("error", told.content()["error"])
        finally:
            job.leave()

    return StreamingResponse(told(), media_type=MEDIA_TYPE)


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
