"""An entry that ends every process that handles it is buried after three deaths, and nothing innocent ever is."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from agents.runtime.home import Home
from agents.runtime.lanes.burials import buried
from agents.runtime.lanes.lane import Lane
from agents.runtime.lanes.suspicion import Suspicion
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Commit, Entry, Former, Place
from contracts.errors import Unavailable
from contracts.events import DataQualityIncident, DeadLettered
from contracts.readings import Readings
from tests.unit.runtime.counting import INPUT, Counter, Counts, Fragile, Hands, feed, home, of_type, plant, story

PLACE = Place(INPUT, 0)
TASK = f"counter<{INPUT}"
LETHAL = 13


class Death(BaseException):
    """The process is gone: nothing that it meant to do after this happens."""


class Lethal(Counter):
    """Ends the process at one reading."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        if LETHAL in event.readings.position.tolist():
            raise Death
        yield from super().handle(event, state)


async def life(bus: Any, *, entries: int = 1000, most: int = 1000, processor: Counter | None = None) -> Lane:
    """A process from its start to the end of the log, or to its death; ``most`` reads."""
    token = await bus.acquire(0, TASK, "one", seen=None)
    found = Lane(home(bus, clock=Hands().clock), processor or Lethal(), TASK, PLACE, token)
    await found.open()
    for _ in range(most):
        news = (await bus.read({PLACE: found.position}, count=entries)).get(PLACE)
        if not news:
            break
        await found.step_or_bury(news)
    return found


async def lives(bus: Any, **given: Any) -> tuple[int, Lane]:
    """As many lives as it takes; how many of them died."""
    for deaths in range(10):
        with suppress(Death):
            return deaths, await life(bus, **given)
    raise AssertionError("still dying")


async def filled(readings: Readings, cut: int) -> MemoryBus:
    bus = MemoryBus(1)
    await feed(bus, readings, cut)
    return bus


@pytest.mark.parametrize("cut", [1, 7, 60])
@pytest.mark.parametrize("entries", [1, 3, 1000])
async def test_lethal_entry_is_buried_after_three_deaths_and_the_rest_flows(cut: int, entries: int) -> None:
    bus = await filled(plant(60), cut)
    deaths, found = await lives(bus, entries=entries)
    assert deaths == 3
    (letter,) = await of_type(bus, DeadLettered)
    assert "killed the process that handled it, 3 times" in letter.reason
    first = LETHAL // cut * cut
    assert (letter.position, letter.events) == (min(first + cut, 60), min(cut, 60))
    assert found.position == 60
    assert int(found.state.total[0]) == 60 - letter.events
    assert await buried(bus, TASK, PLACE) == frozenset(range(first + 1, min(first + cut, 60) + 1))


async def test_what_was_buried_stays_buried_in_every_recovery() -> None:
    bus = await filled(plant(60), 7)
    for _ in range(3):
        with pytest.raises(Death):
            await life(bus)
    before = await life(bus)
    told = await story(bus, "incidents", "dead-letters")
    await bus.release(0, TASK, "one", before.token)
    after = await life(bus)
    assert dump(after.state) == dump(before.state)
    assert await story(bus, "incidents", "dead-letters") == told


async def test_two_lethal_entries_cost_three_deaths_each() -> None:
    bus = await filled(plant(60), 7)

    class Twice(Lethal):
        def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
            if 45 in event.readings.position.tolist():
                raise Death
            yield from super().handle(event, state)

    deaths, found = await lives(bus, processor=Twice())
    # The second is met alone at once, by the life that buried the first: two deaths are enough for it.
    assert deaths in (5, 6)
    assert len(await of_type(bus, DeadLettered)) == 2
    assert found.position == 60


async def test_process_that_is_killed_from_outside_buries_nothing() -> None:
    """Killed at every read for ever: as long as anything moves, nothing is to blame."""
    bus = await filled(plant(60), 7)
    for _ in range(9):
        await life(bus, entries=1, most=1, processor=Counter())
    assert await bus.position(0, TASK) == "60"
    assert await of_type(bus, DeadLettered) == []


async def test_server_that_comes_and_goes_accuses_nobody() -> None:
    """A try whose commit failed did not kill: the same life tries it again as often as it takes."""
    inner = await filled(plant(60), 7)
    with pytest.raises(Death):
        await life(inner)
    bus = Fragile(inner, lambda verb, number: "before" if verb == "commit" and number < 8 else "")
    token = await inner.acquire(0, TASK, "one", seen=None)
    surroundings = home(bus, clock=Hands().clock)
    for _ in range(20):
        found = Lane(surroundings, Counter(), TASK, PLACE, token or 0)
        await found.open()
        with suppress(Unavailable):
            while news := (await inner.read({PLACE: found.position}, count=5)).get(PLACE):
                await found.step_or_bury(news)
    assert await inner.position(0, TASK) == "60"
    assert await of_type(inner, DeadLettered) == []


class Slow:
    """A bus whose commits take a while: others of the same process are at work meanwhile, until it is dead."""

    def __init__(self, inner: MemoryBus) -> None:
        self._inner, self.dead = inner, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def attempt(self, *given: Any) -> None:
        # Whoever waited for its turn is let in before it is cancelled; in a process that died it would not be.
        if not self.dead:
            await self._inner.attempt(*given)

    async def commit(self, commit: Commit) -> None:
        await anyio.sleep(0.005)
        await self._inner.commit(commit)


class Dying(Lethal):
    """Tells its bus when the process ends."""

    _bus: Slow

    def on(self, bus: Slow) -> "Dying":
        self._bus = bus
        return self

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        try:
            yield from super().handle(event, state)
        except Death:
            self._bus.dead = True
            raise


async def test_another_task_of_the_process_that_dies_is_not_blamed() -> None:
    """Two tasks handle the same entries; one of them is lethal, at every entry at which the other is just at work."""
    bus = await filled(plant(60), 7)
    deaths = 0

    async def whole(task: str, processor: Counter, surroundings: Home) -> None:
        token = await bus.acquire(0, task, "one", seen=None)
        found = Lane(surroundings, processor, task, PLACE, token or 0)
        await found.open()
        while news := (await bus.read({PLACE: found.position}, count=1)).get(PLACE):
            await found.step_or_bury(news)

    while await bus.position(0, TASK) != "60" or await bus.position(0, "other<x") != "60":
        deaths += 1
        assert deaths < 12
        slow = Slow(bus)
        surroundings = home(slow, clock=Hands().clock)
        with suppress(BaseExceptionGroup):
            async with anyio.create_task_group() as group:
                group.start_soon(whole, "other<x", Counter(), surroundings)
                group.start_soon(whole, TASK, Dying().on(slow), surroundings)
    letters = await of_type(bus, DeadLettered)
    assert [(letter.agent, letter.position) for letter in letters] == [(TASK, 14)]


async def test_life_that_ended_in_order_leaves_no_suspicion() -> None:
    bus = await filled(plant(60), 7)
    found = await life(bus, entries=1, most=2, processor=Counter())
    await bus.release(0, TASK, "one", found.token)
    again = await life(bus, most=0, processor=Counter())
    assert again._suspicion is None
    died = await life(bus, most=0, processor=Counter())
    assert died._suspicion is not None
    assert died._suspicion.until == 60


async def test_idle_partition_gives_no_suspicion() -> None:
    bus = MemoryBus(1)
    for _ in range(5):
        found = await life(bus)
        assert found._suspicion is None


async def test_event_that_raises_is_buried_alone_under_suspicion_too() -> None:
    bus = await filled(plant(60, poison=(20,)), 7)
    await life(bus, most=0, processor=Counter())
    found = await life(bus, processor=Counter())
    (letter,) = await of_type(bus, DeadLettered)
    assert (letter.position, letter.events, letter.tries) == (21, 1, 2)
    assert found.position == 60


def test_suspicion_ends_where_the_life_before_cannot_have_been() -> None:
    suspicion = Suspicion.of(Former("them", ""), "us", 100, 1_000_000, 20_000)
    assert suspicion
    assert suspicion.until == 20_100
    assert not suspicion.over(20_099)
    assert suspicion.over(20_100)
    for _ in range(500):
        suspicion.tried(Entry(101, 1, {}))
    assert suspicion.over(100)


@pytest.mark.parametrize(
    ("former", "suspected"),
    [
        (Former("", ""), False),
        (Former("us", ""), False),
        (Former("them", ""), True),
        (Former("", "107 1 them"), True),
        (Former("us", "107 1 them"), True),
        (Former("us", "107 1 us"), False),
        (Former("", "100 2 them"), False),
        (Former("", "damaged"), False),
    ],
)
def test_suspicion_follows_from_a_death_or_an_unfinished_try(former: Former, suspected: bool) -> None:
    assert (Suspicion.of(former, "us", 100, 200, 50) is not None) == suspected


def test_only_an_entry_that_two_lives_did_not_outlive_is_guilty() -> None:
    entry = Entry(107, 7, {})
    for deaths, guilty in ((1, False), (2, True)):
        suspicion = Suspicion.of(Former("them", f"107 {deaths} them"), "us", 100, 200, 50)
        assert suspicion
        assert suspicion.guilty(entry) == guilty
        assert not suspicion.guilty(Entry(114, 7, {}))
        assert suspicion.tried(entry) == f"107 {deaths + 1} us"
        assert suspicion.tried(Entry(114, 7, {})) == "114 1 us"
