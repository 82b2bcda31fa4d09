"""``/api/v1/events/ws``: the same events by WebSocket, as JSON: ``id``, ``event``, ``data``."""

import asyncio
import json
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from agents.web.patience import ABORT
from agents.web.refusal import Refused, refusal
from contracts.errors import TocsinError
from contracts.strictjson import loads

from .hub import Hub
from .sse import full
from .subscription import Ended, Subscription
from .wish import wished

#: Closing codes: RFC 6455, 7.4.1.
_RESTART, _POLICY, _INTERNAL = 1012, 1008, 1011
_HELLO_S = 10.0


class Json:
    """The shape of messages."""

    def message(self, name: str, kind: str, data: bytes) -> bytes:
        # One line each: what comes at once goes out as one message less often than it is cut into lines.
        return b'{"id":%b,"event":"%b","data":%b}\n' % (json.dumps(name).encode(), kind.encode(), data)


class EventSocket:
    """The endpoint."""

    def __init__(self, hub: Hub, most: int) -> None:
        self._hub, self._most = hub, most

    async def serve(self, socket: WebSocket) -> None:
        """Refusals before the handshake are answers of HTTP; behind it the connection is closed with a reason."""
        query = socket.query_params
        begun = "hello" not in query
        try:
            wish = wished({name: query.getlist(name) for name in query})
            if self._hub.size >= self._most:
                raise full(self._most)
            subscription = Subscription(self._hub, wish, Json(), socket.scope.get(ABORT, lambda: None))
            if begun:
                await subscription.begin(query.get("last_event_id", ""))
        except Refused as refused:
            await socket.send_denial_response(refusal(refused))
            return
        try:
            await socket.accept()
            if begun or await _greeted(socket, subscription):
                await self._serve(socket, subscription)
        except WebSocketDisconnect:
            pass
        finally:
            subscription.leave()

    async def _serve(self, socket: WebSocket, subscription: Subscription) -> None:
        gone = asyncio.create_task(_gone(socket, subscription))
        code, why = _RESTART, ""
        try:
            with suppress(WebSocketDisconnect):
                chunk = b""
                while True:
                    subscription.sending(True)
                    for line in (chunk or self._sign(subscription)).decode().split("\n")[:-1]:
                        await socket.send_text(line)
                    subscription.sending(False)
                    chunk = await subscription.next()
        except Ended as ended:
            why = str(ended)
        except TocsinError as error:
            code, why = _INTERNAL, str(error)
        finally:
            gone.cancel()
        if socket.client_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await socket.close(code, why[:120])

    @staticmethod
    def _sign(subscription: Subscription) -> bytes:
        """A sign of life: the position, at the beginning and where nothing else comes for long."""
        return subscription.shape.message(subscription.position, "tocsin.position", b"null")


async def _greeted(socket: WebSocket, subscription: Subscription) -> bool:
    """With ``hello`` the first message says the position, which may be too long for an address."""
    try:
        async with asyncio.timeout(_HELLO_S):
            said = loads((await socket.receive_text()).encode())
        if not isinstance(said, dict) or not isinstance(position := said.get("last_event_id", ""), str):
            raise ValueError
        await subscription.begin(position)
    except Refused as refused:
        await socket.close(_RESTART if refused.status == 503 else _POLICY, refused.error[:120])
    except (TimeoutError, ValueError, KeyError):
        await socket.close(_POLICY, 'send {"last_event_id": "..."} first')
    else:
        return True
    return False


async def _gone(socket: WebSocket, subscription: Subscription) -> None:
    """Wait until the connection is closed; whatever else comes in is passed by."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    subscription.end("the connection was closed")
