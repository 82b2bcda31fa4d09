"""A proxy in front of an HTTP server that can be made to fail: its answers, its speed, or all of it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Trouble = Literal["none", "500", "blackhole", "slow"]

_REPLY = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops"


class Proxy:
    """Listens on a free port of its own and passes on what it is sent.

    500        answers for the server, which hears of nothing
    blackhole  takes requests and never answers; the server hears of nothing
    slow       passes each request on after ``delay_s``, also when nobody waits any more
    """

    def __init__(self, port: int, delay_s: float) -> None:
        self.upstream, self.delay_s = port, delay_s
        self.trouble: Trouble = "none"
        self.port, self.met = 0, 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with suppress(OSError):
                await self._pass(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        replies = asyncio.create_task(self._replies(up_reader, writer))
        try:
            while request := await reader.read(1 << 20):
                trouble = self.trouble
                self.met += trouble != "none"
                if trouble == "500":
                    writer.write(_REPLY)
                    return
                if trouble == "blackhole":
                    continue
                if trouble == "slow":
                    await asyncio.sleep(self.delay_s)
                up_writer.write(request)
        finally:
            # What was passed on late is carried out, whoever is gone by then.
            if self.trouble == "slow":
                await asyncio.sleep(self.delay_s)
            replies.cancel()
            up_writer.close()

    @staticmethod
    async def _replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while reply := await reader.read(1 << 20):
                writer.write(reply)

    def run(self, ready: threading.Event) -> None:
        """Serve until ``stop``, in a thread of its own."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def stop(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)


@contextmanager
def troubled(port: int, delay_s: float) -> Iterator[Proxy]:
    """A proxy in front of a port of this machine."""
    proxy, ready = Proxy(port, delay_s), threading.Event()
    thread = threading.Thread(target=proxy.run, args=(ready,), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
