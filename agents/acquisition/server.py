"""The HTTP side of the push source: who may speak, how much, and what they are told."""

import asyncio
import hmac
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import Unavailable

from . import lineprotocol, pushed
from .cells import note
from .entries import Entry, Refused
from .intake import Answer, Intake
from .patience import patient
from .times import TimeReader

if TYPE_CHECKING:
    from .http import HttpPush

RETRY_AFTER_S = 1
_MAX_KEY = 256
_DRAIN_S = 5.0
_LARGE = 64 * 1024
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

Parse = Callable[[Request, bytes], Sequence[Entry]]


class Api:
    """The routes of the push source."""

    def __init__(self, source: "HttpPush", intake: Intake, clock: Callable[[], int]) -> None:
        self._source = source
        self._intake = intake
        self._clock = clock
        self._times = TimeReader(source.zone, source.fold, source.time_unit)

    def app(self) -> ASGIApp:
        """The application, behind its guard."""
        routes = [
            Route("/api/v1/readings", self.readings, methods=["POST"]),
            Route("/api/v1/write", self.write, methods=["POST"]),
        ]
        return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _not_here}), self._source)

    async def readings(self, request: Request) -> Response:
        """JSON: one reading, a list, or columns."""
        return await self._take(
            request, lambda _, body: pushed.entries_of(body, self._times, self._source.units), empty=200
        )

    async def write(self, request: Request) -> Response:
        """Influx line protocol."""
        return await self._take(request, self._lines, empty=204)

    def _lines(self, request: Request, body: bytes) -> Sequence[Entry]:
        word = request.query_params.get("precision", "ns")
        if word not in lineprotocol.PRECISIONS:
            raise Refused(400, f"no such precision: {note(word)!r}", "use ns, us, ms or s")
        manner = lineprotocol.Manner(self._source.asset_tags, self._source.channel_from)
        found = lineprotocol.entries_of(body, lineprotocol.PRECISIONS[word], manner, self._clock())
        if not found:
            raise Refused(422, "there is no line in the body", "send for example: pump,asset=p1 temperature=21.5")
        return found

    async def _take(self, request: Request, parse: Parse, empty: int) -> Response:
        try:
            key = request.headers.get("idempotency-key", "")
            if len(key) > _MAX_KEY:
                raise Refused(400, f"the Idempotency-Key has over {_MAX_KEY} characters", "use a UUID")
            async with asyncio.timeout(self._source.body_timeout_s):
                body = await self._body(request)
            if len(body) > _LARGE:
                # Others live on this loop as well, and some of them have to be punctual.
                entries = await asyncio.to_thread(parse, request, body)
            else:
                entries = parse(request, body)
            content = request.url.path.encode() + request.url.query.encode() + b"\n" + body
            answer, repeated = await self._intake.submit(entries, key, content, self._source.settle_timeout_s)
        except Refused as refused:
            return _refusal(refused)
        except ClientDisconnect:
            return _refusal(Refused(400, "the connection was closed within the body", "send again"))
        except TimeoutError:
            return _refusal(Refused(408, "the body took too long", "send smaller requests"))
        return _answer(answer, repeated, empty)

    async def _body(self, request: Request) -> bytes:
        limit = self._source.max_body_bytes
        refused = Refused(413, f"the body has over {limit:,} bytes", "send smaller requests")
        declared = request.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > limit:
            await _drained(request, 8 * limit)
            raise refused
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            # Too much is read on, up to a point, but not kept.
            if size <= limit:
                parts.append(part)
            elif size > 8 * limit:
                break
        if size > limit:
            raise refused
        coding = request.headers.get("content-encoding", "identity").lower()
        if coding == "identity":
            return b"".join(parts)
        if coding != "gzip":
            raise Refused(415, f"cannot read the encoding {note(coding)!r}", "send gzip or nothing")
        return _inflated(b"".join(parts), self._source.max_inflated_bytes)


class Guard:
    """Turns away whoever may not speak, before anything of the request is read.

    The Host header is checked against rebound names, and the Origin header against pages of other sites that a
    browser on this machine shows.
    """

    def __init__(self, app: ASGIApp, source: "HttpPush") -> None:
        self._app = app
        self._hosts = {"localhost", "127.0.0.1", "::1", source.host.lower(), *map(str.lower, source.allowed_hosts)}
        self._token = source.token
        self._drain_bytes = source.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        refused = self._refused(request)
        if refused is None:
            await self._app(scope, receive, send)
            return
        await _drained(request, self._drain_bytes)
        await _refusal(refused)(scope, receive, send)

    def _refused(self, request: Request) -> Refused | None:
        if _host(f"//{request.headers.get('host', '')}") not in self._hosts:
            return Refused(421, "this is not the host that was asked for", "add the name to allowed_hosts")
        origin = request.headers.get("origin")
        if origin is not None and _host(origin) not in self._hosts:
            return Refused(403, "pages of other sites may not send readings", "add the site to allowed_hosts")
        if self._token is None:
            return None
        given = request.headers.get("authorization", "").encode()
        if hmac.compare_digest(given, b"Bearer " + self._token.get_secret_value().encode()):
            return None
        return Refused(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the supervisor."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: ASGIApp, header_timeout_s: float) -> Server:
    """A server that is quiet and keeps within its limits."""
    return Server(
        uvicorn.Config(
            app,
            http=patient(header_timeout_s),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=128,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=3,
            h11_max_incomplete_event_size=16 * 1024,
        )
    )


def listening(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Unavailable when there is none to be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.setblocking(False)
        except BaseException:
            found.close()
            raise
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror or error}", mend="set another host or port"
        ) from error
    return found


async def _drained(request: Request, limit: int) -> None:
    """Read on without keeping anything, up to a point: who is cut off while sending never sees the answer."""
    size = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_S):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    return


def _inflated(data: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        out = inflate.decompress(data, limit + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not gzip: {error}", "send it again") from error
    if len(out) > limit:
        raise Refused(413, f"the body inflates to over {limit:,} bytes", "send smaller requests")
    if not inflate.eof or inflate.unused_data:
        raise Refused(400, "the gzip body is cut, or something follows it", "send it again")
    return out


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


async def _not_here(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _refusal(Refused(status, "nothing is here", "POST to /api/v1/readings or /api/v1/write"))


def _refusal(refused: Refused) -> Response:
    headers = dict(_HEADERS)
    if refused.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refused.status in (401, 403, 408, 413, 421):
        # What is left of the body is not read.
        headers["Connection"] = "close"
    return JSONResponse({"error": refused.error, "mend": refused.mend}, refused.status, headers)


def _answer(answer: Answer, repeated: bool, empty: int) -> Response:
    if empty == 204 and not answer.rejected and not repeated:
        return Response(status_code=204, headers=_HEADERS)
    body = {
        "accepted": answer.accepted,
        "rejected": answer.rejected,
        "rejections": answer.rejections,
        "repeated": repeated,
    }
    return JSONResponse(body, 200, _HEADERS)
