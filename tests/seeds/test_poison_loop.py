"""One event always raises. A consumer that tries again from where it stands goes round for ever and blocks its whole
partition; one that swallows the error and goes on has lost the event and everything that was handled along with it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import cast

import pytest

from agents.runtime.lanes.lane import Lane, Poisoned
from bus.memory import MemoryBus
from bus.protocol import Commit, Entry, Place
from contracts.events import DeadLettered
from tests.unit.runtime.counting import INPUT, Counter, feed, home, of_type, plant

PLACE = Place(INPUT, 0)
TASK = f"counter<{INPUT}"
Step = Callable[[Lane, Sequence[Entry]], Awaitable[object]]


async def looping(lane: Lane, entries: Sequence[Entry]) -> None:
    """Logs the error, opens again and reads on from the same place."""
    try:
        await lane.step(entries)
    except Poisoned:
        await lane.open()


async def dropping(lane: Lane, entries: Sequence[Entry]) -> None:
    """Logs the error and goes on behind it."""
    with suppress(Poisoned):
        await lane.step(entries)
        return
    last = entries[-1].last
    await lane.home.bus.commit(Commit(0, TASK, lane.token, str(lane.position or ""), str(last)))
    # Without a snapshot nobody would know what the state was made by, and nothing could be compared.
    cast(MemoryBus, lane.home.bus)._snapshots.clear()
    await lane.open()


async def check(step: Step) -> None:
    """Ten entries of seven readings, of which number 31 cannot be handled; one entry in each step."""
    bus = MemoryBus(1)
    await feed(bus, plant(70, poison=(30,)), cut=7)
    lane = Lane(home(bus), Counter(), TASK, PLACE, 1)
    await lane.open()
    for _ in range(20):
        if lane.position == 70:
            break
        await step(lane, (await bus.read({PLACE: lane.position}, count=1))[PLACE])
    assert lane.position == 70, "blocked"
    assert [letter.position for letter in await of_type(bus, DeadLettered)] == [31], "dropped"
    assert sum(count for count, _ in lane.state.by_series.values()) == 69, "its neighbours were handled"


async def test_poison_becomes_a_dead_letter_and_the_others_are_handled() -> None:
    await check(Lane.step_or_bury)


@pytest.mark.parametrize(("step", "says"), [(looping, "blocked"), (dropping, "dropped")])
async def test_without_dead_letters_poison_blocks_or_is_lost(step: Step, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        await check(step)
