"""One hop at a fixed low rate, from a producer in its own process: raw and ours take turns of half a second.

A producer waits for each write before the next, at 1,000 events/s; a consumer waits inside the server, decodes, and
then acknowledges (raw) or stores its position (ours). The time is taken between the making of the event and the
handler; the clock is the same for all processes of a machine.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis.asyncio as aioredis

from bus.protocol import Commit
from bus.redis import RedisBus, Server
from contracts.events import NotificationSent
from contracts.frames import decode_all, encode

from .ours import IN
from .raw import Raw

RATE, TURN_S = 1_000, 0.5
_WARM = 50
#: Each of the two takes its turns under this name.
KINDS = ("raw", "ours")
_ROOT = Path(__file__).resolve().parents[2]

Latencies = dict[str, list[float]]


def _made(number: int) -> NotificationSent:
    return NotificationSent.of(
        cause=f"{number:032x}", time=time.perf_counter_ns(), asset="a", subscriber="file", key=f"{number}", attempt=1
    )


# ---------------------------------------------------------------- the producer


async def produce(url: str, turns: int) -> None:
    """Send ``turns`` turns of each kind."""
    client: Any = aioredis.from_url(url, socket_timeout=None)
    bus = RedisBus(Server(url), 1)
    sent = [0]

    async def raw(number: int) -> None:
        await client.xadd("latency", {"d": _made(number).model_dump_json()})

    async def ours(number: int) -> None:
        frames = encode([_made(number)], "producer")
        expected, sent[0] = str(sent[0] or ""), sent[0] + 1
        await bus.commit(Commit(0, "producer", 1, expected, str(sent[0]), [(IN.stream, frame) for frame in frames]))

    for turn in range(2 * turns):
        await _paced(raw if turn % 2 == 0 else ours)
    await bus.close()
    await client.aclose()


async def _paced(send: Callable[[int], Awaitable[None]]) -> None:
    start = time.perf_counter()
    for number in range(int(RATE * TURN_S)):
        due = start + number / RATE
        while (left := due - time.perf_counter()) > 0:  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(left if left > 0.0015 else 0)
        await send(number)


# ---------------------------------------------------------------- the consumers


async def _consume_raw(url: str, seen: list[float]) -> None:
    client = Raw(url).client
    try:
        await client.xgroup_create("latency", "g", id="0", mkstream=True)
        while True:
            reply = await client.xreadgroup("g", "c", {"latency": ">"}, count=100, block=1000)
            for _, entries in reply:
                for _, fields in entries:
                    event = NotificationSent.model_validate_json(fields[b"d"])
                    seen.append((time.perf_counter_ns() - event.time) / 1e3)
                await client.xack("latency", "g", *[entry[0] for entry in entries])
    finally:
        await client.aclose()


async def _consume_ours(url: str, seen: list[float]) -> None:
    bus, last = RedisBus(Server(url), 1), 0
    try:
        while True:
            for entries in (await bus.read({IN: last}, count=100, block_s=1)).values():
                for event in decode_all(entries):
                    assert isinstance(event, NotificationSent)
                    seen.append((time.perf_counter_ns() - event.time) / 1e3)
                await bus.commit(Commit(0, "consumer", 1, str(last or ""), str(entries[-1].last)))
                last = entries[-1].last
    finally:
        await bus.close()


async def hops(url: str, turns: int) -> Latencies:
    """Latencies of both kinds, in microseconds."""
    client = Raw(url).client
    await client.flushall()
    await client.aclose()
    seen: Latencies = {kind: [] for kind in KINDS}
    readers = [
        asyncio.create_task(_consume_raw(url, seen["raw"])),
        asyncio.create_task(_consume_ours(url, seen["ours"])),
    ]
    producer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bus.latency", url, str(turns)), cwd=_ROOT
    )
    wanted = int(RATE * TURN_S) * turns
    async with asyncio.timeout(2 * turns * TURN_S * 3 + 30):
        await producer.wait()
        while min(map(len, seen.values())) < wanted and not _any_done(readers):  # noqa: ASYNC110 - see below
            # The readers set no event: they measure, and do nothing else.
            await asyncio.sleep(0.01)
    for reader in readers:
        if reader.done():
            reader.result()
        reader.cancel()
        with suppress(asyncio.CancelledError):
            await reader
    return {kind: values[_WARM:] for kind, values in seen.items()}


def _any_done(tasks: list["asyncio.Task[None]"]) -> bool:
    return any(task.done() for task in tasks)


def quantile(values: list[float], share: float) -> float:
    """The value that ``share`` of all are not above."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


if __name__ == "__main__":
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("turns", type=int)
    arguments = parser.parse_args()
    uvloop.run(produce(arguments.url, arguments.turns))
