"""What a local instance stands on: the embedded server, and child processes that are started again when they die."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import structlog

from agents.parts import Program
from bus.embedded import EmbeddedServer, tie_to_parent
from bus.retry import Backoff
from contracts.errors import Unavailable
from contracts.settings import Settings, child_environment

log = structlog.get_logger()

_LOOK_S = 0.1
_STOP_S = 15.0
_HEALTHY_S = 60.0


@dataclass
class Child:
    """A process of ours that runs some agents."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(0.2, 30.0))
    begun: float = 0.0
    due: float = 0.0
    restarts: int = 0
    memory_mb: int | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, tied to us: it is told to stop when we are gone, however that happened."""
        self.begun = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
            preexec_fn=_prepared(self.memory_mb),  # noqa: PLW1509 - three system calls, no lock that a thread could hold
        )

    def look(self, now: float) -> None:
        """Start it again when it died and its pause is over."""
        if self.process is not None and (code := self.process.poll()) is not None:
            if now - self.begun > _HEALTHY_S:
                self.backoff.reset()
            pause = self.backoff.pause()
            log.warning("child died", child=self.name, exit_code=code, restart_in_s=round(pause, 2))
            self.process, self.due = None, now + pause
        if self.process is None and now >= self.due:
            self.restarts += 1
            self.start()

    def stop(self, deadline: float) -> None:
        """Wait for it to end after it was told to; kill it when it does not."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("child killed: it did not stop", child=self.name)
            self.process.kill()
            self.process.wait()


class Host(AbstractContextManager["Host"]):
    """The servers and children of one data directory. Must be used from the main thread.

    ``attach``: use the embedded server of a service that runs already, where there is one.
    """

    def __init__(self, settings: Settings, *, attach: bool = False) -> None:
        self.settings = settings
        self._attached = attach
        self.server: EmbeddedServer | None = None
        self.children: list[Child] = []
        if settings.redis.url is None:
            folder = settings.data_dir / "redis"
            self.server = EmbeddedServer(folder, maxmemory_mb=settings.redis.maxmemory_mb, fsync=settings.redis.fsync)

    @property
    def url(self) -> str:
        """Where the log is."""
        if self.server is not None:
            return self.server.url
        assert self.settings.redis.url is not None  # noqa: S101 - else there is a server of our own
        return self.settings.redis.url

    @property
    def store_file(self) -> Path:
        """Remembers which log this instance wrote to."""
        return self.settings.data_dir / "store-id"

    def __enter__(self) -> Self:
        try:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"cannot use {self.settings.data_dir}: {error.strerror}") from error
        if self.server is not None:
            self._attached = self._attached and self.server.answers()
            if not self._attached:
                self.server.start()
        return self

    def spawn(self, name: str, agents: Sequence[str], config: Path, *extra: str) -> None:
        """Run some agents in a child."""
        self._child(name, config, "up", *agents, "--owner", owner_of(self.settings.data_dir, name), *extra)

    def spawn_api(self, config: Path) -> None:
        """Run the HTTP interface in a child."""
        self._child("api", config, "api", "--owner", owner_of(self.settings.data_dir, "api"))

    def _child(self, name: str, config: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "console.cli", *arguments, "--config", str(config)]
        command += ["--data-dir", str(self.settings.data_dir)]
        # By the environment: a URL may hold a password, and everybody can see command lines.
        servers = {"TOCSIN_REDIS__URL": self.url, "TOCSIN_MLFLOW__URI": self.settings.mlflow.uri or ""}
        memory_mb = self.settings.process.memory_mb
        child = Child(name, command, child_environment(servers), memory_mb=memory_mb)
        child.start()
        self.children.append(child)

    def program(self, config: Path) -> Program:
        """How parts run a command of ours on the same servers."""
        options = ["--config", str(config), "--data-dir", str(self.settings.data_dir)]
        servers = {"TOCSIN_REDIS__URL": self.url, "TOCSIN_MLFLOW__URI": self.settings.mlflow.uri or ""}
        return Program([sys.executable, "-m", "console.cli"], options, child_environment(servers))

    async def watch(self, stop: anyio.Event) -> None:
        """Start again what dies, until ``stop``."""
        while not stop.is_set():
            if self.server is not None and not self.server.alive():
                log.error("the embedded server died: it is started again")
                # In this thread, though it waits: the server is tied to the thread that starts it.
                self.server.start()
            for child in self.children:
                child.look(time.monotonic())
            with anyio.move_on_after(_LOOK_S):
                await stop.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        for child in self.children:
            child.stop(deadline)
        if self.server is not None and not self._attached:
            self.server.stop()


def _prepared(memory_mb: int | None) -> Callable[[], None] | None:
    """What a child does before it becomes one of ours: it gets its limit, and dies when we die."""
    tie = tie_to_parent()
    if memory_mb is None:
        return tie
    import resource

    most = memory_mb << 20

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        if tie is not None:
            tie()

    return prepare


def owner_of(data_dir: Path, slot: str) -> str:
    """The name of a supervised process, the same in its next life: it takes its own leases back at once.

    Only for processes of which a supervisor runs one at a time.
    """
    place = blake2b(str(data_dir.absolute()).encode(), digest_size=4).hexdigest()
    return f"{socket.gethostname()}/{place}/{slot}"


def fresh_owner() -> str:
    """The name of a process that nobody supervises."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
