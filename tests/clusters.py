"""A real Redis Cluster and a real trio of sentinels, on ports and in folders of their own."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from bus.embedded import tie_to_parent
from tests.servers import REDIS_BINARY

#: How long a node may be silent before the others vote.
NODE_TIMEOUT_MS = 1000
NAME = "tocsin"
_SLOTS = 16384


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now.

    Those that the system hands out by itself are others (from 32,768 on, on macOS from 49,152): a port that some
    connection may get before the server listens there makes a test that fails once in a while.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(10_000, 32_768)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found += [port] * (port not in found)
    return found


def until(true: Callable[[], bool], within_s: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if true():
                return
        except redis.RedisError:
            pass
        assert time.monotonic() < deadline, f"not within {within_s} s: {true}"
        time.sleep(0.02)


class Node:
    """One process of Debian's redis-server, or of another ``binary``."""

    def __init__(self, folder: Path, port: int, *arguments: str, binary: str = REDIS_BINARY) -> None:
        self.folder, self.port, self._binary = folder, port, binary
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        binary = shutil.which(self._binary)
        assert binary
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, *self._arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=tie_to_parent(),  # noqa: PLW1509 - two system calls, nothing that a thread could hold
            )

    def ask(self, *command: str | int) -> Any:
        """The reply to a command."""
        with redis.Redis(port=self.port, protocol=2, decode_responses=True, socket_timeout=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def said(self, section: str) -> dict[str, str]:
        """What INFO says in a section."""
        return dict(line.split(":", 1) for line in self.ask("INFO", section).splitlines() if ":" in line)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; one that ends the process is waited for."""
        if self._process is not None and self.alive():
            os.kill(self._process.pid, number)
            if number == signal.SIGKILL:
                self._process.wait()


def data_node(folder: Path, port: int, *arguments: str, binary: str = REDIS_BINARY) -> Node:
    """A server that keeps a log as ours should."""
    return Node(
        folder,
        port,
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"),
        *("--maxmemory", "512mb", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
        *("--repl-backlog-size", "16mb", *arguments),
        binary=binary,
    )


class RedisCluster:
    """Three primaries, each with one replica."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(12)
        self.nodes = [
            data_node(
                folder / str(port),
                port,
                *("--cluster-enabled", "yes", "--cluster-port", str(second), "--cluster-replica-validity-factor", "0"),
                *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            )
            for port, second in zip(ports[:6], ports[6:], strict=True)
        ]
        self._seconds = dict(zip(ports[:6], ports[6:], strict=True))

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            until(lambda node=node: node.ask("PING") == "PONG")  # type: ignore[misc] # a default that binds
        primaries, replicas = self.nodes[:3], self.nodes[3:]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(primaries):
            node.ask("CLUSTER", "ADDSLOTSRANGE", _SLOTS * number // 3, _SLOTS * (number + 1) // 3 - 1)
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._seconds[self.nodes[0].port])
        for replica, primary in zip(replicas, primaries, strict=True):
            name = primary.ask("CLUSTER", "MYID")
            until(lambda replica=replica, name=name: name in replica.ask("CLUSTER", "NODES"))  # type: ignore[misc] # defaults that bind
            replica.ask("CLUSTER", "REPLICATE", name)
        self.settle()

    def settle(self) -> None:
        """Wait until everybody that lives agrees, and every primary has its replica."""
        until(lambda: all(self._settled(node) for node in self.nodes if node.alive()))

    def _settled(self, node: Node) -> bool:
        if "cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
            return False
        said = node.said("replication")
        return said["role"] == "master" or said["master_link_status"] == "up"

    def primary_of(self, partition: int) -> Node:
        """The node that holds a partition now."""
        slot = self.nodes[0].ask("CLUSTER", "KEYSLOT", f"{{{partition}}}") if self.nodes[0].alive() else None
        living = next(node for node in self.nodes if node.alive())
        slot = living.ask("CLUSTER", "KEYSLOT", f"{{{partition}}}") if slot is None else slot
        for first, last, (_, port, *_), *_ in living.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody holds partition {partition}")

    def replica_of(self, primary: Node) -> Node:
        """The node that follows a primary."""
        return next(
            node
            for node in self.nodes
            if node.alive() and node.said("replication").get("master_port") == str(primary.port)
        )

    def stop(self) -> None:
        stop(self.nodes)


class SentinelTrio:
    """A primary with a replica, and three sentinels that watch them."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(5)
        self.primary = data_node(folder / "a", ports[0])
        self.replica = data_node(folder / "b", ports[1], "--replicaof", "127.0.0.1", str(ports[0]))
        self.sentinels = [Node(folder / str(port), port, "sentinel.conf", "--sentinel") for port in ports[2:]]
        for sentinel in self.sentinels:
            (sentinel.folder / "sentinel.conf").write_text(
                f"port {sentinel.port}\nbind 127.0.0.1\ndir {sentinel.folder}\n"
                f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 2\n"
                f"sentinel down-after-milliseconds {NAME} {NODE_TIMEOUT_MS}\n"
                f"sentinel failover-timeout {NAME} 5000\n"
            )

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{node.port}" for node in self.sentinels) + f"/{NAME}"

    def start(self) -> None:
        for node in (self.primary, self.replica, *self.sentinels):
            node.start()
        until(lambda: self.replica.said("replication").get("master_link_status") == "up")
        until(lambda: all(self._ready(sentinel) for sentinel in self.sentinels))

    def _ready(self, sentinel: Node) -> bool:
        flat = sentinel.ask("SENTINEL", "MASTER", NAME)
        said = dict(zip(flat[::2], flat[1::2], strict=True))
        return (said["num-other-sentinels"], said["num-slaves"], said["flags"]) == ("2", "1", "master")

    def stop(self) -> None:
        stop([self.primary, self.replica, *self.sentinels])


def stop(nodes: Sequence[Node]) -> None:
    """End all of them; a process that stands still is ended, too."""
    for node in nodes:
        node.kill()


@contextmanager
def started(kind: type[RedisCluster] | type[SentinelTrio]) -> Iterator[Any]:
    """One of these in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-", dir="/tmp"))
    found = kind(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)
