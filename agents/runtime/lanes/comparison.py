"""Holds what a recovery computes again against what the same task committed at that time.

Events are compared by their JSON, readings by their columns, however either was cut into entries. Other writers of
the same streams and operational events are left out. Both sides are read a page at a time.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from anyio import to_thread

from bus.protocol import Entry, Place, Recorded
from contracts.errors import Diverged, UnreadableEvent
from contracts.events import AnyEvent, Event, ReadingsEvent
from contracts.frames import decode, encode
from contracts.readings import Readings, Series

from ..home import log

_PAGE = 64
_INLINE = 64
_SHOWN = 200

MEND = (
    "The processor gives other outputs for the same input: look for a clock, randomness, the order of a set, or "
    "memory outside its state. With its code or configuration mended it goes on from here"
)


@dataclass
class _Track:
    """One output stream: what was recorded and not compared yet."""

    place: Place
    after: int
    upto: int
    waiting: deque[AnyEvent] = field(default_factory=deque)
    blind: bool = False


class Comparison:
    """The outputs that a task committed behind some ends of its streams, in order."""

    def __init__(self, recorded: Recorded, task: str, ends: Mapping[Place, int], now: Mapping[Place, int]) -> None:
        self._recorded, self._task = recorded, task
        self._tracks = {place.stream: _Track(place, after, now[place]) for place, after in ends.items()}

    async def check(self, computed: Sequence[AnyEvent], where: str) -> None:
        """Compare what comes next. Raises Diverged, naming the first event that is another one."""
        by_stream: dict[str, deque[AnyEvent]] = {}
        for event in computed:
            if not event.operational and event.stream in self._tracks and _size(event):
                by_stream.setdefault(event.stream, deque()).append(event)
        for stream, events in by_stream.items():
            track = self._tracks[stream]
            while events and not track.blind:
                if not track.waiting and not await self._read(track):
                    if not track.blind:
                        self._differs(track, where, "nothing more", _told(events[0]))
                    break
                few = min(len(track.waiting), len(events)) <= _INLINE
                meeting = (
                    _meet(track.waiting, events) if few else await to_thread.run_sync(_meet, track.waiting, events)
                )
                if difference := meeting:
                    self._differs(track, where, *difference)

    async def finish(self, where: str) -> None:
        """Nothing more may be recorded. Raises Diverged when there is."""
        for track in self._tracks.values():
            if not track.blind and (track.waiting or await self._read(track)):
                self._differs(track, where, _told(track.waiting[0]), "nothing more")

    def _differs(self, track: _Track, where: str, recorded: str, computed: str) -> None:
        raise Diverged(
            f"{self._task} on partition {track.place.partition}: computed again from {where}, {track.place.stream} "
            f"differs: recorded was {recorded}, now it is {computed}",
            mend=MEND,
        )

    async def _read(self, track: _Track) -> bool:
        """Get more of what was recorded; False at its end, or where it cannot be told any more."""
        while not track.waiting and track.after < track.upto and not track.blind:
            entries = await self._recorded.range(track.place, track.after + 1, track.upto, count=_PAGE)
            try:
                track.waiting.extend(await to_thread.run_sync(self._own, track, entries))
            except UnreadableEvent as error:
                track.blind = True
                log.warning("outputs cannot be compared", task=self._task, stream=track.place.stream, cause=str(error))
        return bool(track.waiting) and not track.blind

    def _own(self, track: _Track, entries: Sequence[Entry]) -> list[AnyEvent]:
        found: list[AnyEvent] = []
        if not entries:
            raise UnreadableEvent(f"events {track.after + 1}-{track.upto} are not in the log any more")
        for entry in entries:
            if entry.first > track.after + 1:
                raise UnreadableEvent(f"events {track.after + 1}-{entry.first - 1} are not in the log any more")
            track.after = entry.last
            frame = entry.frame()
            if frame.writer == self._task:
                found += [event for event in decode(frame, entry.last) if not event.operational]
        return found


def _size(event: AnyEvent) -> int:
    return len(event) if isinstance(event, ReadingsEvent) else 1


def _meet(recorded: deque[AnyEvent], computed: deque[AnyEvent]) -> tuple[str, str] | None:
    """Take off what is the same; the first pair that is not, as two texts."""
    while recorded and computed:
        a, b = recorded[0], computed[0]
        if isinstance(a, ReadingsEvent) and isinstance(b, ReadingsEvent) and type(a) is type(b):
            n = min(len(a), len(b))
            if (row := _first_difference(a.readings, b.readings, n)) is not None:
                return _reading(a, row), _reading(b, row)
            _advance(recorded, n)
            _advance(computed, n)
        elif isinstance(a, Event) and isinstance(b, Event) and type(a) is type(b) and _same(a, b):
            recorded.popleft()
            computed.popleft()
        else:
            return _differing(a, b)
    return None


def _same(a: Event, b: Event) -> bool:
    if a.model_dump_json() == b.model_dump_json():
        return True
    # Made without validation it may only be written differently: as it would be read back, it counts.
    (frame,) = encode([b], "")
    return a.model_dump_json() == decode(frame)[0].model_dump_json()  # type: ignore[union-attr] # no readings


def _advance(queue: deque[AnyEvent], rows: int) -> None:
    event = queue.popleft()
    if isinstance(event, ReadingsEvent) and len(event) > rows:
        queue.appendleft(type(event)(event.readings.take(slice(rows, None))))


def _first_difference(a: Readings, b: Readings, n: int) -> int | None:
    """The first of ``n`` rows that is not the same, bit for bit."""
    numbers: dict[Series, int] = {}
    codes = [
        np.array([numbers.setdefault(series, len(numbers)) for series in one.series], np.int32)[one.code[:n]]
        for one in (a, b)
    ]
    differs = codes[0] != codes[1]
    differs |= a.value[:n].view(np.int64) != b.value[:n].view(np.int64)
    for name in ("time", "quality", "position", "verdict"):
        differs |= getattr(a, name)[:n] != getattr(b, name)[:n]
    for row in {*a.notes, *b.notes} if a.notes or b.notes else ():
        if row < n and a.notes.get(row) != b.notes.get(row):
            differs[row] = True
    return int(np.argmax(differs)) if differs.any() else None


def _differing(a: AnyEvent, b: AnyEvent) -> tuple[str, str]:
    if type(a) is not type(b) or isinstance(a, ReadingsEvent) or isinstance(b, ReadingsEvent) or a.id != b.id:
        return _told(a), _told(b)
    one, two = a.model_dump(mode="json"), b.model_dump(mode="json")
    names = [name for name in {**one, **two} if one.get(name) != two.get(name)]
    texts = [", ".join(f"{name}={found.get(name)!r}" for name in names)[:_SHOWN] for found in (one, two)]
    return f"{_told(a)} with {texts[0]}", f"the same with {texts[1]}"


def _told(event: AnyEvent) -> str:
    if isinstance(event, ReadingsEvent):
        return _reading(event, 0)
    return f"{type(event).__name__} {event.id} of {event.asset}{event.channel and f'/{event.channel}'}"


def _reading(event: ReadingsEvent, row: int) -> str:
    readings = event.readings
    series = readings.series[int(readings.code[row])].name
    return (
        f"{type(event).__name__} {readings.id_of(row)} of {series}: {float(readings.value[row])!r} "
        f"at {int(readings.time[row])}, verdict {int(readings.verdict[row])}"
    )
