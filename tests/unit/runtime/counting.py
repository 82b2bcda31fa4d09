"""Small parts for tests of the runtime: a processor that counts, a bus that fails when told to, a clock that stands."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import anyio
import numpy as np

from agents.clock import Clock
from agents.parts import Harvest, Processor, Source
from agents.runtime.home import Home
from agents.runtime.lanes.processing import ProcessorRunner
from bus.protocol import Bus, Commit, Place, Recorded
from contracts.errors import Unavailable
from contracts.events import (
    AnyEvent,
    ClockTicked,
    DataQualityIncident,
    Event,
    ReadingsAccepted,
    ReadingsAcquired,
    ReadingsEvent,
    SourceFinished,
)
from contracts.frames import decode, encode
from contracts.identity import partition_of
from contracts.readings import Int64, Readings, Series
from contracts.settings import BusSettings

#: A reading with this value cannot be handled.
POISON = 666.0
INPUT = ReadingsAcquired.stream


@dataclass
class Counts:
    """What the counter remembers: an array, and a table of a size that it cannot know."""

    total: Int64
    by_series: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    ticks: int = 0


class Counter(Processor[ReadingsAcquired | ClockTicked, DataQualityIncident, Counts]):
    """Counts and sums each series, and says so on every k-th of its readings; passes each batch on."""

    every: int = 5

    def start(self) -> Counts:
        return Counts(np.zeros(1, np.int64))

    def handle(self, event: ReadingsAcquired | ClockTicked, state: Counts) -> Iterator[DataQualityIncident]:
        if isinstance(event, ClockTicked):
            state.ticks += 1
            return
        readings = event.readings
        for row, name in enumerate(readings.ids()):
            series, value = readings.series[int(readings.code[row])], float(readings.value[row])
            state.total[0] += 1
            if value == POISON:
                raise ValueError("this reading cannot be handled")
            seen = state.by_series.setdefault((series.asset, series.channel), [0, 0.0])
            seen[0] += 1
            seen[1] += value
            if seen[0] % self.every == 0:
                yield DataQualityIncident.of(
                    cause=name,
                    time=int(readings.time[row]),
                    asset=series.asset,
                    channel=series.channel,
                    kind="stuck",
                    state="open",
                    detail=repr(seen[1]),
                    since=readings.first + row,
                    count=int(seen[0]),
                )


class Passing(Processor[ReadingsAcquired, ReadingsAccepted, Counts]):
    """Passes every reading on: its outputs are readings."""

    def start(self) -> Counts:
        return Counts(np.zeros(1, np.int64))

    def handle(self, event: ReadingsAcquired, state: Counts) -> Iterator[ReadingsAccepted]:
        state.total[0] += len(event)
        yield ReadingsAccepted(event.readings)


def plant(count: int, assets: int = 3, poison: Sequence[int] = ()) -> Readings:
    """``count`` readings of some machines, one after the other; the same every time."""
    rows = np.arange(count, dtype=np.int64)
    values = np.sin(rows * 0.1) * 10
    values[list(poison)] = POISON
    series = [Series("plant", f"m{number}", "temp") for number in range(assets)]
    return Readings.of(series, rows % assets, rows * 1_000_000_000, values, rows)


async def feed(bus: Bus, readings: Readings, cut: int, task: str = "source:plant") -> None:
    """Put readings into the log, in frames of at most ``cut``."""
    for partition in range(bus.partitions):
        mine = np.array([partition_of(series.asset, bus.partitions) == partition for series in readings.series])
        rows = np.flatnonzero(mine[readings.code])
        if len(rows):
            frames = [
                (INPUT, frame)
                for part in readings.take(rows).cut(cut)
                for frame in encode([ReadingsAcquired(part)], "plant")
            ]
            await bus.commit(Commit(partition, task, 1, "", "1", frames))


async def events(bus: Recorded, stream: str, partition: int) -> list[AnyEvent]:
    """All events of a place; readings one by one, so that frames do not matter."""
    found: list[AnyEvent] = []
    for entry in await bus.range(Place(stream, partition), 1, 10**9, count=10**6):
        for event in decode(entry.frame(), entry.last):
            if isinstance(event, ReadingsEvent):
                found += [type(event)(part) for part in event.readings.cut(1)]
            else:
                found.append(event)
    return found


def told(event: AnyEvent) -> str:
    """An event as a text that is equal when the event is."""
    if isinstance(event, Event):
        return f"{type(event).__name__} {event.model_dump_json()}"
    readings = event.readings
    return f"{type(event).__name__} {readings.ids()} {readings.time.tolist()} {readings.value.tobytes().hex()}"


async def story(bus: Bus, *streams: str) -> list[str]:
    """Everything in some streams, as texts."""
    return [
        f"{stream}/{partition}: {told(event)}"
        for stream in streams
        for partition in range(bus.partitions)
        for event in await events(bus, stream, partition)
    ]


async def of_type(bus: Recorded, kind: type[Any], stream: str = "") -> list[Any]:
    """All events of a type, in all partitions."""
    name = stream or kind.stream
    return [
        event
        for partition in range(bus.partitions)
        for event in await events(bus, name, partition)
        if isinstance(event, kind)
    ]


@dataclass
class Hands:
    """A clock that stands until a test moves it."""

    now_s: float = 1000.0

    @property
    def clock(self) -> Clock:
        return Clock(wall_ns=lambda: int(self.now_s * 1e9), monotonic_s=lambda: self.now_s)


def home(bus: Any, owner: str = "one", clock: Clock | None = None, **settings: Any) -> Home:
    """Surroundings with short pauses; ``bus`` may be anything that does what a bus does."""
    given = {"backoff_s": 0.01, "backoff_max_s": 0.02, "lease_s": 1.0, **settings}
    return Home(bus, owner, BusSettings(**given), clock or Clock())


class Fragile:
    """A bus whose writes fail where a test says so: before they are applied, or after."""

    def __init__(self, inner: Bus, fails: Callable[[str, int], str] = lambda verb, number: "") -> None:
        self.inner, self.fails = inner, fails
        self.calls: dict[str, int] = {}
        self.commits: list[Commit] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in ("commit", "settle", "append", "save", "fence", "renew", "read"):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            number = self.calls[name] = self.calls.get(name, 0) + 1
            if name == "commit":
                self.commits.append(args[0])
            when = self.fails(name, number)
            if when == "before":
                raise Unavailable("the line is dead")
            result = await found(*args, **named)
            if when == "after":
                raise Unavailable("the reply was lost")
            return result

        return call


class Shelf(Source):
    """A source with an end that can repeat: the readings of a plant, in harvests of some rows."""

    endless: ClassVar[bool] = False
    count: int = 60
    assets: int = 9
    batch: int = 7
    breaks_at: int = 10**9
    """Position at which it cannot be read any further."""

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        readings = plant(self.count, self.assets)
        for start in range(int(resume or 0), self.count, self.batch):
            if start >= self.breaks_at:
                raise OSError("the shelf is broken")
            stop = min(start + self.batch, self.count)
            yield Harvest(readings.take(slice(start, stop)), str(stop))


async def acquired(bus: Bus) -> list[tuple[str, int, float]]:
    """Asset, position and value of everything that was acquired, by partition."""
    return [
        (event.readings.series[0].asset, int(event.readings.position[0]), float(event.readings.value[0]))
        for event in await of_type(bus, ReadingsAcquired)
    ]


async def finished(bus: Bus) -> list[SourceFinished]:
    return await of_type(bus, SourceFinished)


async def caught_up(bus: Bus, task: str, stream: str = INPUT) -> None:
    """Wait until a task has come to the end of a stream in every partition."""
    places = [Place(stream, number) for number in range(bus.partitions)]
    ends = await bus.ends(places)
    with anyio.fail_after(20):
        for place, end in ends.items():
            while int(await bus.position(place.partition, task) or 0) < end:  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.01)


async def process(surroundings: Home, processor: Any, name: str = "counter", stream: str = INPUT) -> ProcessorRunner:
    """Run a processor until it has handled everything that is there, and stop it."""
    runner = ProcessorRunner(surroundings, name, processor, stream)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await caught_up(surroundings.bus, runner.task, stream)
        surroundings.stop.set()
    return runner
