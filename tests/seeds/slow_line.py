"""A slow line to a server, and publishers in processes of their own, which can be killed in the middle of an upload."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

OURS = """
import sys
from pathlib import Path
from models.cache import BundleCache
from models.registry import Registry
from models.tracking import Store, connect
folder, url, digest, name = sys.argv[1:]
Registry(connect(Store(url), timeout_s=240), BundleCache(Path(folder)), "tocsin").publish(digest, name)
"""

#: As most do it: the version and the alias first, so that the files can be found, and then the files.
USUAL = """
import sys
from pathlib import Path
from models.tracking import Store, connect
folder, url, digest, name = sys.argv[1:]
tracking = connect(Store(url), timeout_s=240)
client = tracking.client
run = client.create_run(tracking.experiment("tocsin"))
client.create_registered_model(name)
version = client.create_model_version(name, f"{run.info.artifact_uri}/bundle", run.info.run_id, await_creation_for=0)
assert version.status == "READY"
client.set_registered_model_alias(name, "production", version.version)
client.log_artifacts(run.info.run_id, str(Path(folder) / "bundles" / digest), "bundle")
"""


def publisher(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A publisher that runs."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE)


class SlowLine:
    """Lets so many bytes per second through to a server; ``passed`` counts them."""

    def __init__(self, upstream: int, rate: int) -> None:
        self.upstream, self.rate, self.passed, self.port = upstream, rate, 0, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        await asyncio.gather(
            self._pass(reader, up_writer, self.rate), self._pass(up_reader, writer, 0), return_exceptions=True
        )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int) -> None:
        try:
            while data := await reader.read(16_384):
                writer.write(data)
                await writer.drain()
                if rate:
                    self.passed += len(data)
                    await asyncio.sleep(len(data) / rate)
        finally:
            writer.close()


@contextmanager
def slow_line(upstream: int, rate: int) -> Iterator[SlowLine]:
    """A slow line that runs in a thread."""
    line, loop = SlowLine(upstream, rate), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(line.serve, "127.0.0.1", 0))
    line.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()
