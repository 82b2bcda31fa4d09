"""Real servers for tests, and a proxy that loses, holds and delays what passes between them and us."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from bus.embedded import EmbeddedServer, tie_to_parent

#: Debian's server; without one its tests are skipped, but not in CI.
REDIS_BINARY = "redis-server"


class LiveServer(Protocol):
    """A server that a test may kill and start again."""

    socket: Path

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int: ...

    def alive(self) -> bool: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class DebianRedis:
    """Debian's redis-server below ``folder``, on a unix socket only, set up as the embedded one is."""

    def __init__(self, folder: Path, fsync: str = "everysec") -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self._options = [
            *("--port", "0", "--dir", str(folder), "--save", "", "--appendonly", "yes", "--appendfsync", fsync),
            *("--maxmemory", "512mb", "--maxmemory-policy", "noeviction", "--unixsocket", str(self.socket)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        binary = shutil.which(REDIS_BINARY)
        assert binary, f"{REDIS_BINARY} is not installed"
        self._process = subprocess.Popen(
            [binary, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=tie_to_parent(),  # noqa: PLW1509 - two system calls, nothing that a thread could hold
        )
        deadline = time.monotonic() + 20
        while not _listens(self.socket):
            assert self._process.poll() is None, "redis-server ended at its start"
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None


def _listens(path: Path) -> bool:
    """Whether somebody takes connections: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def kill(server: LiveServer) -> None:
    """End the server as a power cut would, and wait until it is gone."""
    os.kill(server.pid, signal.SIGKILL)
    while server.alive():
        time.sleep(0.005)


KINDS: dict[str, Callable[[Path], LiveServer]] = {"valkey": EmbeddedServer, "redis": DebianRedis}


def installed(kind: str) -> bool:
    """Whether the server can be started here."""
    return kind == "valkey" or shutil.which(REDIS_BINARY) is not None


@contextmanager
def running(kind: str) -> Iterator[LiveServer]:
    """A server in a folder of its own, whose socket path is short enough for the kernel."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-", dir="/tmp"))
    server = KINDS[kind](folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Fate(Enum):
    """What happens to one request on its way to the server."""

    PASS = auto()
    LOSE_REPLY = auto()
    """It is carried out, and the connection ends before the reply."""
    HOLD = auto()
    """It waits in the network until ``release``, also when the sender has long given up."""
    SWALLOW = auto()
    """Neither request nor reply arrive anywhere, and nobody hears of it."""


def always(request: bytes) -> Fate:
    """The plan of a network without faults."""
    return Fate.PASS


class Proxy:
    """Stands between clients and a server; ``plan`` decides what happens to each request."""

    def __init__(self, upstream: Path, socket: Path) -> None:
        self.upstream, self.socket = upstream, socket
        self.plan: Callable[[bytes], Fate] = always
        self.delay_s = 0.0
        self.held = asyncio.Event()
        self.delivered = asyncio.Event()
        self._gate = asyncio.Event()
        self._links: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def release(self) -> None:
        """Let everything go on that was held."""
        self._gate.set()

    def cut(self) -> None:
        """End all connections at once."""
        for writer in self._links:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(self.upstream))
        except OSError:
            writer.close()
            return
        link = _Link(writer)
        self._links.add(writer)
        replies = asyncio.create_task(link.replies(up_reader))
        try:
            while request := await reader.read(1 << 20):
                await self._forward(request, link, up_writer)
        except OSError:
            pass
        finally:
            self._links.discard(writer)
            if up_writer.can_write_eof() and not up_writer.transport.is_closing():
                up_writer.write_eof()
            await replies
            up_writer.close()
            writer.close()

    async def _forward(self, request: bytes, link: "_Link", up_writer: asyncio.StreamWriter) -> None:
        fate = self.plan(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if fate is Fate.SWALLOW:
            return
        if fate is Fate.HOLD:
            self.held.set()
            await self._gate.wait()
            link.answered = self.delivered
        link.lose = fate is Fate.LOSE_REPLY
        up_writer.write(request)
        await up_writer.drain()


class _Link:
    """One connection through the proxy."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.lose = False
        self.answered: asyncio.Event | None = None

    async def replies(self, reader: asyncio.StreamReader) -> None:
        try:
            while reply := await reader.read(1 << 20):
                if self.answered is not None:
                    self.answered.set()
                if self.lose:
                    self.writer.transport.abort()
                elif not self.writer.transport.is_closing():
                    self.writer.write(reply)
        except OSError:
            pass
        self.writer.close()


@asynccontextmanager
async def proxied(server: LiveServer) -> AsyncIterator[Proxy]:
    """A proxy in front of the server, on a socket beside the server's."""
    proxy = Proxy(server.socket, server.socket.with_name("proxy.sock"))
    running_links: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running_links.add(task)
        try:
            await proxy.serve(reader, writer)
        finally:
            running_links.discard(task)

    listener = await asyncio.start_unix_server(serve, str(proxy.socket))
    try:
        yield proxy
    finally:
        listener.close()
        proxy.release()
        proxy.cut()
        if running_links:
            await asyncio.wait(set(running_links), timeout=5)
        proxy.socket.unlink(missing_ok=True)
