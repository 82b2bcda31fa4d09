"""Workers and their server: started, killed, paused, and started again."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from types import TracebackType
from typing import Self

from .backends import BACKENDS, Backend

ROOT = Path(__file__).parents[2]
PAUSE_S = 0.004
#: What runs in one process together.
PROCESSES = {
    "source": ["plant"],
    "pass": ["passing"],
    "count": ["counter"],
    "tell": ["teller", "recorder"],
    "post": ["post"],
}


@dataclass(frozen=True)
class Scene:
    """What a round is played on."""

    server: str = "valkey"
    """``valkey``: one embedded server; ``cluster``: three primaries with their replicas."""
    archive: bool = False
    """The log is archived in small segments and trimmed at once."""
    broken: str = ""
    lease_s: float = 0.6
    """Short: a round has to be over in seconds."""
    members: str = "ab"
    """Everything runs twice, so that partitions have somewhere to go."""
    calm: bool = False
    """The network loses nothing."""


class Nursery:
    """The process that workers are forked from; one for all rounds."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.worker"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)

    def start(self, order: dict[str, object]) -> int:
        """Start a worker; returns its process id."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class Worker:
    """One slot of the fleet."""

    slot: str
    owner: str
    pid: int = 0
    lives: int = 0
    busy: bool = False
    """A disturbance is at work on it."""

    @property
    def alive(self) -> bool:
        return self.pid > 0 and Path(f"/proc/{self.pid}").exists()

    @property
    def peak_mb(self) -> int:
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) // 1024
        return 0


class Fleet:
    """All workers of one round and their server, below a folder of their own."""

    def __init__(self, nursery: Nursery, chance: random.Random, scene: Scene, *, pause_s: float = PAUSE_S) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
        self.scene = scene
        self.server: Backend = BACKENDS[scene.server](self.folder)
        slots = [f"{name}-{letter}" for name in PROCESSES for letter in scene.members]
        self.workers = {slot: Worker(slot, slot) for slot in slots}
        self._nursery, self._chance, self._pause_s = nursery, chance, pause_s

    def start(self, worker: Worker, *, renamed: bool = False) -> None:
        """Start a worker; ``renamed``: not as the same member in its next life, but as a new one."""
        worker.lives += 1
        if renamed:
            worker.owner = f"{worker.slot}-{worker.lives}"
        order = {
            "folder": str(self.folder),
            "url": self.server.url,
            "owner": worker.owner,
            "agents": PROCESSES[worker.slot.partition("-")[0]],
            "seed": self._chance.randrange(1 << 30),
            "pause_s": self._pause_s,
            "broken": self.scene.broken,
            "replicas": self.server.replicas,
            "archive": self.scene.archive,
            "lease_s": self.scene.lease_s,
            "calm": self.scene.calm,
        }
        worker.pid = self._nursery.start(order)

    def send(self, workers: Sequence[Worker], number: signal.Signals) -> None:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    def end(self, workers: Sequence[Worker], number: signal.Signals, within_s: float = 10) -> list[str]:
        """Send the signal and wait; returns the slots that did not go."""
        self.send(workers, number)
        deadline = time.monotonic() + within_s
        while any(worker.alive for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.005)
        return [worker.slot for worker in workers if worker.alive]

    def __enter__(self) -> Self:
        self.server.start()
        for worker in self.workers.values():
            self.start(worker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(list(self.workers.values()), signal.SIGKILL)
        self.server.stop()

    def forget(self) -> None:
        """Delete the folder: nobody needs to look at it."""
        shutil.rmtree(self.folder, ignore_errors=True)
