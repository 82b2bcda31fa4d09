"""Processes that tests of the runtime may kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


class Mortals:
    """Processes that run a processor on a server; see ``mortal``."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.integration.runtime.mortal"]
        self._nursery = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)

    def _ask(self, spec: dict[str, Any]) -> int:
        assert self._nursery.stdin
        assert self._nursery.stdout
        self._nursery.stdin.write(json.dumps(spec) + "\n")
        self._nursery.stdin.flush()
        return int(self._nursery.stdout.readline())

    def live(self, url: str, owner: str = "one", **spec: Any) -> int:
        """A whole life, until everything in the log is handled or something kills it; returns its exit code."""
        return self._ask({"url": url, "owner": owner, "drain": True, **spec})

    def start(self, url: str, owner: str = "one", **spec: Any) -> int:
        """A process that works until SIGTERM; returns its pid."""
        return self._ask({"url": url, "owner": owner, **spec})

    @staticmethod
    def end(pid: int, number: signal.Signals) -> None:
        """Send the signal, and wait until the process is gone, or waits to be buried."""
        os.kill(pid, number)
        stat, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + 60
        while stat.exists() and stat.read_text().rpartition(") ")[2][0] != "Z":
            assert time.monotonic() < deadline, f"{pid} outlived {number.name}"
            time.sleep(0.002)

    def close(self) -> None:
        self._nursery.kill()
        self._nursery.communicate()


@pytest.fixture(scope="module")
def mortals() -> Iterator[Mortals]:
    found = Mortals()
    yield found
    found.close()
