"""Errors over HTTP: a status and `{"error": {"code": ..., "message": ...}}` with one plain sentence."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from radloom.errors import ImageError, RadloomError, ReportError
from radloom.services import place
from radloom.serving.queue import ClosedError

log = logging.getLogger("radloom.serving")

GONE = 499
"""Status in counts and log of a request whose client left before the answer; nginx's number for it."""

_KNOWN = {
    404: ("not_found", "There is nothing at this address; /docs says what there is."),
    405: ("method_not_allowed", "This address takes another method; /docs says which."),
}


class Refusal(HTTPException):
    """A request that gets no answer.

    Attributes:
        code: the same for every refusal of this kind, for programs.
        detail: what is wrong and what to do, for people.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, " ".join(message.split()), headers)
        self.code = code

    def content(self) -> dict[str, Any]:
        """What is sent."""
        return {"error": {"code": self.code, "message": self.detail}}

    def response(self) -> JSONResponse:
        """The same as a response."""
        return JSONResponse(self.content(), self.status_code, headers=self.headers)


def refusal(error: BaseException) -> Refusal:
    """How an exception is told to the client. What is no fault of the request is logged, without its text."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ClosedError):
        return Refusal(503, "closing", "The service is being stopped; try again later.", {"Retry-After": "30"})
    if isinstance(error, ImageError):
        return Refusal(422, "invalid_image", str(error))
    if isinstance(error, ReportError):
        return Refusal(422, "invalid_text", str(error))
    if isinstance(error, RadloomError):
        return Refusal(422, "invalid_request", str(error))
    if isinstance(error, RequestValidationError):
        return Refusal(422, "invalid_request", " ".join(map(_complaint, error.errors())))
    if isinstance(error, HTTPException):
        code, message = _KNOWN.get(error.status_code, ("bad_request", error.detail))
        return Refusal(error.status_code, code, message, error.headers)
    log.error(place(error))
    return Refusal(500, "internal", "Something went wrong inside the service; its log says where.")


def _complaint(error: Mapping[str, Any]) -> str:
    """`n: Input should be less than or equal to 4.`, without what was sent."""
    field = error["loc"][-1] if error["loc"] else "request"
    if "UploadFile" in error["msg"]:
        return f"{field} is text and no file; send the file itself, with curl as {field}=@FILE."
    return f"{field}: {error['msg']}."
