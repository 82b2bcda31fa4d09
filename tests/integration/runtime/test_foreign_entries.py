"""Another program writes to a stream of ours, and sends what the server cannot take: told, and nobody ends."""

import socket
import time
from collections.abc import Callable

import anyio
import pytest

from agents.runtime.sinks.sinking import SinkRunner
from bus import keys
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.errors import Unavailable
from contracts.events import DeadLettered, NotificationSent
from tests.servers import LiveServer
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_sinking import PLACE, STREAM, pager, posted

HUGE = 100_000_000
#: One more than a value may have.
TOO_LARGE = (512 << 20) + 1


def raw(path: str, *words: bytes, claim: int = 0) -> bytes:
    """Send a command as any client could, and return the reply; ``claim``: the last word is said to be so long."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(path)
        sizes = [len(word) for word in words[:-1]] + [claim or len(words[-1])]
        client.sendall(b"*%d\r\n" % len(words))
        for size, word in zip(sizes, words, strict=True):
            client.sendall(b"$%d\r\n" % size + (b"" if claim and word is words[-1] else word + b"\r\n"))
        try:
            return client.recv(200)
        except ConnectionResetError:
            return b"reset"


@pytest.mark.parametrize("size", [10, pytest.param(HUGE, marks=pytest.mark.soak)])
async def test_entry_of_another_program_is_a_dead_letter_and_the_rest_goes_on(
    size: int, new_server: Callable[[str], LiveServer]
) -> None:
    server = new_server("valkey")
    bus = RedisBus(Server(server.url, timeout_s=30), 1)
    surroundings, sink = home(bus), pager()
    began = time.monotonic()
    with anyio.fail_after(100):
        async with anyio.create_task_group() as group:
            group.start_soon(SinkRunner(surroundings, "pager", sink, [STREAM]).run)
            await posted(bus, "before")
            # An id such as ours: only so can it stand between our entries.
            reply = raw(str(server.socket), b"XADD", keys.stream(PLACE).encode(), b"2-1", b"junk \xff", b"x" * size)
            await bus._server.call("HSET", keys.ledger(0), f"end:{STREAM}", 2)
            assert reply.startswith(b"$3"), reply
            await posted(bus, "after")
            while len(await of_type(bus, NotificationSent)) < 2:  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.02)
            surroundings.stop.set()
    assert sink._calls == ["before", "after"]
    (letter,) = await of_type(bus, DeadLettered)
    assert "not a frame" in letter.reason
    assert time.monotonic() - began < 60
    await bus.close()


async def test_value_over_the_limit_of_the_server_is_refused_and_nobody_else_notices(
    new_server: Callable[[str], LiveServer],
) -> None:
    server = new_server("valkey")
    bus = RedisBus(Server(server.url), 1)
    await posted(bus, "before")
    reply = raw(str(server.socket), b"XADD", keys.stream(PLACE).encode(), b"*", b"junk", b"", claim=TOO_LARGE)
    assert reply == b"reset" or b"invalid bulk length" in reply, reply
    await posted(bus, "after")
    assert (await bus.ends([PLACE]))[PLACE] == 2
    await bus.close()


async def test_entry_with_an_id_of_the_server_stops_readers_with_a_mend(
    new_server: Callable[[str], LiveServer],
) -> None:
    """Its id is a time: nothing of ours can follow it, so whoever reads says what happened, and waits."""
    server = new_server("valkey")
    bus = RedisBus(Server(server.url), 1)
    await posted(bus, "before")
    raw(str(server.socket), b"XADD", keys.stream(PLACE).encode(), b"*", b"junk", b"x")
    with pytest.raises(Unavailable, match=r"written by another program.*Only Tocsin may write"):
        await bus.read({PLACE: 1}, count=10)
    await bus.close()
