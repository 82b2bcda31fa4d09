"""What the log of a fleet is kept on, and how it is killed: one embedded server, or a cluster."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bus.embedded import EmbeddedServer
from tests.clusters import Node, RedisCluster, until
from tests.servers import kill

#: How long a killed primary stays away: its replica takes over after a second and a vote, or does not.
AWAY_S = (0.1, 4.0)
PRIMARIES = 3


class Backend(Protocol):
    """Where the log is."""

    url: str
    replicas: int
    """So many must have a commit before it counts."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self, chance: random.Random) -> None:
        """End a server at once, and start it again from its files; returns when all is as it was."""
        ...

    def pause(self, chance: random.Random, seconds: float) -> None:
        """Let a server stand still for a while; returns when all is as it was."""
        ...


class One:
    """The embedded server; what it confirms is on its disk."""

    replicas = 0

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedServer(folder / "redis", fsync="always")
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._server.pid, signal.SIGCONT)
        self._server.stop()

    def kill(self, chance: random.Random) -> None:
        kill(self._server)
        self._server.start()

    def pause(self, chance: random.Random, seconds: float) -> None:
        os.kill(self._server.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self._server.pid, signal.SIGCONT)


class Several:
    """Three primaries with a replica each; what they confirm is on both."""

    replicas = 1

    def __init__(self, folder: Path) -> None:
        self._cluster = RedisCluster(folder / "cluster")
        self.url = self._cluster.url

    def start(self) -> None:
        self._cluster.start()
        self._whole()

    def stop(self) -> None:
        self._cluster.stop()

    def kill(self, chance: random.Random) -> None:
        node = chance.choice(self._primaries())
        node.kill()
        time.sleep(chance.uniform(*AWAY_S))
        node.start()
        self._whole()

    def pause(self, chance: random.Random, seconds: float) -> None:
        node = chance.choice(self._primaries())
        node.kill(signal.SIGSTOP)
        time.sleep(seconds)
        node.kill(signal.SIGCONT)
        self._whole()

    def _whole(self) -> None:
        """Wait until every primary has its replica: another death before would be two at once."""
        until(lambda: len(self._primaries()) == PRIMARIES)
        self._cluster.settle()

    def _primaries(self) -> list[Node]:
        """The primaries whose replica has everything."""
        said = [(node, node.said("replication")) for node in self._cluster.nodes]
        return [node for node, about in said if about["role"] == "master" and "state=online" in about.get("slave0", "")]


BACKENDS: dict[str, type[One] | type[Several]] = {"valkey": One, "cluster": Several}
