"""Server-Sent Events: many subscribers of one process on one core, and one that keeps losing its connection.

Run it with ``python -m bench.sse``. A real ``tocsin api`` is pinned to one core; the log and the clients have the
others. A delay is from just before an event is appended to the log until its bytes were read by a client; all clients
live in one process of Python, so part of each delay is theirs. Memory is what the resident set of the process grew by,
divided by the subscribers that came.
"""

import argparse
import asyncio
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from bus.redis import open_bus
from contracts.events import AlertChanged
from contracts.frames import encode
from contracts.identity import home_of
from contracts.settings import Settings

from .listening import wait_for

_LAST = re.compile(rb'"last":(\d+)')
_ID = re.compile(rb'"id":"([0-9a-f]{32})"')
_SSE_ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


def alert(number: int) -> AlertChanged:
    now = time.time_ns()
    return AlertChanged.of(
        cause="bench", time=now, asset=f"pump-{number % 50}", discriminator=str(number), alert=f"a{number}", key="k",
        kind="anomaly", change="opened", state="open", severity="warning", labels={"asset": f"pump-{number % 50}"},
        summary="vibration is far above its usual range", began=now, last=now, findings=1, finding="f", latest="f",
    )  # fmt: skip


@dataclass
class Log:
    """The log that is written to."""

    bus: Bus
    written: int = 0

    async def write(self, count: int) -> None:
        place = Place(AlertChanged.stream, home_of("signals", self.bus.partitions))
        events = [alert(self.written + number) for number in range(count)]
        self.written += count
        await self.bus.append(place, list(encode(events, "bench")))


@dataclass
class Reader(asyncio.Protocol):
    """A client that only looks at the times in what it is sent."""

    delays: list[float]
    request: bytes
    seen: int = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.time_ns()
        for found in _LAST.findall(data):
            self.seen += 1
            self.delays.append((now - int(found)) / 1e6)


@dataclass
class Cut(asyncio.Protocol):
    """A client that keeps ids, and comes back with the last position after its connection was cut."""

    port: int
    most: int
    ids: list[bytes] = field(default_factory=list)
    position: bytes = b""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _data: bytes = b""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._data = transport, b""
        header = b"Last-Event-ID: %b\r\n" % self.position if self.position else b""
        transport.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % header)

    def data_received(self, data: bytes) -> None:
        *blocks, self._data = (self._data + data).split(b"\n\n")
        for block in blocks:
            if found := _SSE_ID.search(block):
                self.position = found[1]
            if b"data: " in block:
                self.ids += _ID.findall(block.partition(b"data: ")[2])[:1]
            if len(self.ids) >= self.most:
                # In the middle of what came: the rest of it has to come again.
                self._transport.abort()
                self.done.set()
                return


def memory_kb(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


async def until(what: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "too slow"
        await asyncio.sleep(0.02)


async def subscribed(port: int, many: int, delays: list[float]) -> list[Reader]:
    request = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    loop, readers = asyncio.get_running_loop(), list[Reader]()
    for _ in range(many):
        _, reader = await loop.create_connection(lambda: Reader(delays, request), "127.0.0.1", port)
        readers.append(reader)
    return readers


async def fan_out(log: Log, port: int, pid: int, many: int, events: int, rate: float) -> None:
    delays: list[float] = []
    one = await subscribed(port, 1, delays)
    while not one[0].seen:
        await log.write(1)
        await asyncio.sleep(0.1)
    before = memory_kb(pid)
    readers = await subscribed(port, many - 1, delays)
    # All are there when all were told of the same event.
    while any(not reader.seen for reader in readers):
        await log.write(1)
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    idle = memory_kb(pid)
    delays.clear()
    start, cpu = time.monotonic(), cpu_s(pid)
    begun = [reader.seen for reader in readers]
    for number in range(events):
        await log.write(1)
        await asyncio.sleep(max(0.0, start + (number + 1) / rate - time.monotonic()))
    await until(lambda: all(reader.seen - first >= events for reader, first in zip(readers, begun, strict=True)))
    took = time.monotonic() - start
    p50, p99 = np.percentile(delays, [50, 99])
    print(
        f"{many} subscribers, {events} events at {rate:g}/s: {len(delays):,} delivered in {took:.1f} s, "
        f"delay p50 {p50:.0f} ms, p99 {p99:.0f} ms, worst {max(delays):.0f} ms; "
        f"{(cpu_s(pid) - cpu) / took:.0%} of its core"
    )
    print(
        f"memory: {before / 1024:.0f} MB with one, {idle / 1024:.0f} MB with {many}: "
        f"{(idle - before) / max(1, many - 1):.1f} kB each; {memory_kb(pid) / 1024:.0f} MB at the end"
    )
    for reader in readers:
        reader.transport.abort()
    assert all(reader.seen - first == events for reader, first in zip(readers, begun, strict=True)), "missed or doubled"


def cpu_s(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


async def cut_off(log: Log, port: int, events: int, cuts: int) -> None:
    loop, client = asyncio.get_running_loop(), Cut(port, 0)
    await loop.create_connection(lambda: client, "127.0.0.1", port)
    await until(lambda: client.position)
    client._transport.abort()
    writing = asyncio.create_task(written(log, events))
    for cut in range(1, cuts + 2):
        client.most = events * cut // (cuts + 1)
        client.done = asyncio.Event()
        await loop.create_connection(lambda: client, "127.0.0.1", port)
        await asyncio.wait_for(client.done.wait(), 120)
    await writing
    missed, doubled = events - len(set(client.ids)), len(client.ids) - len(set(client.ids))
    print(f"{cuts} cut connections over {events:,} events: {missed} missed, {doubled} doubled")
    assert not missed
    assert not doubled


async def written(log: Log, events: int) -> None:
    for _ in range(events // 20):
        await log.write(20)
        await asyncio.sleep(0)


async def measured(said: argparse.Namespace, server: EmbeddedServer, port: int, pid: int) -> None:
    settings = Settings(data_dir=Path(said.folder))
    bus = await open_bus(settings, server.url)
    try:
        log = Log(bus)
        await fan_out(log, port, pid, said.subscribers, said.events, said.rate)
        await cut_off(log, port, 10_000, 5)
    finally:
        await bus.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5.0)
    said = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, said.subscribers + 500)), hard))
    with tempfile.TemporaryDirectory(prefix="toc-") as folder, socket.create_server(("127.0.0.1", 0)) as free:
        said.folder, port = folder, free.getsockname()[1]
        free.close()
        server = EmbeddedServer(Path(folder) / "redis", maxmemory_mb=512, fsync="everysec")
        server.start()
        asyncio.run(opened(folder, server.url))
        environment = {**os.environ, "TOCSIN_API__PORT": str(port), "TOCSIN_REDIS__URL": server.url}
        command = [sys.executable, "-m", "console.cli", "api", "--data-dir", folder]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(process.pid, cores[:1])
            os.sched_setaffinity(0, cores[1:] or cores)
            wait_for(port)
            asyncio.run(measured(said, server, port, process.pid))
        finally:
            process.terminate()
            process.wait()
            server.stop()


async def opened(folder: str, url: str) -> None:
    """The log is made before somebody serves it."""
    await (await open_bus(Settings(data_dir=Path(folder)), url)).close()


if __name__ == "__main__":
    main()
