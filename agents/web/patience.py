"""HTTP connections that do not wait for ever: uvicorn has no limit on how long a header may take."""

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: In the scope of a request: a function that drops the connection with all that was not taken.
ABORT = "tocsin.abort"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Patient(H11Protocol):
    """Closes a connection whose next request has no whole header after so many seconds."""

    seconds: ClassVar[float]
    most: ClassVar[int]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn hands in this kind
        super().connection_made(transport)
        if len(self.connections) > self.most:
            # Before its header is read: what waits for headers costs memory and file descriptors, too.
            transport.write(_FULL)
            transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.scope is not None:
            # The task that serves it has not begun yet; it may have to give up a connection that takes nothing.
            self.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]  # a key of our own
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._timer is None:
            # Bytes that trickle in do not start it again.
            self._timer = self.loop.call_later(self.seconds, self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def patient(seconds: float, most: int) -> type[H11Protocol]:
    """The protocol with these limits: of time for a header, and of connections."""
    return type("Patient", (Patient,), {"seconds": seconds, "most": most})
