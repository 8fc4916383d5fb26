"""Listening: one process, one event loop, uvicorn."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from radloom.errors import RadloomError
from radloom.services import logging_to_stderr
from radloom.serving.app import create_app
from radloom.serving.service import Service

HEADER_SECONDS = 20.0
"""How long a connection may take to send the head of a request, and stay open before it sends one."""

CONNECTIONS = 500
"""How many are open at a time; a further one is closed at once. Each takes a file descriptor, of 1,024 usually."""


class Connection(H11Protocol):
    """Uvicorn's, which would wait for ever for the head of a request and takes any number of connections."""

    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called with a new connection."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.close()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Called with what was sent."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:  # the head is not whole yet
            self._wait()
        else:
            self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when it is closed."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.late is None:
            self.late = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None


class Server(uvicorn.Server):
    """Uvicorn that refuses new work as soon as it is told to stop, and stops when no model can be loaded."""

    def __init__(self, service: Service) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(service),
                lifespan="on",
                http=Connection,
                log_config=None,
                access_log=False,  # it would write addresses and queries; `guard` logs what may be logged
                server_header=False,
                timeout_graceful_shutdown=int(service.limits.seconds) + 1,
            )
        )
        self.service, self.told = service, False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as the end of serving, not of the process, which has something to say then."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True stops."""
        if not self.told and self.service.loaded:
            self.told = True
            print(f"radloom: {self.service.name} is loaded and answers", file=sys.stderr)
        return await super().on_tick(counter) or self.service.error is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called when it stops, before connections are waited for."""
        self.service.close()
        await super().shutdown(sockets)


def serve(service: Service, listener: socket.socket) -> None:
    """Answer requests until the process is told to stop; what is worked on then is finished, unless it is told twice.

    Raises:
        Exception: why the model could not be loaded.
    """
    with logging_to_stderr("radloom.serving", ["pydicom", "PIL"]):
        server = Server(service)
        server.run(sockets=[listener])
    if service.error:
        raise service.error
    if server.force_exit:  # told twice: what is worked on is given up, in threads that Python would wait for
        print("radloom: stopped at once", file=sys.stderr, flush=True)
        os._exit(130)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        RadloomError: the address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RadloomError(f"Cannot listen on {host}, port {port} ({reason}); choose others.") from None
