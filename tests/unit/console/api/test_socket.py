"""Events by WebSocket: the same as by Server-Sent Events, with the same guard."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bus.memory import MemoryBus
from tests.apis import RunningApi, alerts, put, running_api, until


def reached(api: RunningApi, query: str = "", host: str = "localhost", **headers: str) -> Any:
    url = f"ws://{host}/api/v1/events/ws{query}"
    return connect(url, additional_headers=headers, proxy=None, host="127.0.0.1", port=api.port)


async def told(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next messages that are events."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        message = json.loads(await socket.recv())
        if message["event"] != "tocsin.position":
            found.append(message)
    return found


@pytest.mark.parametrize("hello", [False, True])
async def test_a_cut_connection_goes_on_where_it_was(hello: bool) -> None:
    """The position stands in the address, or in the first message."""
    bus, seen, last = MemoryBus(2), list[str](), ""
    async with running_api(bus) as api:
        for round_ in range(5):
            query = "?hello" if hello else f"?last_event_id={last}"
            async with reached(api, query) as socket:
                if hello:
                    await socket.send(json.dumps({"last_event_id": last}))
                last = last or json.loads(await socket.recv())["id"]
                await put(bus, alerts(round_ * 10, 10), round_ % 2)
                some = await told(socket, 7 if round_ < 4 else 50 - len(seen))
                seen += [message["data"]["id"] for message in some]
                last = some[-1]["id"]
                socket.transport.abort()
    assert len(set(seen)) == len(seen) == 50


async def test_the_first_message_is_a_position() -> None:
    """So that nothing is missed by whoever loses the connection at once."""
    async with running_api(MemoryBus(1)) as api, reached(api) as socket:
        first = json.loads(await socket.recv())
    assert (first["event"], first["data"], bool(first["id"])) == ("tocsin.position", None, True)


async def test_strangers_are_turned_away_before_the_handshake() -> None:
    """By the same rules as everywhere: a page of another site opens WebSockets without asking."""
    async with running_api(MemoryBus(1), token="t", subscribers=1) as api:
        told_: list[int] = []
        good = {"Authorization": "Bearer t"}
        for query, host, headers in (
            ("", "localhost", {}),
            ("", "localhost", {**good, "Origin": "https://evil.example"}),
            ("", "evil.example", good),
            ("?types=Nothing", "localhost", good),
            ("?last_event_id=x", "localhost", good),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await reached(api, query, host, **headers)
            told_.append(refused.value.response.status_code)
        assert told_ == [401, 403, 421, 422, 400]
        async with reached(api, **good):
            with pytest.raises(InvalidStatus) as refused:
                await reached(api, **good)
            assert refused.value.response.status_code == 503


@pytest.mark.parametrize("first", ["rubbish", '{"last_event_id": 5}', "[]", '{"last_event_id": "x"}', "x" * 20_000])
async def test_a_first_message_that_is_none_ends_it(first: str) -> None:
    """With the reason."""
    async with running_api(MemoryBus(1)) as api:
        async with reached(api, "?hello") as socket:
            await socket.send(first)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code in (1008, 1009)
        await until(lambda: not api.application.hub.size)
