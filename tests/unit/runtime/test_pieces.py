"""Many readings are handed over in parts, and a step that ends part after part does not hang."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from agents.runtime.lanes.lane import Lane
from agents.runtime.watchdog import Steps, Watchdog
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.events import ClockTicked, DataQualityIncident, ReadingsAcquired
from tests.unit.runtime.counting import INPUT, Counter, Counts, feed, home, plant, story

PLACE = Place(INPUT, 0)


class Slow(Counter):
    """Takes its time: the watchdog looks six times at each part, and ends a process after twenty."""

    most_readings: ClassVar[int] = 30
    sizes: ClassVar[list[int]] = []
    hung: ClassVar[list[str]] = []
    watchdog: ClassVar[Watchdog | None] = None

    def handle(self, event: ReadingsAcquired | ClockTicked, state: Counts) -> Iterator[DataQualityIncident]:
        if self.watchdog is not None and isinstance(event, ReadingsAcquired):
            self.sizes.append(len(event))
            for _ in range(6):
                self.watchdog.steps.turns += 1
                self.hung.append(self.watchdog.look())
        yield from super().handle(event, state)


class Whole(Slow):
    """The same without parts."""

    most_readings: ClassVar[int] = 1 << 16


async def said(kind: type[Slow]) -> list[str]:
    bus = MemoryBus(1)
    await feed(bus, plant(300), 300)
    surroundings = home(bus)
    Slow.sizes.clear()
    Slow.hung.clear()
    Slow.watchdog = Watchdog(surroundings.steps, 20)
    token = await bus.acquire(0, f"counter<{INPUT}", "one", seen=None)
    lane = Lane(surroundings, kind(), f"counter<{INPUT}", PLACE, token or 1)
    try:
        await lane.open()
        await lane.step_or_bury((await bus.read({PLACE: 0}, count=10))[PLACE])
    finally:
        Slow.watchdog = None
    return await story(bus, DataQualityIncident.stream)


@pytest.mark.anyio
async def test_a_step_of_many_parts_is_no_hang() -> None:
    """Ten parts of six looks each are three times what one step may take; and the outputs know nothing of parts."""
    parted = await said(Slow)
    assert Slow.sizes == [30] * 10
    assert set(Slow.hung) == {""}
    assert parted == await said(Whole)
    assert Slow.sizes == [300]
    assert len(parted) == 60


def test_a_part_that_hangs_is_found() -> None:
    """What moved once and then does not is found as if it had never moved."""
    steps = Steps()
    watchdog = Watchdog(steps, 20)
    with steps.step("the counter") as moved:
        found = []
        for look in range(60):
            steps.turns += 1
            found.append(watchdog.look())
            if look < 30:
                moved()
    assert set(found[:45]) == {""}
    assert "the counter" in found
    assert not steps.open
