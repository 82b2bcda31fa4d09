"""Processes that deliver, and may be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from bus.redis.bus import RedisBus
from tests.conftest import Servers, emptied
from tests.servers import LiveServer

ROOT = Path(__file__).parents[3]


class Postmen:
    """Starts processes that deliver."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.integration.delivery.worker"]
        self._nursery = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)
        self._started: list[int] = []

    def start(self, url: str, owner: str, folder: Path, specs: dict[str, Any], **settings: Any) -> int:
        assert self._nursery.stdin
        assert self._nursery.stdout
        self._nursery.stdin.write(json.dumps([url, owner, str(folder), specs, settings]) + "\n")
        self._nursery.stdin.flush()
        self._started.append(int(self._nursery.stdout.readline()))
        return self._started[-1]

    def end(self) -> None:
        """Kill all that were started."""
        for pid in self._started:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        self._started.clear()

    def close(self) -> None:
        self.end()
        self._nursery.kill()
        self._nursery.communicate()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Postmen]:
    made = Postmen()
    yield made
    made.close()


@pytest.fixture
def postmen(nursery: Postmen) -> Iterator[Postmen]:
    """They are gone after each test."""
    yield nursery
    nursery.end()


@pytest.fixture
def live(servers: Servers) -> LiveServer:
    """One kind of server is enough: what differs between them is in the tests of the bus."""
    return servers.get("valkey")


@pytest.fixture
async def log_(live: LiveServer) -> AsyncIterator[RedisBus]:
    bus = await emptied(live)
    # One partition is enough here.
    bus.partitions = 1
    yield bus
    await bus.close()
