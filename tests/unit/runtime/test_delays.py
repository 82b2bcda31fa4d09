"""Delays of recorders: told once when they pass the limit, once when they are over, also by a successor."""

from dataclasses import dataclass, field

import pytest

from agents.clock import Clock
from agents.runtime.delays import Delays
from agents.runtime.home import Home
from agents.telemetry import families
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.scan import scan
from contracts.events import LineageDelayed
from contracts.frames import encode
from tests.unit.runtime.test_recording import PLACE, STREAM, TASK, filled, incident

LATE_S = 60.0


@dataclass
class Watched:
    """Delays on a bus, with a clock that moves when it is told to."""

    bus: MemoryBus
    positions: dict[int, int] = field(default_factory=lambda: {0: 0})
    now: float = 1000.0

    def __post_init__(self) -> None:
        clock = Clock(wall_ns=lambda: int(self.now * 1e9), monotonic_s=lambda: self.now)
        self.home = Home(self.bus, "owner", clock=clock)
        self.delays = Delays(self.home, TASK, STREAM, self.positions, LATE_S)

    async def after(self, seconds: float) -> list[str]:
        """Look after some time; what was told until then."""
        self.now += seconds
        await self.delays.look()
        return [event.state for event in await told(self.bus)]

    @property
    def waiting(self) -> float:
        """As the numbers of the process have it."""
        return self.home.telemetry.metrics.series[families.UNRECORDED.name][(TASK,)][0]


async def told(bus: MemoryBus) -> list[LineageDelayed]:
    place = Place(LineageDelayed.stream, 0)
    return [e async for found in scan(bus, place) for e in found.events if isinstance(e, LineageDelayed)]


async def more(bus: MemoryBus, number: int) -> None:
    await bus.append(PLACE, list(encode([incident(number)], "w")))


async def test_a_delay_is_told_once_and_its_end_once() -> None:
    watched = Watched(await filled(3))
    watched.delays.error = "MLflow is away"
    assert await watched.after(0) == []
    assert await watched.after(59) == []
    assert await watched.after(2) == ["delayed"]
    assert await watched.after(100) == ["delayed"]
    watched.positions[0] = 3
    assert await watched.after(1) == ["delayed", "caught up"]
    assert await watched.after(100) == ["delayed", "caught up"]
    first, last = await told(watched.bus)
    assert (first.behind, first.error, first.task) == (3, "MLflow is away", TASK)
    assert first.since == 1000 * 10**9
    assert last.behind == 0
    assert first.id != last.id


async def test_what_counts_is_the_oldest_event_that_is_not_recorded() -> None:
    watched = Watched(await filled(1))
    await watched.after(0)
    for number in range(2, 200):
        # Each is recorded 5 s after it came: never late, however long it goes on.
        await more(watched.bus, number)
        assert await watched.after(5) == []
        assert watched.waiting == 5
        watched.positions[0] = number - 1
    assert await watched.after(0) == []
    assert watched.waiting == 0


async def test_an_old_event_stays_the_oldest_while_many_come() -> None:
    watched = Watched(await filled(1))
    await watched.after(0)
    for number in range(2, 300):
        await more(watched.bus, number)
        await watched.after(1)
    assert watched.waiting == 298
    assert [event.state for event in await told(watched.bus)] == ["delayed"]


async def test_it_is_over_only_when_most_of_it_is() -> None:
    watched = Watched(await filled(1))
    await watched.after(0)
    await more(watched.bus, 2)
    await watched.after(20)
    assert await watched.after(45) == ["delayed"]
    watched.positions[0] = 1
    assert await watched.after(0) == ["delayed"], "45 s are still more than half of the limit"
    watched.positions[0] = 2
    assert await watched.after(0) == ["delayed", "caught up"]


@pytest.mark.parametrize("state", ["delayed", "caught up"])
async def test_a_successor_knows_what_was_told(state: str) -> None:
    bus = await filled(3)
    first = Watched(bus)
    await first.after(0)
    await first.after(100)
    if state == "caught up":
        first.positions[0] = 3
        await first.after(1)
    second = Watched(bus, {0: 3})
    assert await second.after(0) == ["delayed", "caught up"]


async def test_a_partition_that_is_not_ours_any_more_is_not_watched() -> None:
    watched = Watched(await filled(3))
    await watched.after(0)
    del watched.positions[0]
    assert await watched.after(100) == []
    watched.positions[0] = 0
    assert await watched.after(0) == [], "it begins anew"


async def test_a_log_that_lost_its_end_is_not_late() -> None:
    watched = Watched(await filled(3), {0: 7})
    assert await watched.after(0) == []
    assert await watched.after(100) == []
    assert watched.waiting == 0
