"""Who asks, and whether they may ask anything at all; what of it they may do is decided by ``Admission``."""

from collections.abc import Iterable
from urllib.parse import quote, urlsplit

import structlog
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.web.guard import turn_away
from agents.web.refusal import Refused, refusal
from contracts.errors import Unavailable

from .access import Access, Identity
from .caller import CALLER
from .headers import STATIC

SIGN_IN = "/sign-in"
_API = "/api/"
_MOST_URL = 8_192


class Gate:
    """Finds out who asks: ``scope`` then has ``caller`` (None: nobody in particular), ``identity`` and ``csrf``.

    ``free`` is what everybody may ask for, as method and path; ``streams`` are the paths of what does not end.
    """

    def __init__(self, app: ASGIApp, access: Access, free: Iterable[tuple[str, str]], streams: Iterable[str]) -> None:
        self._app, self._access = app, access
        self._free = frozenset({*free, ("GET", SIGN_IN)})
        self._streams = frozenset(streams)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["caller"], scope["identity"], scope["csrf"] = None, None, ""
        connection = HTTPConnection(scope)
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _MOST_URL:
            too_long = Refused(414, f"the address has over {_MOST_URL:,} characters", "ask for less at once")
            await turn_away(too_long, scope, receive, send, self._access.drain_bytes)
        elif scope["path"].startswith(STATIC):
            await self._app(scope, receive, send)
        else:
            await self._asked(connection, receive, send)

    async def _asked(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        scope, access = connection.scope, self._access
        try:
            identity = access.identity(connection)
            access.limit(connection, identity, stream=scope["path"] in self._streams)
        except Refused as refused:
            await self._refused(refused, connection, receive, send)
        except Unavailable as error:
            await turn_away(_down(error), scope, receive, send, access.drain_bytes)
        else:
            if identity is not None:
                await self._known(identity, connection, receive, send)
            elif (scope.get("method", "").replace("HEAD", "GET"), scope["path"]) in self._free:
                await self._app(scope, receive, send)
            elif scope["type"] == "http" and not scope["path"].startswith(_API):
                await _to_sign_in(connection)(scope, receive, send)
            else:
                missing = Refused(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")
                await turn_away(missing, scope, receive, send, access.drain_bytes)

    async def _known(self, identity: Identity, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        scope, caller = connection.scope, identity.caller
        scope["caller"], scope["identity"] = caller, identity
        scope["csrf"] = identity.session.csrf if identity.session is not None else ""
        before = CALLER.set(caller)
        try:
            with structlog.contextvars.bound_contextvars(by=caller.name):
                if scope["path"] in self._streams:
                    await self._access.watch.serve(self._app, self._access.lasting(identity), scope, receive, send)
                else:
                    await self._app(scope, receive, send)
        finally:
            CALLER.reset(before)

    async def _refused(self, refused: Refused, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        """Tell of it: somebody tried to come in."""
        if refused.status == 401 or refused.kind == "rate":
            try:
                await self._access.audit.tell(connection, "sign-in", refused.status)
            except Unavailable as error:
                refused = _down(error)
        await turn_away(refused, connection.scope, receive, send, self._access.drain_bytes)


def _down(error: Unavailable) -> Refused:
    return Refused(503, str(error.args[0]), error.mend or "try again later", "store down")


def _to_sign_in(connection: HTTPConnection) -> Response:
    """The page where tokens are shown, and the way back from there."""
    headers, scope = connection.headers, connection.scope
    if "hx-request" not in headers:
        back = connection.url.path + (f"?{connection.url.query}" if connection.url.query else "")
        return RedirectResponse(sign_in_at(back), 303)
    # A part of a page is not where to sign in: htmx takes the whole page there.
    at = urlsplit(headers.get("hx-current-url", ""))
    answer = refusal(Refused(401, "the session has ended", "sign in again"))
    answer.headers["HX-Redirect"] = sign_in_at(at.path + (f"?{at.query}" if at.query else "") or scope["path"])
    return answer


def sign_in_at(back: str) -> str:
    """The address of the page where tokens are shown, which then leads back."""
    return SIGN_IN if back in ("", "/") else f"{SIGN_IN}?next={quote(local(back), safe='/')}"


def local(path: str) -> str:
    """A path of ours as it was given; the first view for anything that could lead elsewhere."""
    # Browsers read a backslash as a slash, and drop tabs and line ends.
    if not path.startswith("/") or path[1:2] in ("/", "\\") or not path.isprintable():
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else path
