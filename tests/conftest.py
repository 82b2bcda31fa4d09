"""Servers and buses for every test that asks for them.

Open anyio task groups inside a test, never around the ``yield`` of a fixture: the two run in different tasks.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest

from bus.memory import MemoryBus
from bus.protocol import Bus
from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from tests.clusters import RedisCluster, SentinelTrio, started
from tests.integration.mlflow_stores import MlflowServer, served
from tests.servers import KINDS, LiveServer, installed, running

PARTITIONS = 4

# A slow machine is no fault of what is tested.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def need(kind: str) -> None:
    """Skip without the server on a laptop; in CI a missing server is a mistake."""
    if not installed(kind):
        if os.environ.get("CI"):
            pytest.fail(f"CI has no {kind} server: install redis-server")
        pytest.skip(f"no {kind} server is installed")


@dataclass
class Servers:
    """The servers of this session, started when first asked for."""

    stack: ExitStack
    started: dict[str, LiveServer] = field(default_factory=dict)
    _cluster: RedisCluster | None = None

    @property
    def cluster(self) -> RedisCluster:
        """The one that no test may harm."""
        need("redis")
        if self._cluster is None:
            self._cluster = self.stack.enter_context(started(RedisCluster))
        return self._cluster

    def get(self, kind: str) -> LiveServer:
        need(kind)
        if kind not in self.started:
            self.started[kind] = self.stack.enter_context(running(kind))
        return self.started[kind]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture
def new_server() -> Iterator[Callable[[str], LiveServer]]:
    """Starts a server that this test may kill; gone after it."""
    with ExitStack() as stack:

        def start(kind: str = "valkey") -> LiveServer:
            need(kind)
            return stack.enter_context(running(kind))

        yield start


@pytest.fixture(params=sorted(KINDS, reverse=True))
def server(request: pytest.FixtureRequest, servers: Servers) -> LiveServer:
    """Each kind of real server; what is in it is gone before the test."""
    return servers.get(request.param)


@pytest.fixture
async def redis_bus(server: LiveServer) -> AsyncIterator[RedisBus]:
    """The Redis bus on each kind of server, empty."""
    bus = await emptied(server)
    yield bus
    await bus.close()


@pytest.fixture
def new_cluster() -> Iterator[RedisCluster]:
    """A cluster whose nodes this test may kill."""
    need("redis")
    with started(RedisCluster) as cluster:
        yield cluster


@pytest.fixture
def new_trio() -> Iterator[SentinelTrio]:
    """A primary, its replica and three sentinels, which this test may kill."""
    need("redis")
    with started(SentinelTrio) as trio:
        yield trio


@pytest.fixture(params=["memory", *sorted(KINDS, reverse=True), "cluster"])
async def bus(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Bus]:
    """Every implementation of the bus, empty."""
    if request.param == "memory":
        yield MemoryBus(PARTITIONS)
        return
    live = servers.cluster if request.param == "cluster" else servers.get(request.param)
    found = await emptied(live)
    yield found
    await found.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a migrated MLflow store is or will be, to be copied: migrating one takes seconds."""
    return tmp_path_factory.getbasetemp() / "mlflow-template"


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[MlflowServer]:
    """An MLflow server that many tests use, each with names of its own; it may be stopped, and has to go on."""
    with served(tmp_path_factory.mktemp("mlflow"), template) as running:
        yield running


async def emptied(live: LiveServer | RedisCluster) -> RedisBus:
    """A bus on the server, after everything in it was deleted."""
    bus = RedisBus(connect(live.url), PARTITIONS)
    await bus._server.each("FLUSHALL")
    return bus
