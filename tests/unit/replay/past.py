"""A past to run again: a live run of small processors, killed nowhere, saved now and then, archived."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from agents.letters import boxed
from agents.parts import Processor, Source
from agents.replay.planning import Planner
from agents.replay.rerun import Rerun
from agents.runtime.home import outputs
from agents.runtime.lanes.lane import Lane
from agents.topology import Placed, Topology
from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from bus.saved import Saved
from bus.scan import FACTS, STREAMS
from console.past.comparing import Comparison
from console.past.following import Following
from console.past.scope import Scope
from contracts.events import (
    AnyEvent,
    ClockTicked,
    DataQualityIncident,
    NotificationDue,
    ReadingsAccepted,
    ReadingsAcquired,
    Redriven,
)
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.instants import SECOND
from tests.unit.runtime.counting import INPUT, Counter, Counts, Passing, Shelf, home, plant

PARTITIONS = 3


class Echo(Processor[ReadingsAccepted | DataQualityIncident, NotificationDue, Counts]):
    """Tells of every third event that it reads, with how many there were: the order in which they came shows."""

    salt: str = ""
    who: str = ""

    def start(self) -> Counts:
        return Counts(Passing().start().total)

    def handle(self, event: ReadingsAccepted | DataQualityIncident, state: Counts) -> Iterator[NotificationDue]:
        if isinstance(event, ReadingsAccepted):
            for row, name in enumerate(event.readings.ids()):
                yield from self._count(event, row, name, state)
            return
        state.total[0] = (state.total[0] * 31 + len(event.detail) + event.count) % 1_000_003
        yield self._told(event.id, event.time, event.asset, f"{event.detail} {state.total[0]}")

    def _count(self, event: ReadingsAccepted, row: int, name: str, state: Counts) -> Iterator[NotificationDue]:
        state.total[0] += 1
        if state.total[0] % 3 == 0:
            asset = event.readings.series[int(event.readings.code[row])].asset
            yield self._told(
                name, int(event.readings.time[row]), asset, f"{event.readings.first + row} {state.total[0]}"
            )

    def _told(self, cause: str, time: int, asset: str, text: str) -> NotificationDue:
        return NotificationDue.of(
            cause=cause,
            time=time,
            asset=asset,
            discriminator=self.who,
            subject=text + self.salt,
            body="",
            severity="info",
            finding=cause,
            key=cause,
        )


def topology(**changed: Any) -> Topology:
    """Five processors, of which two write to a stream that two others read."""
    parts = {
        "pass": Passing(),
        "fives": Counter(),
        "threes": Counter(every=3),
        "echo": Echo(),
        "mirror": Echo(who="mirror"),
    }
    return Topology(
        [Placed("shelf", "shelf", Shelf()), *(Placed(name, name, part) for name, part in {**parts, **changed}.items())]
    )


@dataclass
class Past:
    """What a live run left: a bus, and an archive of all of it."""

    random: Random
    folder: Path
    count: int = 320
    saves: float = 0.15
    poison: tuple[int, ...] = (33, 120, 121, 280)
    redriven: int = 0
    """How many incidents are given to the echo a second time, by somebody who redrives them."""
    topology: Topology = field(default_factory=topology)

    def __post_init__(self) -> None:
        self.bus = MemoryBus(PARTITIONS)
        self.archive = Archive(self.folder, "past", PARTITIONS)
        self.lanes: list[Lane] = []

    async def live(self) -> "Past":
        """Let it happen: everybody reads as much as chance has it, and saves when chance has it."""
        await self._acquire()
        surroundings = home(self.bus)
        for item in self.topology.placed:
            if isinstance(item.part, Source):
                continue
            for stream in self.topology.inputs(item.part):
                for number in range(PARTITIONS):
                    lane = Lane(surroundings, item.part, f"{item.name}<{stream}", Place(stream, number), 1)  # type: ignore[arg-type] # all are processors
                    await lane.open()
                    self.lanes.append(lane)
        quiet = 0
        while quiet < 40 * len(self.lanes):
            if self.redriven and self.random.random() < 0.1:
                await self._redrive(Place("incidents", self.random.randrange(PARTITIONS)))
            quiet = 0 if await self._step(self.random.choice(self.lanes)) else quiet + 1
        await self._archive()
        return self

    async def _redrive(self, place: Place) -> None:
        entries = await self.bus.range(place, 1, 1 << 40, count=1 << 40)
        chosen = [entry for entry in entries if b"DataQualityIncident" in entry.fields[b"t"]]
        if chosen:
            entry = self.random.choice(chosen)
            event = Redriven.of(
                cause=str(self.redriven),
                time=0,
                asset="dlq",
                agent="echo<incidents",
                origin=place.stream,
                position=entry.last,
                frame=boxed(entry.fields),
            )
            await self.bus.append(place, list(encode([event], "dlq")))
            self.redriven -= 1

    async def _acquire(self) -> None:
        readings = plant(self.count, 9, self.poison)
        cut = self.random.randint(1, 9)
        for number, part in enumerate(readings.cut(cut)):
            time = int(part.time[-1])
            for partition in range(PARTITIONS):
                mine = [partition_of(series.asset, PARTITIONS) == partition for series in part.series]
                rows = np.flatnonzero(np.array(mine)[part.code])
                tick = ClockTicked.of(cause=f"t{number}", time=time, asset="clock", discriminator=str(partition))
                events: list[AnyEvent] = [
                    *([ReadingsAcquired(part.take(rows))] if len(rows) else []),
                    *([tick] if number % 7 == 0 else []),
                ]
                if events:
                    known = await self.bus.position(partition, "source")
                    frames = outputs(events, "shelf")
                    await self.bus.commit(Commit(partition, "source", 1, known, str(number + 1), frames))

    async def _step(self, lane: Lane) -> bool:
        most = self.random.randint(1, 5)
        found = (await self.bus.read({lane.place: lane.position}, count=most)).get(lane.place)
        if not found:
            return False
        await lane.step_or_bury(found[: self.random.randint(1, most)])
        if self.random.random() < self.saves:
            await lane.save_if_due(now=True)
            newest = (await self.bus.snapshots(lane.place.partition, lane.task))[0]
            await self.archive.keep(lane.place.partition, lane.task, newest, most=1000)
        return True

    async def _archive(self) -> None:
        for stream in STREAMS:
            for number in range(PARTITIONS):
                place = Place(stream, number)
                entries = await self.bus.range(place, 1, 1 << 40, count=1 << 40)
                size = self.random.randint(15, 90)
                for start in range(0, len(entries), size):
                    await self.archive.add(place, entries[start : start + size])

    @property
    def history(self) -> History:
        """The archive alone, as in a bundle."""
        return History(self.archive, self.archive)

    @property
    def saved(self) -> Saved:
        return Saved(self.archive)

    def planner(self, since: int, until: int, *, agents: tuple[str, ...] = (), **more: Any) -> Planner:
        found = more.get("topology", self.topology)
        chosen = [item for item in found.only(agents) if isinstance(item.part, Processor)]
        saved = more.get("saved", self.saved)
        return Planner(found, chosen, more.get("history", self.history), saved, since, until)

    async def compared(self, planner: Planner) -> tuple[Comparison, list[int]]:
        """The comparison of a replay with the record, and the position at which each task began."""
        comparison, positions = Comparison(), list[int]()
        for number in range(PARTITIONS):
            passage = await planner.passage(number)
            if passage is None:
                continue
            positions += [start.position for start in passage.starts]
            rerun = Rerun(planner.topology, PARTITIONS)
            streams = sorted({s for s in FACTS if s != INPUT} & set(passage.outputs()))
            scope = Scope(planner.since, planner.until)
            following = Following(rerun, passage, streams, scope, comparison.take, planner.history)
            await following.begin()
            lacks = partial(following.lacks, comparison)
            await rerun.run(planner.history, passage, lambda count: None, following.look, lacks)
            await following.end()
        return comparison, positions


def at(second: int) -> int:
    """The time of a reading of the plant."""
    return second * SECOND
