"""``tocsin api``: many subscribers, and a process that dies under them."""

import socket

import anyio
import pytest

from bus.redis import open_bus
from contracts.settings import BusSettings, Settings
from tests.apis import Client, alerts, put
from tests.clusters import free_ports
from tests.conftest import PARTITIONS, Servers, emptied

from .commands import folder, start, wait_for

SUBSCRIBERS, EVENTS = 50, 2_000


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


async def followed(client: Client, seen: list[str]) -> None:
    """Read everything, coming back after each lost connection."""
    while len(seen) < EVENTS:
        try:
            async with client:
                while len(seen) < EVENTS:
                    seen.append((await client.event())[1]["id"])
        except (OSError, EOFError):
            await anyio.sleep(0.1)


@pytest.mark.timeout(240)
async def test_fifty_subscribers_miss_nothing_when_the_process_is_killed(servers: Servers) -> None:
    """Nor is anything doubled: the next process goes on at the position of each."""
    live = servers.get("valkey")
    await (await emptied(live)).close()
    (port,) = free_ports(1)
    with folder() as base:
        settings = Settings(data_dir=base, bus=BusSettings(partitions=PARTITIONS))
        bus = await open_bus(settings, live.url)
        await put(bus, alerts(0, 1))
        config = base / "tocsin.yaml"
        config.write_text(f"api: {{port: {port}}}\nbus: {{partitions: {PARTITIONS}}}\n")
        command = ("api", "--config", config, "--redis", live.url, "--data-dir", base)
        process = start(*command)
        await anyio.to_thread.run_sync(wait_for, lambda: listens(port) or process.poll() is not None, 90)
        clients = [Client(port) for _ in range(SUBSCRIBERS)]
        seen: list[list[str]] = [[] for _ in clients]
        for client in clients:
            async with client:
                await client.block()
        async with anyio.create_task_group() as group:
            for client, own in zip(clients, seen, strict=True):
                group.start_soon(followed, client, own)
            for first in range(0, EVENTS, 100):
                await put(bus, alerts(first + 1, 100), first // 100 % PARTITIONS)
                if first == EVENTS // 2:
                    process.kill()
                    process.communicate()
                    process = start(*command)
        process.terminate()
        _, said = process.communicate()
        await bus.close()
    assert [(len(own), len(set(own))) for own in seen] == [(EVENTS, EVENTS)] * SUBSCRIBERS
    assert "Traceback" not in said
    assert process.returncode == 0
