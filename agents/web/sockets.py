"""WebSocket connections that can be given up."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from .patience import ABORT


class Socket(WebSocketsSansIOProtocol):
    """Lets whoever serves it drop a connection that takes nothing; a close would wait for what is still to be sent."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]  # a key of our own
