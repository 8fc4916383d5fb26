"""One thread a device: it loads a model there and works on one batch of the queue after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any

from radloom.serving.queue import Job, Queue

if TYPE_CHECKING:
    from radloom.models import Model

Observe = Callable[[str, int, float], None]
"""Called after a batch with the kind of its tasks, how many they were, and the seconds that they took together."""


class _DesertedError(Exception):
    """Nobody waits for any answer of the batch any more."""


class Worker(Thread):
    """Loads a model and works until the queue is closed; a batch that is begun is finished.

    Args:
        load: gives the model.
        queue: of jobs, shared with other workers.
        observe: told of each batch.

    Attributes:
        model: once it is loaded.
        error: why it could not be loaded.
    """

    def __init__(self, load: Callable[[], Model], queue: Queue, observe: Observe) -> None:
        super().__init__(name="radloom-worker", daemon=True)
        self.load, self.queue, self.observe = load, queue, observe
        self.model: Model | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        """The thread."""
        try:
            self.model = self.load()
        except Exception as error:
            self.error = error
            return
        while jobs := self.queue.take():
            self._work(self.model, jobs)

    def _work(self, model: Model, jobs: list[Job]) -> None:
        start = time.perf_counter()
        try:
            answers: list[Any] = jobs[0].task.run(
                model,
                [job.task for job in jobs],  # type: ignore[misc]  # a batch is of one kind
                lambda done, total: self._progress(jobs, done, total),
                (lambda texts: self._written(jobs, texts)) if any(job.tell for job in jobs) else None,
            )
        except _DesertedError as error:
            for job in jobs:
                job.future.set_exception(error)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:  # one of them is at fault; the others get what they get alone
                self._work(model, [job])
        else:
            self.observe(jobs[0].task.kind, len(jobs), time.perf_counter() - start)
            for job, answer in zip(jobs, answers, strict=True):
                job.future.set_result(answer)

    @staticmethod
    def _progress(jobs: list[Job], done: int, total: int) -> None:
        if all(job.left for job in jobs):
            raise _DesertedError
        for job in jobs:
            if job.tell and not job.left:
                job.tell("progress", {"done": done, "total": total})

    @staticmethod
    def _written(jobs: list[Job], texts: list[dict[str, Any]]) -> None:
        for job, text in zip(jobs, texts, strict=True):
            if job.tell and not job.left:
                job.tell("partial", text)
