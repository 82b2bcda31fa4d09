"""WebSocket connections that can be given up."""

from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from .patience import ABORT

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class Socket(WebSocketsSansIOProtocol):
    """Lets whoever serves it drop a connection that takes nothing; a close would wait for what is still to be sent."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]  # a key of our own

    async def send(self, message: "ASGISendEvent") -> None:
        await super().send(message)
        if self.close_sent:
            # A refusal ends the handshake, too: the server would log each as an error of ours.
            self.handshake_complete = True
