"""States of a server that pass: each is told with its cause and mend, changes nothing, and is over by itself."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from bus import keys
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.opening import open_bus
from bus.redis.server import Server
from contracts.errors import Rewound, StoreRefused, Unavailable
from contracts.settings import BusSettings, RedisSettings, Settings
from tests.certificates import certified
from tests.clusters import Node, data_node, free_ports, until
from tests.conftest import PARTITIONS, need
from tests.integration.bus.frames import STREAM, TASK, everything, frame, step
from tests.servers import LiveServer

PLACE = Place(STREAM, 0)


@contextmanager
def node(*arguments: str, folder: Path | None = None) -> Iterator[Node]:
    """A Debian server on a port, with settings of its own."""
    need("redis")
    place = folder or Path(tempfile.mkdtemp(prefix="tocsin-", dir="/tmp"))
    (port,) = free_ports(1)
    found = data_node(place / "node", port, *arguments)
    try:
        found.start()
        until(lambda: found.ask("PING") == "PONG")
        yield found
    finally:
        found.kill()
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def bus_of(live: Node | LiveServer, timeout_s: float = 1.0) -> AsyncIterator[RedisBus]:
    url = f"redis://127.0.0.1:{live.port}" if isinstance(live, Node) else live.url
    bus = RedisBus(Server(url, timeout_s=timeout_s), PARTITIONS)
    yield bus
    await bus.close()


async def refused(bus: RedisBus, says: str) -> None:
    """Every way to write is refused in our words, and nothing is written."""
    before = await everything(bus) if "LOADING" not in says and "loading" not in says else None
    with pytest.raises(Unavailable, match=says):
        await bus.commit(step(1, "1", "2", 2))
    with pytest.raises(Unavailable, match=says):
        await bus.append(PLACE, [frame(9)])
    with pytest.raises(Unavailable, match=says):
        await bus.members("task", "me", 1)
    assert before in (None, await everything(bus) if before is not None else None)


async def goes_on(bus: RedisBus) -> None:
    await bus.commit(step(1, "1", "2", 2))
    assert await everything(bus) == [1, 2]


async def test_too_few_replicas() -> None:
    with node() as live:
        async with bus_of(live) as bus:
            await bus.commit(step(1, "", "1", 1))
            live.ask("CONFIG", "SET", "min-replicas-to-write", 1)
            await refused(bus, "NOREPLICAS|min-replicas-to-write")
            live.ask("CONFIG", "SET", "min-replicas-to-write", 0)
            await goes_on(bus)


async def test_server_that_became_a_replica() -> None:
    with node() as live:
        async with bus_of(live) as bus:
            await bus.commit(step(1, "", "1", 1))
            (nobody,) = free_ports(1)
            live.ask("REPLICAOF", "127.0.0.1", nobody)
            await refused(bus, "This is a replica")
            live.ask("CONFIG", "SET", "replica-serve-stale-data", "no")
            with pytest.raises(Unavailable, match="lost its primary"):
                await bus.read({PLACE: 0}, count=10)
            live.ask("REPLICAOF", "NO", "ONE")
            await goes_on(bus)


async def test_script_that_does_not_end(server: LiveServer, redis_bus: RedisBus) -> None:
    await redis_bus.commit(step(1, "", "1", 1))
    await redis_bus._server.call("CONFIG", "SET", "busy-reply-threshold", "50")
    operator = Server(server.url, timeout_s=5)
    async with anyio.create_task_group() as group:

        async def endless() -> None:
            with pytest.raises(Exception, match="killed"):
                await operator.call("EVAL", "while true do end", 0)

        group.start_soon(endless)
        await anyio.sleep(0.3)
        async with bus_of(server) as bus:
            for write in (bus.commit(step(1, "1", "2", 2)), bus.append(PLACE, [frame(9)])):
                with pytest.raises(Unavailable, match="SCRIPT KILL"):
                    await write
            await bus._server.call("SCRIPT", "KILL")
    await goes_on(redis_bus)
    await redis_bus._server.call("CONFIG", "SET", "busy-reply-threshold", "5000")
    await operator.close()


async def test_server_that_is_loading_its_data() -> None:
    # It answers after every 1,024 commands that it has read.
    with node("--key-load-delay", "300") as live:
        async with bus_of(live) as bus:
            await bus.commit(step(1, "", "1", 1))
            await bus._server.many([("SET", f"filler:{number}", "x" * 50) for number in range(6_000)])
            live.kill()
            live.start()
            until(lambda: Path(f"/proc/{live.pid}").exists())
            said = await last_refusal(bus)
            assert "The server is loading its data" in said
            await goes_on(bus)


async def last_refusal(bus: RedisBus) -> str:
    """Ask until there is an answer; the last reason why there was none."""
    said = ""
    with anyio.fail_after(20):
        while True:
            try:
                await bus.position(0, TASK)
                return said
            except Unavailable as error:
                said = str(error)
                await anyio.sleep(0.02)


async def test_server_that_stands_still_past_the_time_limit(new_server: Callable[[str], LiveServer]) -> None:
    """What was under way is carried out when it wakes: sent again meanwhile, it is there once."""
    live = new_server("valkey")
    async with bus_of(live, timeout_s=0.3) as bus:
        await bus.commit(step(1, "", "1", 1))
        os.kill(live.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                with pytest.raises(Unavailable, match="does not answer"):
                    await bus.commit(step(1, "1", "2", 2))
        finally:
            os.kill(live.pid, signal.SIGCONT)
        await goes_on(bus)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_full_disk_refuses_writes_and_recovers_by_itself(small_disk: Path) -> None:
    with node("--auto-aof-rewrite-percentage", "0", folder=small_disk) as live:
        async with bus_of(live) as bus:
            await bus.commit(step(1, "", "1", 1))
            (small_disk / "other").write_bytes(b"x" * 1_500_000)
            said, written = await until_refused(bus)
            assert "The server cannot write to its disk" in said
            (small_disk / "other").unlink()
            with anyio.fail_after(40):
                while await until_refused(bus, most=1) != ("", 1):  # noqa: ASYNC110 - the server tries by itself
                    await anyio.sleep(0.1)
            assert len(await everything(bus)) == written + 2


async def until_refused(bus: RedisBus, most: int = 2_000) -> tuple[str, int]:
    """Append until it is refused; the refusal, and how many were not."""
    big = frame(*range(100))
    try:
        for number in range(most):
            position = await bus.position(0, TASK)
            await bus.commit(step(1, position, str(int(position) + 1), int(position)))
            await bus.append(Place("ballast", 0), [big])
            if number > 200:
                await anyio.sleep(0.01)
    except Unavailable as error:
        return str(error), int(await bus.position(0, TASK)) - 1
    return "", most


async def test_eviction_that_is_set_while_we_run_is_noticed(server: LiveServer, redis_bus: RedisBus) -> None:
    bus = await open_bus(Settings(bus=BusSettings(partitions=PARTITIONS)), server.url)
    try:
        await bus.check()
        await bus._server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        with pytest.raises(StoreRefused, match="would delete whole streams"):
            await bus.check()
    finally:
        await bus._server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await bus.close()


async def test_own_budget_counts_our_keys_alone(server: LiveServer, redis_bus: RedisBus) -> None:
    settings = Settings(bus=BusSettings(partitions=PARTITIONS, memory_mb=1))
    await redis_bus._server.call("SET", "stranger", "x" * 5_000_000)
    bus = await open_bus(settings, server.url)
    empty = await bus.fullness()
    await bus.close()
    bus = await open_bus(settings, server.url)
    await bus.append(Place("readings.acquired", 1), [frame(*range(100))] * 50)
    filled = await bus.fullness()
    await bus.close()
    assert empty < 0.05
    assert 0.2 < filled < 2.0, f"half a megabyte of one: {filled}"


async def test_log_that_went_back_is_told_to_a_reader_that_waits_at_its_end(redis_bus: RedisBus) -> None:
    """What a failover to a lagging replica leaves: a reader would wait for ordinals that were given out before."""

    async def written(first: int, last: int) -> None:
        for value in range(first, last + 1):
            await redis_bus.commit(step(1, str(value - 1 or ""), str(value), value))

    names = (keys.stream(PLACE), keys.ledger(0))
    await written(1, 3)
    before = await redis_bus._server.many([("DUMP", name) for name in names])
    await written(4, 5)
    await redis_bus.read({PLACE: 5}, count=10)
    await redis_bus.check()
    for name, data in zip(names, before, strict=True):
        await redis_bus._server.call("RESTORE", name, 0, data, "REPLACE")
    await redis_bus.read({PLACE: 5}, count=10)
    await redis_bus.check()
    with pytest.raises(Rewound, match="ends at 3, and was read to 5") as caught:
        await redis_bus.read({PLACE: 5}, count=10)
    assert (caught.value.first, caught.value.last, caught.value.partition) == (4, 5, 0)
    with pytest.raises(Rewound) as again:
        await redis_bus.fence(0, TASK, 1)
    assert (again.value.found, again.value.first, again.value.last) == ("3", 4, 5)
    assert await redis_bus.fence(0, TASK, 1) == "3", "told once"
    await redis_bus.commit(step(1, "3", "4", 44))
    assert await everything(redis_bus) == [1, 2, 3, 44]


# ---------------------------------------------------------------- TLS


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
async def test_tls_with_a_private_authority_and_none_without(tmp_path: Path) -> None:
    need("redis")
    certified(tmp_path)
    (port,) = free_ports(1)
    live = Node(
        tmp_path / "node",
        port,
        *("--port", "0", "--tls-port", str(port), "--appendonly", "yes", "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(tmp_path / "crt.pem"), "--tls-key-file", str(tmp_path / "key.pem")),
        *("--tls-ca-cert-file", str(tmp_path / "ca.crt"), "--dir", str(tmp_path / "node")),
    )
    live.start()
    try:
        known = RedisSettings(url=f"rediss://127.0.0.1:{port}", tls_ca=tmp_path / "ca.crt")
        await opened(known)
        with pytest.raises(Unavailable, match=r"redis\.tls_ca"):
            await opened(known.model_copy(update={"tls_ca": None}))
        with pytest.raises(Unavailable, match=r"redis\.tls_ca"):
            await opened(known.model_copy(update={"url": f"rediss://localhost:{port}"}))
    finally:
        live.kill()


async def opened(settings: RedisSettings) -> None:
    """Open and close, waiting for a server that is only starting."""
    assert settings.url
    deadline = time.monotonic() + 10
    while True:
        try:
            await (await open_bus(Settings(redis=settings), settings.url)).close()
            return
        except Unavailable as error:
            if "Connect call failed" not in str(error) or time.monotonic() > deadline:
                raise
            await anyio.sleep(0.05)
