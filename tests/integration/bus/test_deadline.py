"""A command that takes too long is given up, and its late reply is nobody else's."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from bus.redis.server import Server
from contracts.errors import Unavailable
from tests.servers import Fate, LiveServer, proxied

LIMIT_S = 0.2
Ask = Callable[[Server], Awaitable[object]]

COMMANDS: dict[str, Ask] = {
    "call": lambda server: server.call("ECHO", "late"),
    "wait": lambda server: server.wait("ECHO", "late"),
    "many": lambda server: server.many([("ECHO", "late"), ("ECHO", "later")]),
    "script": lambda server: server.script("append", ["ledger", "s"], ["s", 1, 1, "t/1", "w", "", "", 1, "b", "d"]),
}


@pytest.fixture
async def quick(server: LiveServer) -> AsyncIterator[Server]:
    found = Server(server.url, timeout_s=LIMIT_S)
    await found.call("FLUSHALL")
    yield found
    await found.close()


@pytest.mark.parametrize("ask", COMMANDS.values(), ids=COMMANDS)
async def test_late_reply_is_not_taken_for_the_next(server: LiveServer, quick: Server, ask: Ask) -> None:
    for _ in range(2):
        assert await quick.call("ECHO", "warm") == b"warm"
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with anyio.fail_after(40), pytest.raises(Unavailable, match="no reply within"):
                await ask(quick)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        for text in (b"one", b"two"):
            assert await quick.call("ECHO", text) == text
            assert await quick.wait("ECHO", text) == text
            assert await quick.many([("ECHO", text), ("PING",)]) == [text, b"PONG"]


async def test_dead_line_is_given_up_in_time(server: LiveServer) -> None:
    async with proxied(server) as proxy:
        quick = Server(proxy.url, timeout_s=LIMIT_S)
        proxy.plan = lambda request: Fate.SWALLOW if b"swallow" in request else Fate.PASS
        with anyio.fail_after(10 * LIMIT_S), pytest.raises(Unavailable):
            await quick.call("ECHO", "swallow")
        assert await quick.call("ECHO", "next") == b"next"
        await quick.close()


async def test_wait_inside_the_server_is_not_cut_short(quick: Server) -> None:
    """It may block for longer than another command may take."""
    assert not await quick.wait("XREAD", "BLOCK", int(2 * LIMIT_S * 1000), "STREAMS", "nothing", "$")
