"""What waits for the model, and which of it is worked on together.

Jobs are taken in the order in which they came. With the oldest go, up to the size of a batch, all others of its group:
the same kind of task with the same settings of sampling. While there is room, the oldest waits a moment for more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition
from typing import Any

from radloom.serving.answers import Answer
from radloom.serving.tasks import Task

Tell = Callable[[str, dict[str, Any]], None]
"""Called with the name and the data of an event, from the worker's thread."""


class ClosedError(Exception):
    """The queue takes no more jobs, and what waited in it is not worked on."""


class Job:
    """A task in the queue.

    Attributes:
        task: what is to be done.
        tell: told how it goes, if anybody wants to know.
        future: its answer.
        left: nobody waits for it any more.
        arrived: when it came, by `time.monotonic`.
    """

    def __init__(self, task: Task, tell: Tell | None = None) -> None:
        self.task, self.tell = task, tell
        self.future: Future[Answer] = Future()
        self.left = False
        self.arrived = time.monotonic()

    def leave(self) -> None:
        """Wait for it no more: it is never begun, and a batch in which nobody waits for any is given up."""
        self.left = True
        self.future.cancel()


class Queue:
    """Jobs in the order in which they came, for any number of workers.

    Args:
        batch: reports, drawings, answers or completions that are made together, at most.
        wait: seconds that the oldest job waits for others.
    """

    def __init__(self, batch: int, wait: float) -> None:
        self.batch, self.wait = batch, wait
        self.closed = False
        self._jobs: deque[Job] = deque()
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Job) -> None:
        """Add a job.

        Raises:
            ClosedError: none are taken any more.
        """
        with self._changed:
            if self.closed:
                raise ClosedError
            self._jobs.append(job)
            self._changed.notify_all()

    def take(self) -> list[Job]:
        """The next batch, waited for; empty once the queue is closed."""
        with self._changed:
            while not self.closed:
                self._jobs = deque(job for job in self._jobs if not job.left)
                if not self._jobs:
                    self._changed.wait()
                    continue
                remaining = self._jobs[0].arrived + self.wait - time.monotonic()
                if remaining > 0 and sum(job.task.size for job in self._together()) < self.batch:
                    self._changed.wait(remaining)
                    continue
                chosen = self._together()
                self._jobs = deque(job for job in self._jobs if job not in chosen)
                if begun := [job for job in chosen if job.future.set_running_or_notify_cancel()]:
                    return begun
            return []

    def close(self) -> None:
        """Take no more, and give up what waits."""
        with self._changed:
            self.closed = True
            for job in self._jobs:
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(ClosedError())
            self._jobs.clear()
            self._changed.notify_all()

    def _together(self) -> list[Job]:
        """The oldest job and those of its group that go with it."""
        chosen, size = [self._jobs[0]], self._jobs[0].task.size
        for job in list(self._jobs)[1:]:
            if job.task.group == chosen[0].task.group and size + job.task.size <= self.batch:
                chosen.append(job)
                size += job.task.size
        return chosen
