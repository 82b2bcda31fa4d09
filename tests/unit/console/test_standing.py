"""What a look at the log tells of every task."""

import pytest

from agents.parts import Sink
from agents.runtime.home import dead_letter
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from console.standing import Observer, Standing
from contracts.events import AnyEvent, DataQualityIncident, ReadingsAcquired
from contracts.frames import encode
from tests.unit.runtime.counting import Counter, Shelf, feed, home, plant, process

INPUT = ReadingsAcquired.stream
FOUND = DataQualityIncident.stream
SECOND = 10**9


class Printer(Sink[DataQualityIncident]):
    async def deliver(self, event: AnyEvent) -> None:
        raise NotImplementedError


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(2)


@pytest.fixture
def observer(bus: MemoryBus) -> Observer:
    parts = (Placed("a", "shelf", Shelf()), Placed("c", "counter", Counter()), Placed("p", "printer", Printer()))
    return Observer(bus, Topology(parts))


async def standing(observer: Observer, task: str) -> Standing:
    found = {one.task: one for one in (await observer.look()).tasks}
    return found[task]


async def test_a_task_that_has_read_nothing_is_behind_by_everything(bus: MemoryBus, observer: Observer) -> None:
    await feed(bus, plant(100), 10)
    found = await standing(observer, f"counter<{INPUT}")
    assert (found.kind, found.done, found.behind, found.owners) == ("processor", 0, 100, ())
    assert found.oldest_ns == 0


async def test_the_oldest_unread_event_is_told_by_its_own_time_also_within_an_entry(bus: MemoryBus) -> None:
    observer = Observer(bus, Topology((Placed("a", "shelf", Shelf()), Placed("c", "counter", Counter()))))
    await feed(bus, plant(60, assets=1), 60)
    (place,) = [Place(INPUT, number) for number in range(2) if (await bus.ends([Place(INPUT, number)])).popitem()[1]]
    await bus.commit(Commit(place.partition, f"counter<{INPUT}", 1, "", "20"))
    assert (await standing(observer, f"counter<{INPUT}")).oldest_ns == 20 * SECOND
    await bus.commit(Commit(place.partition, f"counter<{INPUT}", 1, "20", "40"))
    assert (await standing(observer, f"counter<{INPUT}")).oldest_ns == 40 * SECOND
    await bus.commit(Commit(place.partition, f"counter<{INPUT}", 1, "40", "60"))
    found = await standing(observer, f"counter<{INPUT}")
    assert (found.behind, found.oldest_ns) == (0, None)


async def test_a_sink_has_pending_entries_until_it_settles_them(bus: MemoryBus, observer: Observer) -> None:
    task = f"printer<{FOUND}"
    assert (await standing(observer, task)).pending == 0, "a look must not make the group"
    await feed(bus, plant(100), 10)
    await process(home(bus), Counter())
    places = [Place(FOUND, number) for number in range(2)]
    said = sum((await bus.ends(places)).values())
    await bus.subscribe("printer", places)
    taken = await bus.fetch("printer", "host/1/x", places, count=100)
    found = await standing(observer, task)
    assert (found.kind, found.pending, found.behind) == ("sink", len(taken), said)
    assert found.owners == ("host/1/x",)
    for delivery in taken:
        await bus.settle("printer", delivery.place, delivery.entry)
    found = await standing(observer, task)
    assert (found.pending, found.behind, found.done) == (0, 0, said)


async def test_a_look_counts_what_streams_hold_and_open_dead_letters(bus: MemoryBus, observer: Observer) -> None:
    await feed(bus, plant(100), 10)
    letter = dead_letter("counter", Place(INPUT, 0), 3, {b"t": b"x"}, ValueError("no"), tries=1, time=1)
    await bus.append(Place(letter.stream, 1), list(encode([letter], "counter")))
    found = await observer.look()
    assert found.lengths[INPUT] == 100
    assert found.open_letters == 1
    assert found.fullness == 0.0
