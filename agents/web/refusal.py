"""A request that is turned away, and what its sender is told."""

from math import ceil

from starlette.responses import JSONResponse, Response

RETRY_AFTER_S = 1
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Refused(Exception):
    """A request of which nothing was taken; ``retry_after_s`` says when to come again."""

    def __init__(self, status: int, error: str, mend: str, kind: str = "", *, retry_after_s: float = 0.0) -> None:
        super().__init__(error)
        self.status, self.error, self.mend, self.kind = status, error, mend, kind
        self.retry_after_s = retry_after_s


def refusal(refused: Refused) -> Response:
    """The answer, as JSON: ``error``, ``mend``, and ``kind`` where the sender may have to tell causes apart."""
    headers = dict(HEADERS)
    if refused.status in (429, 503):
        headers["Retry-After"] = str(max(RETRY_AFTER_S, ceil(refused.retry_after_s)))
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refused.status in (401, 403, 408, 413, 414, 421, 429):
        # What is left of the body is not read.
        headers["Connection"] = "close"
    body = {"error": refused.error, "mend": refused.mend}
    if refused.kind:
        body["kind"] = refused.kind
    return JSONResponse(body, refused.status, headers)
