"""Who may speak at all: checked before anything of a request is read."""

import hmac
import re
from typing import NamedTuple, Protocol

from pydantic import SecretStr
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from .body import drained
from .refusal import Refused, refusal


class Guarded(Protocol):
    """The settings of something that listens."""

    @property
    def host(self) -> str: ...

    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...

    @property
    def max_body_bytes(self) -> int: ...


#: What a Host header may be: a name or an address, and perhaps a port. Nothing else that a URL could have there.
_NETLOC = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?", re.ASCII)


class Address(NamedTuple):
    """``host`` in small letters, without a dot at its end; ``port`` None: the usual one."""

    host: str
    port: int | None = None


class Guard:
    """Turns away whoever may not speak.

    The Host header is checked against rebound names, and the headers Origin and Sec-Fetch-Site against pages of other
    sites that a browser on this machine shows. With a ``token`` everybody must show it.
    """

    def __init__(self, app: ASGIApp, settings: Guarded, token: SecretStr | None = None) -> None:
        self._app = app
        self._allowed = frozenset(map(str.lower, settings.allowed_hosts))
        self._hosts = {"localhost", "127.0.0.1", "::1", settings.host.lower(), *self._allowed}
        self._token = token
        self._drain_bytes = settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPConnection(scope)
        refused = self._refused(request)
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await turn_away(refused, scope, receive, send, self._drain_bytes)

    def _refused(self, request: HTTPConnection) -> Refused | None:
        here, origin = address(request.headers.get("host", "")), request.headers.get("origin")
        if here is None or here.host not in self._hosts:
            return Refused(421, "this is not the host that was asked for", "add the name to allowed_hosts")
        if origin is not None and not self._own(origin, here):
            return Refused(403, "pages of other sites may not send requests", "add the site to allowed_hosts")
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _link(request):
            return Refused(403, "pages of other sites may not send requests", "open the page itself")
        if self._token is None:
            return None
        given = request.headers.get("authorization", "").encode()
        if hmac.compare_digest(given, b"Bearer " + self._token.get_secret_value().encode()):
            return None
        return Refused(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")

    def _own(self, origin: str, here: Address) -> bool:
        """Whether a page is ours; another port of this host is another page.

        Browsers send cookies to it all the same, and with WebSocket nothing but the Origin. A proxy may have an address
        and a port of its own, whose name is allowed then.
        """
        scheme, _, rest = origin.partition("://")
        page = address(rest) if scheme in ("http", "https") else None
        if page is None or page == here:
            return page is not None
        return page.host in self._allowed and (page.host != here.host or None in (page.port, here.port))


async def turn_away(refused: Refused, scope: Scope, receive: Receive, send: Send, drain_bytes: int) -> None:
    """Answer with a refusal; of what is being sent so much is read, so that the sender sees it."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(refusal(refused))
    else:
        await drained(Request(scope, receive), drain_bytes)
        await refusal(refused)(scope, receive, send)


def _link(request: HTTPConnection) -> bool:
    """Whether somebody followed a link to here, as from a mail."""
    headers = request.headers
    navigates = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return navigates and request.scope.get("method") == "GET"


def address(text: str) -> Address | None:
    """What a Host header says; None where it says anything else."""
    found = _NETLOC.fullmatch(text)
    if found is None:
        return None
    host, port = found.groups()
    return Address(host.strip("[]").rstrip(".").lower(), int(port) if port else None)
