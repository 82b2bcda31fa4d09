"""A lane waits a little after a small batch, so that the next one is larger; never when it is behind, or is to stop."""

from collections.abc import Iterator
from typing import ClassVar

import anyio
import pytest

from agents.runtime.lanes.processing import ProcessorRunner
from bus.memory import MemoryBus
from contracts.events import ReadingsAccepted, ReadingsAcquired
from tests.unit.runtime.counting import INPUT, Counts, Passing, caught_up, feed, home, plant

_SIZES: list[int] = []


class Patient(Passing):
    """Notes the sizes of its batches, and has time."""

    linger_s: ClassVar[float] = 0.5

    def handle(self, event: ReadingsAcquired, state: Counts) -> Iterator[ReadingsAccepted]:
        _SIZES.append(len(event))
        yield from super().handle(event, state)


class Slow(Patient):
    """Reads sixty entries at a time: a pause after each would take a minute."""

    linger_s: ClassVar[float] = 6.0


@pytest.fixture(autouse=True)
def _forget() -> None:
    _SIZES.clear()


@pytest.mark.anyio
async def test_what_trickles_in_is_handled_in_few_batches() -> None:
    """One reading in a hundredth of a second: without the pause each would be a batch."""
    bus = MemoryBus(1)
    surroundings = home(bus)
    async with anyio.create_task_group() as group:
        group.start_soon(ProcessorRunner(surroundings, "patient", Patient(), INPUT).run)
        for number, reading in enumerate(plant(60).cut(1)):
            await feed(bus, reading, 1, task=f"source:{number}")
            await anyio.sleep(0.01)
        await caught_up(bus, f"patient<{INPUT}")
        surroundings.stop.set()
    assert sum(_SIZES) == 60
    assert len(_SIZES) <= 10


@pytest.mark.anyio
async def test_who_is_behind_does_not_wait() -> None:
    """Cycles as large as they may be follow each other at once, and a stop ends the pause."""
    bus = MemoryBus(1)
    await feed(bus, plant(600), 1)
    surroundings = home(bus, read_events=10)
    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(ProcessorRunner(surroundings, "slow", Slow(), INPUT).run)
            await caught_up(bus, f"slow<{INPUT}")
            surroundings.stop.set()
    assert sum(_SIZES) == 600
