"""Clients that read nothing, send nothing, or never end what they send: they cost little, and nobody else notices."""

import asyncio
import socket
from typing import Any

import pytest

from bus.memory import MemoryBus
from console.api.streaming import subscription
from tests.apis import Client, RunningApi, alerts, put, running_api, until

_REQUEST = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def silent(api: RunningApi) -> socket.socket:
    """A subscriber that takes nothing: its buffers are soon full."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", api.port))
    client.sendall(_REQUEST)
    return client


def waiting(api: RunningApi) -> int:
    """Bytes that wait in this process to be taken by clients."""
    found: Any = api.serving.server_state.connections
    return max(int(each.transport.get_write_buffer_size()) for each in found)


async def test_a_subscriber_that_reads_nothing_holds_little_and_delays_nobody() -> None:
    """What it has not taken stays in the log."""
    bus = MemoryBus(1)
    async with running_api(bus) as api, Client(api.port) as quick:
        client = silent(api)
        await until(lambda: api.application.hub.size == 2)
        text, most = "x" * 4_000, 0
        for n in range(0, 4_000, 200):
            await put(bus, alerts(n, 200, detail=text))
            await quick.events(200)
            most = max(most, waiting(api))
        client.close()
    assert 0 < most < 3 * subscription._CHUNK


async def test_a_connection_that_takes_nothing_for_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing it in order would wait for what it does not take; the others stay."""
    monkeypatch.setattr(subscription, "STUCK_S", 2.0)
    bus = MemoryBus(1)
    async with running_api(bus) as api, Client(api.port) as quick:
        client = silent(api)
        await until(lambda: api.application.hub.size == 2)
        for n in range(0, 4_000, 200):
            await put(bus, alerts(n, 200, detail="x" * 4_000))
            await quick.events(200)
        await until(lambda: api.application.hub.size == 1)
        await until(lambda: len(api.serving.server_state.connections) == 1)
        await put(bus, alerts(9_000, 1))
        assert (await quick.event())[1]["alert"] == "a9000"
        client.close()


async def test_a_sign_of_life_moves_the_position_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also past events that were not wanted: whoever comes back need not read them again."""
    monkeypatch.setattr(subscription, "BEAT_S", 0.2)
    bus = MemoryBus(1)
    async with running_api(bus) as api, Client(api.port, "?severity=critical") as client:
        first = await client.block()
        await put(bus, alerts(0, 50))
        moved = await client.block()
        while moved["id"] == first["id"]:
            moved = await client.block()
        assert "data" not in moved
        async with Client(api.port, last=moved["id"]) as second:
            await second.block()
            await put(bus, alerts(50, 1))
            assert (await second.event())[1]["alert"] == "a50"


async def test_a_header_that_never_ends_is_not_waited_for() -> None:
    """Bytes that trickle in do not prolong it."""
    async with running_api(MemoryBus(1), header_timeout_s=1.0) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b"X")
            await asyncio.wait([ended], timeout=0.05)
        writer.close()
        # A subscriber has sent its header: nothing is taken from it.
        async with Client(api.port) as client:
            await client.block()
            await asyncio.sleep(1.4)
            assert api.application.hub.size == 1


async def test_idle_connections_have_an_end() -> None:
    """More than can be served are turned away before their header is read."""
    async with running_api(MemoryBus(1), subscribers=1, header_timeout_s=100) as api:
        most = 2 * 128 + 1
        idle = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(most)]
        await until(lambda: len(api.serving.server_state.connections) == most)
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in answer
        writer.close()
        for _, each in idle:
            each.transport.abort()
        await until(lambda: not api.serving.server_state.connections)
        async with Client(api.port) as client:
            assert client.status == 200
