"""What the fleet runs: a source, three processors one after the other, a sink with receipts and a recorder.

Every output tells of the state and the position that it came from, so that a wrong one of either shows in the log.
"""

import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

import anyio

from agents.parts import Batch, Harvest, Processor, Recorder, Sink
from agents.topology import Placed, Topology
from bus.archive import Archive
from contracts.errors import Diverged
from contracts.events import (
    AnyEvent,
    DataQualityIncident,
    Event,
    LineageRecorded,
    NotificationDue,
    ReadingsAccepted,
)
from tests.unit.runtime.counting import Passing, Shelf

PARTITIONS = 4
READINGS, ASSETS, BATCH = 1500, 12, 10
#: Tasks that keep a position, and the stream that each reads.
TASKS = {"passing": "readings.acquired", "counter": "readings.accepted", "teller": "incidents", "recorder": "incidents"}
SOURCE, SINK = "plant", "post"


class PacedShelf(Shelf):
    """A shelf that takes its time, so that there is something to disturb."""

    pause_s: float = 0.0

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        async for harvest in super().harvests(name, resume):
            yield harvest
            await anyio.sleep(self.pause_s)


@dataclass
class Sums:
    """Count and sum of each asset's values."""

    by_asset: dict[str, list[float]] = field(default_factory=dict)


class Summing(Processor[ReadingsAccepted, DataQualityIncident, Sums]):
    """Says the sum of everything so far on every third reading of an asset."""

    def start(self) -> Sums:
        return Sums()

    def handle(self, event: ReadingsAccepted, state: Sums) -> Iterator[DataQualityIncident]:
        readings = event.readings
        for row, name in enumerate(readings.ids()):
            series = readings.series[int(readings.code[row])]
            seen = state.by_asset.setdefault(series.asset, [0, 0.0])
            seen[0] += 1
            seen[1] += float(readings.value[row])
            if seen[0] % 3 == 0:
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


@dataclass
class Heard:
    """How many incidents there were, and a digest over all of them in their order."""

    count: int = 0
    chain: str = ""


class Telling(Processor[DataQualityIncident, NotificationDue, Heard]):
    """A notification for every incident, which names all incidents before it."""

    def start(self) -> Heard:
        return Heard()

    def handle(self, event: DataQualityIncident, state: Heard) -> Iterator[NotificationDue]:
        state.count += 1
        state.chain = blake2b(f"{state.chain} {event.id} {event.detail}".encode(), digest_size=8).hexdigest()
        yield NotificationDue.of(
            cause=event.id,
            time=event.time,
            asset=event.asset,
            channel=event.channel,
            subject=f"incident {state.count}",
            body=state.chain,
            severity="info",
            finding=event.id,
            key=f"{event.id}/{state.count}",
        )


class Post(Sink[NotificationDue]):
    """Writes the key of every notification into a file, and waits for the disk."""

    file: Path

    async def deliver(self, event: NotificationDue) -> None:
        append_line(self.file, event.key)


class Bookkeeper(Recorder[DataQualityIncident]):
    """One file per batch, named by its range; finds its own earlier file."""

    linger_s: ClassVar[float] = 0.2
    folder: Path

    async def record(self, batch: Batch) -> Sequence[Event]:
        text = json.dumps([ids(event) for event in batch.events])
        file = self.folder / f"{batch.partition}-{batch.first}-{batch.last}.json"
        if not file.exists():
            draft = file.with_suffix(f".{os.getpid()}")
            draft.write_text(text)
            draft.replace(file)
        elif file.read_text() != text:
            raise Diverged(f"{file.name} holds something else")
        return [
            LineageRecorded.of(
                cause=f"{batch.stream}/{batch.first}",
                time=batch.last,
                asset="recorder",
                run_id="none",
                findings=batch.stream,
                first=batch.first,
                last=batch.last,
                digest="",
            )
        ]


def ids(event: AnyEvent) -> str:
    """What the bookkeeper keeps of an event."""
    assert isinstance(event, DataQualityIncident)
    return f"{event.id} {event.detail}"


def append_line(file: Path, text: str) -> None:
    """Add a line and wait until it is on disk; several processes do so at once."""
    line = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(line, f"{text}\n".encode())
        os.fsync(line)
    finally:
        os.close(line)


def archive_in(folder: Path) -> Archive:
    """The archive of a fleet."""
    return Archive(folder / "archive", "chaos", PARTITIONS)


def topology(folder: Path, *, pause_s: float = 0.0) -> Topology:
    """All parts; what they do in the world happens below ``folder``."""
    books = folder / "books"
    books.mkdir(parents=True, exist_ok=True)
    return Topology(
        [
            Placed(SOURCE, SOURCE, PacedShelf(count=READINGS, assets=ASSETS, batch=BATCH, pause_s=pause_s)),
            Placed("passing", "passing", Passing()),
            Placed("counter", "counter", Summing()),
            Placed("teller", "teller", Telling()),
            Placed(SINK, SINK, Post(file=folder / "post")),
            Placed("recorder", "recorder", Bookkeeper(folder=books)),
        ]
    )
