"""A request that was given up stays in the network, its sender tries again and goes on; then the old one arrives and
is applied a second time. A fencing token does not help, because it is the token of the present owner.
"""

import anyio
import pytest

from contracts.errors import Unavailable
from tests.integration.bus.frames import TASK, everything, step
from tests.seeds.mutants import Mutation, once, ours, through, without
from tests.servers import Fate, LiveServer

#: The token is compared, the position is not.
TOKEN_ONLY = without("commit", "if found ~= ARGV[3] then return {'MOVED', found} end")


async def check(server: LiveServer, mutate: Mutation) -> None:
    async with through(server, mutate) as (bus, proxy):
        proxy.plan = once(Fate.HOLD, b"EVALSHA")
        with pytest.raises(Unavailable):
            await bus.commit(step(1, "", "1", 1))
        await bus.commit(step(1, "", "1", 1))
        await bus.commit(step(1, "1", "2", 2))
        proxy.release()
        with anyio.fail_after(40):
            await proxy.delivered.wait()
        assert await everything(bus) == [1, 2], "applied again"
        assert await bus.position(0, TASK) == "2"


async def test_commit_delayed_past_newer_ones_is_not_applied(server: LiveServer) -> None:
    await check(server, ours)


async def test_commit_that_compares_the_token_alone_is_applied_again(server: LiveServer) -> None:
    with pytest.raises(AssertionError, match="applied again"):
        await check(server, TOKEN_ONLY)
