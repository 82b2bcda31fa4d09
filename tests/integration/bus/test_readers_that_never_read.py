"""Clients that ask for much and never read: the server cuts them off, and everybody else is served on."""

import socket
import time
from collections.abc import Callable

import anyio
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import NotificationDue
from contracts.frames import encode
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import TASK, everything, step
from tests.servers import LiveServer

ENTRIES = 32
#: Together more than the limit of an embedded server for one client.
REQUESTS = 12


def large(number: int) -> NotificationDue:
    return NotificationDue.of(
        cause=f"c{number}", time=number, asset="a", subject="s", body="x" * 1_000_000, severity="info", finding="f",
        key=f"k{number}",
    )  # fmt: skip


def deaf(path: str, key: str) -> socket.socket:
    """Asks for the whole stream again and again, and never reads."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.sendall(f"XRANGE {key} - +\r\n".encode() * REQUESTS)
    return client


async def said(bus: RedisBus, section: str, name: str) -> int:
    text = (await bus._server.call("INFO", section)).decode()
    return int(dict(line.split(":", 1) for line in text.splitlines() if ":" in line)[name])


async def cut_off(bus: RedisBus, readers: int) -> None:
    with anyio.fail_after(30):
        while await said(bus, "stats", "client_output_buffer_limit_disconnections") < readers:  # noqa: ASYNC110 - theirs
            await anyio.sleep(0.02)


@pytest.mark.parametrize("readers", [1, pytest.param(4, marks=pytest.mark.soak)])
async def test_they_are_cut_off_and_commits_go_on(readers: int, new_server: Callable[[str], LiveServer]) -> None:
    server = new_server("valkey")
    bus = RedisBus(Server(server.url), PARTITIONS)
    place = Place(NotificationDue.stream, 0)
    for number in range(ENTRIES):
        await bus.append(place, list(encode([large(number)], "w")))
    await bus.commit(step(1, "", "1", 1))
    clients = [deaf(str(server.socket), f"tocsin:{{0}}:{place.stream}") for _ in range(readers)]
    began = time.monotonic()
    for number in range(2, 12):
        await bus.commit(step(1, str(number - 1), str(number), number, task=TASK))
    await cut_off(bus, readers)
    assert time.monotonic() - began < 30
    assert await everything(bus) == list(range(1, 12))
    assert await said(bus, "memory", "used_memory") < 200 << 20
    for client in clients:
        client.close()
    await bus.close()
