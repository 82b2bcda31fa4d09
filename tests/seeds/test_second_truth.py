"""A part uses a clock, randomness or the order of a set, and its process dies. Its successor computes the state again,
gets another one than what was told, and goes on from there: the log tells a story that no input explains.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from agents.parts import Processor
from agents.runtime.lanes.comparison import Comparison
from agents.runtime.lanes.lane import Lane
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.errors import Diverged
from contracts.events import AnyEvent, DataQualityIncident, ReadingsAcquired
from tests.unit.runtime.counting import INPUT, feed, home, of_type, plant

PLACE = Place(INPUT, 0)
TASK = f"sampler<{INPUT}"


@dataclass
class Seen:
    count: int = 0


class Sampler(Processor[ReadingsAcquired, DataQualityIncident, Seen]):
    """Counts about half of the readings, and tells the count now and then; which half, chance decides."""

    def start(self) -> Seen:
        return Seen()

    def handle(self, event: ReadingsAcquired, state: Seen) -> Iterator[DataQualityIncident]:
        for row, name in enumerate(event.readings.ids()):
            state.count += CHANCE.random() < 0.5
            if row % 7 == 0:
                body: dict[str, Any] = {"kind": "stuck", "state": "open", "detail": "", "since": 1}
                yield DataQualityIncident.of(cause=name, time=row, asset="a", count=state.count, **body)


CHANCE = Random(7)


async def life(bus: MemoryBus, token: int, upto: int) -> None:
    lane = Lane(home(bus), Sampler(), TASK, PLACE, token)
    await lane.open()
    while lane.position < upto:
        await lane.step_or_bury((await bus.read({PLACE: lane.position}, count=1))[PLACE])


async def check() -> None:
    """Twenty entries of seven readings; the process dies after the tenth."""
    bus = MemoryBus(1)
    await feed(bus, plant(140), cut=7)
    await life(bus, 1, 70)
    before = await of_type(bus, DataQualityIncident)
    with suppress(Diverged):
        await life(bus, 2, 140)
    assert await of_type(bus, DataQualityIncident) == before, "a second truth"


async def test_part_that_gives_something_else_is_stopped() -> None:
    await check()


async def test_without_a_comparison_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def see_nothing(self: Comparison, computed: Sequence[AnyEvent], where: str) -> None:
        """Outputs are dropped unseen."""

    async def end(self: Comparison, where: str) -> None:
        """And not counted."""

    monkeypatch.setattr(Comparison, "check", see_nothing)
    monkeypatch.setattr(Comparison, "finish", end)
    with pytest.raises(AssertionError, match="a second truth"):
        await check()
