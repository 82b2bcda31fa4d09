"""Sources slow down before the server is full, and go on by themselves; everybody downstream counts."""

from collections.abc import Sequence

import anyio
import pytest

from agents.notification.notifier import Notifier
from agents.runtime.lanes.lane import Lane
from agents.runtime.sources.backpressure import Brakes, Reader
from agents.state import dump
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from contracts.errors import Unavailable
from contracts.events import DataQualityIncident, ReadingsAcquired, SourcePaceChanged
from contracts.frames import Frame, encode
from tests.unit.runtime.counting import INPUT, Counter, Passing, Shelf, feed, home, of_type, plant


class Filling(MemoryBus):
    """A bus that says how full it is, and takes no news when it is."""

    def __init__(self, *shares: float) -> None:
        super().__init__(1)
        self.shares, self.looks, self.closed = list(shares), 0, False

    async def fullness(self) -> float:
        self.looks += 1
        return self.shares.pop(0) if len(self.shares) > 1 else self.shares[0]

    async def append(self, place: Place, frames: Sequence[Frame]) -> int:
        if self.closed:
            raise Unavailable("OOM")
        return await super().append(place, frames)


def brakes(bus: MemoryBus, *readers: Reader, most_lag: int = 50) -> Brakes:
    return Brakes(home(bus), "acquisition", "plant", readers, most_lag)


async def held(found: Brakes) -> float:
    """Seconds that the source was held for."""
    began, signs = anyio.current_time(), list[float]()

    async def alive() -> None:
        signs.append(anyio.current_time())

    found._look_after = 0.0
    with anyio.fail_after(40):
        await found.hold(alive)
    took = anyio.current_time() - began
    assert took < 0.6 or signs, "its lease runs out meanwhile"
    return took


async def told(bus: MemoryBus) -> list[str]:
    return [event.pace for event in await of_type(bus, SourcePaceChanged)]


async def test_source_rests_the_longer_the_fuller_the_server_is() -> None:
    rests = [await held(brakes(Filling(share))) for share in (0.5, 0.73, 0.80)]
    assert rests[0] < 0.05
    assert rests[0] < rests[1] < rests[2]
    assert rests[2] == pytest.approx(1.0, abs=0.3), "two thirds of the way: it works a third of the time"


async def test_source_stands_still_near_the_limit_and_goes_on_by_itself() -> None:
    bus = Filling(0.9, 0.86, 0.84, 0.5)
    source = brakes(bus)
    took = await held(source)
    assert (took >= 1.4, bus.looks, source.pace) == (True, 4, "full")
    assert await told(bus) == ["stopped", "full"]


async def test_pace_does_not_change_with_every_look_near_a_limit() -> None:
    bus = Filling(0.70, 0.69, 0.70, 0.69, 0.67)
    source = brakes(bus)
    for _ in range(5):
        await held(source)
    assert await told(bus) == ["slow", "full"]


async def test_pace_that_cannot_be_told_is_kept_all_the_same() -> None:
    bus = Filling(0.71)
    bus.closed = True
    source = brakes(bus)
    await held(source)
    assert (source.pace, await told(bus)) == ("slow", [])


async def test_stop_is_seen_while_the_source_stands() -> None:
    bus = Filling(0.99)
    source = brakes(bus)
    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(held, source)
            await anyio.sleep(0.05)
            source.home.stop.set()


@pytest.mark.parametrize("group", [False, True])
async def test_everybody_downstream_counts_not_only_who_reads_the_readings(group: bool) -> None:
    bus = Filling(0.0)
    place = Place(DataQualityIncident.stream, 0)
    event = DataQualityIncident.of(cause="x", time=1, asset="a", kind="gap", state="open", detail="", since=0)
    await bus.append(place, [frame for _ in range(100) for frame in encode([event], "w")])
    await bus.subscribe("pager", [place])
    reader = Reader("pager", place.stream, group=True) if group else Reader("far<incidents", place.stream)
    source = brakes(bus, reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held, source)
        await anyio.sleep(0.1)
        assert source.pace == "stopped"
        if group:
            for delivery in await bus.fetch("pager", "one", [place], count=1000):
                await bus.settle("pager", place, delivery.entry)
        else:
            await bus.commit(Commit(0, "far<incidents", 1, "", "100"))
    assert source.pace == "full"


async def test_reader_that_never_began_counts_as_being_at_the_beginning() -> None:
    bus = Filling(0.0)
    await feed(bus, plant(100), 100, task="other")
    source = brakes(bus, Reader("new", INPUT))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held, source)
        await anyio.sleep(0.1)
        assert source.pace == "stopped"
        source.home.stop.set()


def test_followers_are_all_who_read_what_follows_from_the_readings() -> None:
    placed = [
        Placed("acquisition", "plant", Shelf()),
        Placed("validation", "validation", Passing()),
        Placed("counter", "counter", Counter()),
        Placed("notification", "notifier", Notifier()),
    ]
    found = Topology(placed).followers(ReadingsAcquired.stream)
    assert Reader("validation<readings.acquired", INPUT) in found
    assert Reader("counter<readings.acquired", INPUT) in found
    assert Reader("notifier<incidents", "incidents") in found, "two steps down"


@pytest.mark.parametrize(("full", "gone"), [(0.9, 100), (0.5, 0)])
async def test_lane_that_begins_again_for_lack_of_memory_lets_go_of_what_it_has_read(full: float, gone: int) -> None:
    bus = Filling(full)
    await feed(bus, plant(100), 100)
    place = Place(INPUT, 0)
    first = Lane(home(bus), Counter(), f"counter<{INPUT}", place, 1)
    await first.open()
    await first.step_or_bury((await bus.read({place: 0}, count=100))[place])
    assert await bus.trim(place, 100) == 0, "its snapshot is from before"
    again = Lane(home(bus), Counter(), f"counter<{INPUT}", place, 2)
    await again.open()
    assert again.position == 100
    assert await bus.trim(place, 100) == gone
    third = Lane(home(bus), Counter(), f"counter<{INPUT}", place, 3)
    await third.open()
    assert dump(third.state) == dump(again.state) == dump(first.state)
