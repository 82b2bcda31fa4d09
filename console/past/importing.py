"""Putting the acquired readings of a file into a log, each once: whatever is killed when, and however often it is told.

Each partition keeps how far it has come in the file, as the position of a task that is named by the file's digest. It
moves in the same commit as the readings.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import numpy as np

from agents.runtime.sources.backpressure import STOP_AT
from bus.protocol import Bus, Commit, Place
from bus.scan import scan
from contracts.errors import FileRefused, PositionMoved
from contracts.events import ReadingsAcquired
from contracts.frames import Frame, encode
from contracts.identity import partition_of
from contracts.readings import Readings

from ..output import say
from .incident import Incident

_STREAM = ReadingsAcquired.stream
_WRITER = "import"
#: All that import the same file have the same token: the position alone decides who of them was first.
_TOKEN = 1
_WAIT_S = 0.5
_COMMIT_FRAMES = 64

Progress = Callable[[int], None]


@dataclass
class Importing:
    """One file on its way into a log."""

    bus: Bus
    digest: str
    progress: Progress
    taken: int = 0
    _positions: dict[int, str] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """What keeps the position."""
        return f"import:{self.digest}"

    async def readings(self, parts: Iterable[Readings]) -> None:
        """Take readings as a source would: into the partitions of their assets; the numbers of both may differ."""
        await self._begin()
        row, some = 0, iter(parts)
        while (part := await anyio.to_thread.run_sync(next, some, None)) is not None:
            row += len(part)
            await self._take(part, row)
            self.progress(len(part))

    async def _take(self, part: Readings, row: int) -> None:
        """Take a part of the file that ends with a row."""
        number = np.array([partition_of(series.asset, self.bus.partitions) for series in part.series], np.int32)
        partition = number[part.code]
        for each in np.unique(partition).tolist():
            if int(self._positions[each] or 0) >= row:
                continue
            event = ReadingsAcquired(part.take(np.flatnonzero(partition == each)))
            await self._commit(each, row, list(encode([event], _WRITER)), len(event))

    async def entries(self, incident: Incident) -> None:
        """Take the entries of a bundle exactly as they are, ticks included.

        Raises FileRefused when the log has another number of partitions, or readings from elsewhere.
        """
        archive = incident.archive
        if archive.partitions != self.bus.partitions:
            raise FileRefused(
                f"the bundle has {archive.partitions} partitions, this log {self.bus.partitions}",
                mend="Begin another log with as many (bus.partitions), or import its readings from a Parquet export",
            )
        await self._begin()
        places = [Place(_STREAM, number) for number in range(archive.partitions)]
        await self._check_empty(places)
        for place, end in (await archive.ends(places)).items():
            frames: list[Frame] = []
            async for found in scan(archive, place, int(self._positions[place.partition] or 0) + 1, end):
                if found.problem:
                    say(f"left out, event {found.entry.first:,} of partition {place.partition}: {found.problem}")
                else:
                    # The bytes go in as they came out.
                    frames.append(found.entry.frame())
                if frames and (len(frames) == _COMMIT_FRAMES or found.entry.last == end):
                    count = sum(frame.count for frame in frames)
                    await self._commit(place.partition, found.entry.last, frames, count)
                    self.progress(count)
                    frames = []

    async def _check_empty(self, places: list[Place]) -> None:
        for place, end in (await self.bus.ends(places)).items():
            if end and not self._positions[place.partition]:
                raise FileRefused(
                    f"partition {place.partition} of this log holds readings from elsewhere already",
                    mend="Begin another log in a data directory of its own",
                )

    async def _begin(self) -> None:
        for number in range(self.bus.partitions):
            self._positions[number] = await self.bus.fence(number, self.task, _TOKEN)

    async def _commit(self, partition: int, position: int, frames: list[Frame], count: int) -> None:
        await self._wait_for_room()
        outputs = [(_STREAM, frame) for frame in frames]
        before = self._positions[partition]
        try:
            await self.bus.commit(Commit(partition, self.task, _TOKEN, before, str(position), outputs))
        except PositionMoved as error:
            # Somebody else imports the same file: what they have written is there once, and need not come from us.
            if int(error.found or 0) < position:
                raise
            self._positions[partition] = error.found
            return
        self._positions[partition] = str(position)
        self.taken += count

    async def _wait_for_room(self) -> None:
        told = False
        while await self.bus.fullness() > STOP_AT:
            if not told:
                say(
                    "waiting: the server's memory is nearly full; it goes on when the service has worked some of it off"
                )
                told = True
            await anyio.sleep(_WAIT_S)
