"""What every request passes first: names, token, places, the size of its body; what is counted and logged of it.

It is the outermost part of the service, so that a request without token or place is refused before its body is read,
and no exception gets out. The log has method, route, status and time: no file name, no text, no address.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radloom.serving.names import check_names
from radloom.serving.refusals import GONE, Refusal, log, refusal

if TYPE_CHECKING:
    from radloom.serving.service import Service

OPEN = ("/", "/health", "/ready", "/docs", "/openapi.json")
"""Paths that need no token, as those below `PAGE` do not: they tell nothing of any request."""

PAGE = "/page/"
"""Files of the web page are below it."""

WORK = (
    "/v1/report",
    "/v1/image",
    "/v1/ask",
    "/v1/check",
    "/v1/saliency",
    "/v1/complete",
    "/v1/view",
    "/v1/document",
)
"""Paths whose requests take a place."""

ROUTES = (*OPEN, *WORK, "/v1/models", "/metrics")
"""Paths by which requests are counted; those below `PAGE` are `page`, any other is `other`, whatever it holds."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class Guard:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or what else the server sends."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, begun = time.perf_counter(), GONE, False

        async def watched(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        try:
            with self._admitted(scope):
                await self.app(scope, self._bounded(scope, receive), watched)
        except Exception as error:
            told = refusal(error)
            if not begun:
                await told.response()(scope, receive, watched)
        finally:
            route = _route(scope["path"])
            status = scope.get("state", {}).get("status", status)  # of a stream that ended otherwise than it began
            seconds = time.perf_counter() - start
            self.service.metrics.request(route, status, seconds)
            log.info("%s %s %d %.3f s", scope["method"], route, status, seconds)

    @contextmanager
    def _admitted(self, scope: Scope) -> Iterator[None]:
        """Within, the request is allowed and holds a place if it needs one."""
        service = self.service
        if not service.token:
            check_names(scope, service.hosts)
        elif not _is_open(scope["path"]) and not _bears(scope, service.token):
            raise Refusal(
                401,
                "unauthorized",
                "The token is missing or wrong; send `Authorization: Bearer TOKEN`.",
                {"WWW-Authenticate": "Bearer"},
            )
        scope.setdefault("state", {})["deadline"] = asyncio.get_running_loop().time() + service.limits.seconds
        if scope["path"] not in WORK or scope["method"] != "POST":
            yield
            return
        service.check_ready()
        if service.present >= service.limits.queue:
            batches = 1 + len(service.queue) / service.limits.batch
            seconds = max(1, math.ceil(batches * service.metrics.pace))
            raise Refusal(
                429,
                "queue_full",
                f"All {service.limits.queue} places are taken; try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        service.present += 1
        try:
            yield
        finally:
            service.present -= 1

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that refuses a body over the limit as soon as it is known to be."""
        limit = self.service.limits.body
        too_large = Refusal(413, "too_large", f"The request has more than {limit:,} bytes; send a smaller one.")
        stated = dict(scope["headers"]).get(b"content-length", b"")
        read = 0

        async def bounded() -> Message:
            nonlocal read
            if stated.isdigit() and int(stated) > limit:
                raise too_large
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise too_large
            return message

        return bounded


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith(PAGE)


def _route(path: str) -> str:
    """By which a request is counted."""
    if path.startswith(PAGE):
        return "page"
    return path if path in ROUTES else "other"


def _bears(scope: Scope, token: str) -> bool:
    """Whether a request bears the token, found out in a time that does not depend on how much of it is right."""
    scheme, _, sent = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
    return hmac.compare_digest(sent.strip(), token.encode()) and scheme.lower() == b"bearer"
