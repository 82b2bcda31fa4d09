"""A socket to listen on, and a server that is quiet and keeps within its limits."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from contracts.errors import Unavailable

from .patience import patient

#: Requests that are answered at the same time; so many connections more may wait for a header.
CONNECTIONS = 128


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the supervisor."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: ASGIApp, header_timeout_s: float, subscribers: int = 0) -> Server:
    """A server for an application; a connection may take so long for a header.

    ``subscribers`` so many connections stay open, on top of those that come and go; with any, WebSocket is spoken.
    """
    return Server(
        uvicorn.Config(
            app,
            http=patient(header_timeout_s, 2 * CONNECTIONS + subscribers),
            ws=_socket() if subscribers else "none",
            ws_max_size=16 * 1024,
            # It would keep tens of kilobytes for each connection.
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS + subscribers,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=3,
            h11_max_incomplete_event_size=16 * 1024,
        )
    )


def _socket() -> "type[asyncio.Protocol]":
    from .sockets import Socket

    return Socket


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
