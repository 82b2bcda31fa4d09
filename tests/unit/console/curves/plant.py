"""A log with an archive and one series in it, for the tests of curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from console.curves.asked import Asked
from console.curves.pieces import Missing, Piece, pieces
from console.curves.series import Curves, Found
from contracts.events import AnyEvent, ReadingsAccepted
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.instants import SECOND
from contracts.readings import Float64, Int64, Readings, Series
from tests.unit.notification.made import T0

PARTITIONS = 2
NUMBER = partition_of("pump", PARTITIONS)
PLACE = Place(ReadingsAccepted.stream, NUMBER)


class PlantLog:
    """Readings of ``pump/temperature``, among those of ``pump/flow`` and of another machine."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.archive = MemoryBus(PARTITIONS), Archive(folder / "archive", "log", PARTITIONS)
        self.history = History(self.archive, self.bus)
        self.curves = Curves(self.history)

    async def put(self, *events: AnyEvent, partition: int = NUMBER) -> None:
        for event in events:
            await self.bus.append(Place(event.stream, partition), list(encode([event], "test")))

    async def read(self, values: Sequence[float] | Float64, *, first: int = 0, rows: int = 100, step: int = 1) -> None:
        """One reading a ``step`` seconds, from ``first`` on."""
        for begin in range(0, len(values), rows):
            part = np.asarray(values[begin : begin + rows], float)
            await self.put(ReadingsAccepted(readings(first + (begin + np.arange(len(part))) * step, part)))

    async def keep(self, upto: int, size: int, place: Place = PLACE, *, trim: bool = True) -> None:
        """Archive the events up to an ordinal in segments of about ``size``, and take them out of the log."""
        first = await self.archive.end(place) + 1
        while first <= upto:
            entries = [e for e in await self.bus.range(place, first, first + size - 1, count=10**6) if e.last <= upto]
            await self.archive.add(place, entries)
            first = entries[-1].last + 1
        if trim:
            await self.bus.trim(place, upto)

    async def pieces(self) -> list[Piece]:
        """As a curve is read."""
        return await pieces(self.history, PLACE, Missing())

    async def ask(self, since: float | None = None, until: float | None = None, **more: Any) -> Found:
        """The curve from one second to another."""
        bounds = [None if each is None else T0 + round(each * SECOND) for each in (since, until)]
        name = {"asset": "pump", "channel": "temperature"} | more
        return await self.curves.of(Asked(since=bounds[0], until=bounds[1], **name))


def readings(seconds: Int64, values: Float64, source: str = "s") -> Readings:
    """Of the series at some seconds, among others with values that would stand out."""
    series = [
        Series(source, "pump", "temperature"),
        Series(source, "pump", "flow"),
        Series(source, "fan", "temperature"),
    ]
    time, value = np.repeat(T0 + seconds * SECOND, 3), np.repeat(values, 3)
    code = np.tile(np.arange(3), len(seconds))
    return Readings.of(series, code, time, np.where(code == 0, value, 1e6), np.repeat(seconds, 3))


def seconds(found: Found) -> list[float]:
    """When the points of a curve are."""
    return [(time - T0) / SECOND for time in found.curve.times.tolist()]
