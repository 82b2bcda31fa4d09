"""A sink that was stopped while readings went on coming: its memory stays, and it catches up faster than they come."""

import random
import signal
import time

import anyio
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from tests.chaos.fleet import Fleet, Nursery, Scene
from tests.chaos.parts import PARTITIONS, SINK

PLACES = [Place("notifications", number) for number in range(PARTITIONS)]
STOPPED_S = 20.0
#: Slow enough that one disk can keep up: each notification waits for it.
PAUSE_S = 0.3
MOST_MB = 200


async def numbers(bus: RedisBus) -> tuple[int, int]:
    """How many notifications there are, and how many are settled."""
    ends, settled = await bus.ends(PLACES), await bus.settled(SINK, PLACES)
    return sum(ends.values()), sum(settled.values())


async def catch_up(fleet: Fleet) -> tuple[float, float]:
    """Notifications a second: as they came while the sinks were stopped, and as they were caught up with."""
    bus = RedisBus(Server(fleet.server.url), PARTITIONS)
    sinks = [worker for worker in fleet.workers.values() if worker.slot.startswith("post")]
    with anyio.fail_after(60):
        while (await numbers(bus))[1] < 20:  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.05)
    fleet.send(sinks, signal.SIGSTOP)
    first, _ = await numbers(bus)
    await anyio.sleep(STOPPED_S)
    last, settled = await numbers(bus)
    fleet.send(sinks, signal.SIGCONT)
    began = time.monotonic()
    with anyio.fail_after(60):
        while (await numbers(bus))[1] < last:  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.02)
    spent = time.monotonic() - began
    assert max(sink.peak_mb for sink in sinks) < MOST_MB
    await bus.close()
    return (last - first) / STOPPED_S, (last - settled) / spent


@pytest.mark.soak
def test_stopped_sink_catches_up_five_times_as_fast_as_readings_come() -> None:
    with Nursery() as nursery, Fleet(nursery, random.Random(1), Scene(), pause_s=PAUSE_S) as fleet:
        came, caught = anyio.run(catch_up, fleet)
    fleet.forget()
    print(f"came {came:.0f}/s, caught up with {caught:.0f}/s")  # noqa: T201 - the figure
    assert caught >= 5 * came
