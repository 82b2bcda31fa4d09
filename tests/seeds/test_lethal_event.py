"""An event ends the interpreter: a fault in a C library, no memory left, an endless loop that a watchdog ends. Its
supervisor starts the process again, which reads on from the same place and dies again, for ever.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from agents.runtime.lanes import lane as lanes
from agents.runtime.lanes.lane import Lane
from agents.runtime.lanes.suspicion import Suspicion
from bus.memory import MemoryBus
from bus.protocol import Former, Place
from contracts.events import DataQualityIncident, DeadLettered
from tests.unit.runtime.counting import INPUT, Counter, Counts, feed, home, of_type, plant

PLACE = Place(INPUT, 0)
TASK = f"counter<{INPUT}"


class Death(BaseException):
    """As good as the end of the process: nothing catches it, nothing is done after it."""


class Lethal(Counter):
    """Dies of one reading."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        if 30 in event.readings.position.tolist():
            raise Death
        yield from super().handle(event, state)


async def life(bus: MemoryBus) -> None:
    token = await bus.acquire(0, TASK, "one", seen=None)
    assert token
    lane = Lane(home(bus), Lethal(), TASK, PLACE, token)
    await lane.open()
    while news := (await bus.read({PLACE: lane.position}, count=3)).get(PLACE):
        await lane.step_or_bury(news)


async def check() -> None:
    """Ten entries of seven readings, the fifth of which is lethal; the process is started again as often as it dies."""
    bus = MemoryBus(1)
    await feed(bus, plant(70), cut=7)
    lives = 0
    while lives < 20 and await bus.position(0, TASK) != "70":
        lives += 1
        with suppress(Death):
            await life(bus)
    assert await bus.position(0, TASK) == "70", "dies for ever"
    assert lives == 4, "three deaths, and the life that buries"
    assert [letter.position for letter in await of_type(bus, DeadLettered)] == [35]


async def test_lethal_event_is_buried_after_three_deaths() -> None:
    await check()


async def test_without_suspicion_the_process_dies_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trusting(Suspicion):
        @classmethod
        def of(cls, former: Former, life: str, position: int, end: int, most_events: int) -> None:
            """Nobody looks how the life before ended."""

    monkeypatch.setattr(lanes, "Suspicion", Trusting)
    with pytest.raises(AssertionError, match="dies for ever"):
        await check()
