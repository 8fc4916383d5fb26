"""Counts and times of the service, in the text format of Prometheus. They know kinds of requests and nothing of any."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """All metrics of one service.

    Args:
        waiting: gives how many requests wait for a worker.
        present: gives how many requests are there, be they sent, waiting or worked on.
    """

    def __init__(self, waiting: Callable[[], int], present: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("radloom_requests", "Requests.", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "radloom_request_seconds", "From a request to its answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._batches = Histogram(
            "radloom_batch_size", "Requests a batch.", ["kind"], buckets=(1, 2, 4, 8, 16, 32), registry=registry
        )
        self._batch_seconds = Histogram(
            "radloom_batch_seconds", "Time of a batch.", ["kind"], buckets=_SECONDS, registry=registry
        )
        Gauge("radloom_queue_length", "Requests that wait.", registry=registry).set_function(waiting)
        Gauge("radloom_requests_present", "Requests sent, waiting or worked on.", registry=registry).set_function(
            present
        )
        self.pace = 1.0  # seconds of a batch, the last ones counting most

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, kind: str, size: int, seconds: float) -> None:
        """Count a batch."""
        self._batches.labels(kind).observe(size)
        self._batch_seconds.labels(kind).observe(seconds)
        self.pace += 0.3 * (seconds - self.pace)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
