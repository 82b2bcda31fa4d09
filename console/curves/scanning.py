"""One series in one stream: how its readings are found among those of its partition, and what is remembered of them."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from agents.clock import Clock
from bus.history import History
from contracts.events import AnyEvent, DriftAcknowledged, ModelServed, ReadingsEvent
from contracts.readings import Float64, Int64, Readings, Series

from .asked import Asked
from .pieces import Missing, Piece, read
from .trace import Trace

#: Steps of what is remembered of a segment, and numbers that are remembered of all together.
_STEPS, _REMEMBERED = 32, 2_000_000
#: What is remembered stands for the readings where a step of the curve is so many times as long as one of its own.
_FINER = 4
Decided = ModelServed | DriftAcknowledged
Span = tuple[int, int]


class Left(Exception):
    """Nobody waits for the answer any more."""


@dataclass
class Deadline:
    """How long one answer may take; ``gone`` says whether nobody waits for it any more."""

    seconds: float
    gone: Callable[[], Awaitable[bool]]
    clock: Clock = field(default_factory=Clock)
    end: float = 0.0

    def __post_init__(self) -> None:
        self.end = self.clock.monotonic_s() + self.seconds

    async def over(self) -> bool:
        """Raises Left."""
        if await self.gone():
            raise Left
        return self.clock.monotonic_s() > self.end


class Rows:
    """Which rows of batches are of one series; several sources may tell of it."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._known: dict[int, tuple[tuple[Series, ...], list[int]]] = {}
        self.channels: set[str] = set()

    def of(self, readings: Readings) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
        """A flag for each row; None where there is none of it."""
        codes = self._codes(readings.series)
        if not codes:
            return None
        rows: np.ndarray[tuple[int], np.dtype[np.bool_]] = readings.code == codes[0]
        for code in codes[1:]:
            rows |= readings.code == code
        return rows

    def _codes(self, series: tuple[Series, ...]) -> list[int]:
        # Batches of a source mostly come with one and the same tuple; it is kept, so its address means it alone.
        if (known := self._known.get(id(series))) is not None:
            return known[1]
        mine = [(number, each) for number, each in enumerate(series) if each.asset == self._asked.asset]
        self.channels.update(each.channel for _, each in mine)
        codes = [number for number, each in mine if each.channel == self._asked.channel]
        if len(self._known) > 256:
            self._known.clear()
        self._known[id(series)] = series, codes
        return codes


@dataclass
class Part:
    """Readings of a series in a range, and changes of models and references that stand among them.

    served   event time, as of the reading of the partition before, with what was decided there
    """

    rows: Rows
    span: Span
    trace: Trace
    served: list[tuple[int, Decided]] = field(default_factory=list)
    _at: int = 0
    _waiting: list[Decided] = field(default_factory=list)

    def take(self, event: AnyEvent) -> None:
        """Take in one event of the stream."""
        if isinstance(event, Decided):
            if self._at:
                self.served.append((self._at, event))
            else:
                self._waiting.append(event)
        elif isinstance(event, ReadingsEvent) and len(event):
            time = event.readings.time
            self.served += [(int(time[0]), each) for each in self._waiting]
            self._waiting.clear()
            self._at = int(time[-1])
            self._readings(event.readings)

    def _readings(self, readings: Readings) -> None:
        rows = self.rows.of(readings)
        if rows is None:
            return
        time, value = readings.time[rows], readings.value[rows]
        inside = (time >= self.span[0]) & (time <= self.span[1]) & np.isfinite(value)
        if not inside.all():
            time, value = time[inside], value[inside]
        if len(time):
            self.trace.add(time, value)


@dataclass(frozen=True)
class Extract:
    """What is remembered of a series in a segment: the extremes of a few steps of time."""

    count: int
    times: Int64
    values: Float64
    served: tuple[tuple[int, Decided], ...]

    @property
    def weight(self) -> int:
        return len(self.times) + 64


class Extracts:
    """Extracts of segments that were read: they never change, so a long range is read once."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most, self._weight = most, 0
        self._kept: OrderedDict[tuple[str, str, str], Extract] = OrderedDict()

    def get(self, piece: Piece, name: str) -> Extract | None:
        """None where the segment was not read yet."""
        found = self._kept.get(_key(piece, name))
        if found is not None:
            self._kept.move_to_end(_key(piece, name))
        return found

    def put(self, piece: Piece, name: str, extract: Extract) -> None:
        """The longest unused go when there are too many."""
        self._kept[_key(piece, name)] = extract
        self._weight += extract.weight
        while self._weight > self._most:
            self._weight -= self._kept.popitem(last=False)[1].weight


def _key(piece: Piece, name: str) -> tuple[str, str, str]:
    return (piece.segment.file, piece.segment.digest, name) if piece.segment else ("", "", name)


@dataclass
class Scan:
    """Reads a series out of the pieces of one stream."""

    history: History
    asked: Asked
    rows: Rows
    missing: Missing
    deadline: Deadline
    extracts: Extracts

    async def go(self, found: list[Piece], span: Span, trace: Trace) -> list[tuple[int, Decided]]:
        """Read the range into ``trace``; what was decided there. Raises Unavailable."""
        served: list[tuple[int, Decided]] = []
        step = (span[1] - span[0]) // trace.steps
        near = [piece for piece in reversed(found) if piece.near(*span)]
        for number, piece in enumerate(near):
            if await self.deadline.over():
                self._late(near[number:], span)
                break
            extract = await self._extract(piece, span, step)
            if extract is not None:
                trace.add(extract.times, extract.values, extract.count)
                served += extract.served
                continue
            part = Part(self.rows, span, trace)
            await read(self.history, piece, self.missing, part.take)
            served += part.served
        return sorted((each for each in served if span[0] <= each[0] <= span[1]), key=lambda each: each[0])

    async def _extract(self, piece: Piece, span: Span, step: int) -> Extract | None:
        """What stands for a segment where the curve is too coarse to show more of it."""
        if piece.times is None or not piece.inside(*span):
            return None
        if (piece.times[1] - piece.times[0]) // _STEPS * _FINER > step:
            return None
        known = self.extracts.get(piece, self.asked.name)
        if known is not None:
            return known
        part = Part(self.rows, piece.times, Trace(piece.times, most=2 * _STEPS, steps=_STEPS))
        whole = await read(self.history, piece, self.missing, part.take)
        times, values = part.trace.points()
        extract = Extract(part.trace.count, times, values, tuple(part.served))
        if whole:
            self.extracts.put(piece, self.asked.name, extract)
        return extract

    def _late(self, rest: list[Piece], span: Span) -> None:
        known = [piece.times for piece in rest if piece.times]
        since = max(span[0], min((first for first, _ in known), default=span[0]))
        until = min(span[1], max((last for _, last in known), default=span[1]))
        why = f"not read within {self.deadline.seconds:g} s: ask again, or for a shorter range"
        self.missing.late = True
        events = sum(piece.last - piece.first + 1 for piece in rest)
        self.missing.add(f"{events:,} events were {why}", since, until)
