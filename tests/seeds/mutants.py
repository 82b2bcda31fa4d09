"""Making the usual wrong implementation out of our right one, and the network that tells them apart.

Every seed has one check. It passes on ours and must fail on the mutant: a check that cannot fail shows nothing.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio as aioredis

from bus.redis.bus import RedisBus
from bus.redis.server import Server, _source
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import step
from tests.servers import Fate, LiveServer, Proxy, proxied

#: Changes a bus into its mutant; ``ours`` changes nothing.
Mutation = Callable[[RedisBus], None]


def ours(bus: RedisBus) -> None:
    """The bus as it is."""


def without(script: str, text: str) -> Mutation:
    """A bus whose script has lost a part; the rest of it is our own source."""
    source = _source(script).decode()
    assert source.count(text) == 1, f"{script}.lua has changed: the mutant would be no mutant"
    changed = source.replace(text, "")

    def mutate(bus: RedisBus) -> None:
        server = bus._server
        assert isinstance(server, Server)
        server._scripts[script] = aioredis.Redis.register_script(server._commands, changed)

    return mutate


def once(fate: Fate, word: bytes) -> Callable[[bytes], Fate]:
    """The first request that holds ``word`` meets its fate; all others pass."""
    left = [fate]

    def plan(request: bytes) -> Fate:
        return left.pop() if word in request and left else Fate.PASS

    return plan


@asynccontextmanager
async def through(server: LiveServer, mutate: Mutation = ours) -> AsyncIterator[tuple[RedisBus, Proxy]]:
    """An empty bus behind a proxy, with a short time limit and its commit script known to the server."""
    async with proxied(server) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=0.3), PARTITIONS)
        mutate(bus)
        await bus._server.call("FLUSHALL")
        await bus.commit(step(1, "", "1", task="warm"))
        try:
            yield bus, proxy
        finally:
            await bus.close()
