"""Errors of the page, in words and with what mends them; programs are told the same as JSON."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agents.web.refusal import Refused, refusal
from contracts.errors import TocsinError

from ..api.answering import refused_as
from .page import Page

log = structlog.get_logger()

#: What mends it, for programs and for people.
_SEE, _CHOOSE = "see /api/v1/openapi.json", "choose a view above"
#: What stands above the error.
_TITLES = {
    401: "Sign in first",
    403: "This is not for you",
    404: "This is not here",
    405: "This is not here",
    409: "This cannot be done as things are",
    422: "This cannot be looked up",
    429: "Too much at once",
    503: "Something that is needed is not there",
}


class Problems:
    """The error handlers of the application."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def handlers(self) -> Mapping[Any, Callable[..., Any]]:
        """By the error that is handled."""
        return dict.fromkeys((HTTPException, Refused, TocsinError, Exception), self.answered)

    async def answered(self, request: Request, error: Exception) -> Response:
        """The error as whoever asked can read it."""
        refused = _refused(error)
        if refused.status == 500:
            log.error("request failed", path=request.url.path, cause=f"{type(error).__name__}: {error}")
        if request.url.path.startswith("/api/"):
            return refusal(refused)
        about = {
            "title": _TITLES.get(refused.status, "Something went wrong"),
            "error": refused.error,
            "mend": _CHOOSE if refused.mend == _SEE else refused.mend,
            "status": refused.status,
        }
        return self._page.html(request, "problem.html", about, refused.status)


def _refused(error: Exception) -> Refused:
    if isinstance(error, HTTPException):
        what = "this method is not for this path" if error.status_code == 405 else "nothing is here"
        return Refused(error.status_code, what, _SEE)
    # A ValueError that nobody caught is no fault of whoever asked.
    known = refused_as(error) if isinstance(error, (Refused, TocsinError)) else None
    return known or Refused(500, "this is a fault of Tocsin", "the log of the service says more; please report it")
