"""The service without HTTP: its settings, its queue, its workers and how they are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from radloom import models
from radloom.model_folder import model_name
from radloom.serving.limits import Limits
from radloom.serving.metrics import Metrics
from radloom.serving.queue import Job, Queue, Tell
from radloom.serving.refusals import Refusal
from radloom.serving.tasks import Task
from radloom.serving.worker import Worker

READERS = 2
"""Pictures that are decoded at once: a large one takes hundreds of megabytes until it has the model's size."""


class Service:
    """A model on one device or several, and what waits for it.

    Args:
        model: name of a model inside the package, or the folder of one.
        devices: one worker each.
        limits: what is taken.
        token: that requests must bear; `""` for none.
        hosts: names by which browsers may reach it without a token, besides `localhost` and addresses in numbers.

    Attributes:
        queue: of what waits.
        workers: one a device.
        readers: threads that decode pictures.
        present: requests that hold a place.
    """

    def __init__(
        self,
        model: str = "nano",
        devices: Sequence[str] = ("cpu",),
        limits: Limits | None = None,
        token: str = "",
        hosts: Sequence[str] = (),
    ) -> None:
        self.name, self.limits, self.token = model_name(model), limits or Limits(), token
        self.hosts = [host.lower() for host in hosts]
        self.queue = Queue(self.limits.batch, self.limits.wait)
        self.present = 0
        self.metrics = Metrics(self.queue.__len__, lambda: self.present)
        self.workers = [
            Worker(partial(models.load, model, device=device), self.queue, self.metrics.batch) for device in devices
        ]
        self.readers = ThreadPoolExecutor(READERS, "radloom-reader")

    @property
    def error(self) -> Exception | None:
        """Why a worker could not load its model."""
        return next((worker.error for worker in self.workers if worker.error), None)

    @property
    def loaded(self) -> bool:
        """Whether every worker has its model."""
        return all(worker.model is not None for worker in self.workers)

    @property
    def model(self) -> models.Model:
        """The first worker's model, to be looked at; only workers work with models.

        Raises:
            Refusal: it is not loaded yet, or the service is being stopped.
        """
        self.check_ready()
        assert self.workers[0].model is not None
        return self.workers[0].model

    def check_ready(self) -> None:
        """Pass once every worker has its model.

        Raises:
            Refusal: it is not loaded yet, or the service is being stopped.
        """
        if self.queue.closed:
            raise Refusal(503, "closing", "The service is being stopped; try again later.", {"Retry-After": "30"})
        if not self.loaded:
            raise Refusal(503, "loading", "The model is being loaded; try again in a moment.", {"Retry-After": "2"})

    def submit(self, task: Task, tell: Tell | None = None) -> Job:
        """Put a task into the queue.

        Raises:
            ClosedError: the service is being stopped.
        """
        job = Job(task, tell)
        self.queue.put(job)
        return job

    def start(self) -> None:
        """Load the model, in the background."""
        for worker in self.workers:
            worker.start()

    def close(self) -> None:
        """Refuse what comes and what waits; what is worked on goes on."""
        self.queue.close()

    def join(self) -> None:
        """After `close`, wait until nothing is worked on."""
        for worker in self.workers:
            if worker.is_alive():
                worker.join()
        self.readers.shutdown(cancel_futures=True)
