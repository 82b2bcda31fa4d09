"""``EventSource`` in a real browser: a page behind a proxy of its own origin that cuts its connections."""

import asyncio
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import pytest

from bus.memory import MemoryBus
from tests.apis import alerts, put, running_api, until

_PAGE = b"""<!doctype html><script>
const source = new EventSource("/api/v1/events")
let all = Promise.resolve()
const tell = text => { all = all.then(() => fetch("/seen", {method: "POST", body: text})) }
source.onopen = () => tell("open")
source.addEventListener("AlertChanged", event => tell(JSON.parse(event.data).alert))
</script>"""

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Proxy:
    """Serves the page, passes the interface through, and notes what the page says."""

    api: int
    seen: list[str] = field(default_factory=list)
    opened: int = 0
    came_back_with: list[str] = field(default_factory=list)
    streams: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /api/"):
                    await self._passed(head, writer)
                    break
                headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
                if head.startswith(b"POST /seen"):
                    self._note(body.decode())
                page = _PAGE if head.startswith(b"GET / ") else b""
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page
                )
        writer.close()

    def _note(self, said: str) -> None:
        if said == "open":
            self.opened += 1
        else:
            self.seen.append(said)

    async def _passed(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        self.came_back_with += [
            line.partition(":")[2].strip()
            for line in head.decode().split("\r\n")
            if line.lower().startswith("last-event-id")
        ]
        upstream, to_api = await asyncio.open_connection("127.0.0.1", self.api)
        to_api.write(head)
        self.streams.append(writer)
        while data := await upstream.read(65_536):
            if writer.is_closing():
                break
            writer.write(data)
        to_api.close()

    def cut(self) -> None:
        """Drop the page's connections to the interface."""
        for writer in self.streams:
            writer.transport.abort()
        self.streams.clear()


@pytest.mark.soak
async def test_a_browser_misses_nothing_and_sees_nothing_twice() -> None:
    """Over five cut connections; it brings back the id by itself."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium is installed")
    bus = MemoryBus(1)
    async with running_api(bus) as api:
        proxy = Proxy(api.port)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with tempfile.TemporaryDirectory(prefix="toc-", ignore_cleanup_errors=True) as profile:
            process = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
                [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                 f"http://127.0.0.1:{port}/"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                with anyio.fail_after(180):
                    await until(lambda: proxy.opened == 1)
                    for round_ in range(5):
                        await put(bus, alerts(round_ * 100, 50))
                        await until(lambda: len(proxy.seen) > 20 * (round_ + 1))  # noqa: B023 - awaited in this round
                        proxy.cut()
                        await put(bus, alerts(round_ * 100 + 50, 50))
                        await until(lambda: proxy.opened == round_ + 2)  # noqa: B023 - awaited in this round
                    await until(lambda: len(proxy.seen) >= 500)
            finally:
                process.kill()
                process.wait()
                server.close()
    assert proxy.seen == [f"a{n}" for n in range(500)]
    assert len(proxy.came_back_with) == 5
