"""Events as frames, and back. See ``contracts.frame`` for how a frame is stored."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pydantic import ConfigDict, TypeAdapter, ValidationError

from . import columns
from .errors import FutureVersion, TooLarge, UnknownEvent, UnreadableEvent
from .events import EVENTS, AnyEvent, Event, ReadingsEvent
from .frame import Frame as Frame
from .frame import check, digest_of
from .readings import Readings, Series
from .remembered import Remembered

#: A frame is refused above this size: a larger one would stall every reader of its partition.
MAX_FRAME_BYTES = 1 << 20
#: Readings in one frame: at 30 bytes each well under the limit, with room for the series' names.
MAX_FRAME_READINGS = 16_384
MAX_FRAME_EVENTS = 500

#: (type, version) -> a function that lifts the JSON of one event to the next version
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[tuple[str, int], Upcaster] = {}


class Stored(Protocol):
    """An entry of a stream: the fields of a frame of ``count`` events, the last of which has the ordinal ``last``."""

    last: int
    count: int
    fields: Mapping[bytes, bytes]

    def frame(self) -> Frame: ...


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry whose events cannot be read, and why."""

    entry: Stored
    error: UnreadableEvent


@cache
def _adapter(kind: type[Event]) -> TypeAdapter[list[Event]]:
    # A cache of values would cost a sixth of the time: ids hardly ever come twice.
    config = ConfigDict(cache_strings="keys")
    return TypeAdapter(list[kind], config=config)  # type: ignore[valid-type] # a list of this class, known at run time


# ---------------------------------------------------------------- writing


def encode(events: Sequence[AnyEvent], writer: str, *, trace: str = "") -> Iterator[Frame]:
    """Frames that hold the events of ``writer`` in their order; neighbours of one type share a frame, unless alone.

    Raises TooLarge when a single event is over the limit.
    """
    start = 0
    while start < len(events):
        event = events[start]
        if isinstance(event, ReadingsEvent):
            found = _encode_readings(event, writer)
            start += 1
        else:
            stop = start + 1
            while stop < len(events) and stop - start < MAX_FRAME_EVENTS and _together(event, events[stop]):
                stop += 1
            found = _encode_events(type(event), events[start:stop], writer)
            start = stop
        for frame in found:
            frame.trace = trace
            yield frame


def _together(event: Event, other: AnyEvent) -> bool:
    if isinstance(other, ReadingsEvent) or type(other) is not type(event):
        return False
    return not (event.stands_alone or other.stands_alone)


def _frame(kind: type[AnyEvent], writer: str, count: int, body: bytes, columns: bytes = b"") -> Frame:
    name, version = kind.type_name(), kind.version
    digest = digest_of(f"{name}/{version}".encode(), writer.encode(), body, columns, count)
    return Frame(name, version, count, body, columns, writer, digest)


def _encode_events(kind: type[Event], events: Sequence[AnyEvent], writer: str) -> Iterator[Frame]:
    body = _adapter(kind).dump_json(events)  # type: ignore[arg-type] # all of one class: the caller cut them so
    if len(body) <= kind.most_bytes:
        yield _frame(kind, writer, len(events), body)
    elif len(events) == 1:
        name = getattr(events[0], "id", "")
        raise TooLarge(f"{kind.__name__} {name} is {len(body):,} bytes, the limit is {kind.most_bytes:,}")
    else:
        half = len(events) // 2
        yield from _encode_events(kind, events[:half], writer)
        yield from _encode_events(kind, events[half:], writer)


def _encode_readings(event: ReadingsEvent, writer: str) -> Iterator[Frame]:
    for readings in event.readings.cut(MAX_FRAME_READINGS):
        if not len(readings):
            continue
        body = _header(readings)
        arrow = columns.write(readings)
        if len(body) + len(arrow) <= MAX_FRAME_BYTES:
            yield _frame(type(event), writer, len(readings), body, arrow)
        elif len(readings) == 1:
            raise TooLarge(f"reading {readings.id_of(0)} is {len(body):,} bytes, the limit is {MAX_FRAME_BYTES:,}")
        else:
            for half in readings.cut((len(readings) + 1) // 2):
                yield from _encode_readings(type(event)(half), writer)


def _header(readings: Readings) -> bytes:
    if not readings.notes:
        return _HEADERS.of(readings.series, lambda series: _json({"series": series}))
    return _json({"series": readings.series, "notes": {str(row): text for row, text in readings.notes.items()}})


#: What makes a sixth of the cost of small batches.
_HEADERS: Remembered[bytes] = Remembered()


def _json(header: dict[str, Any]) -> bytes:
    return json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()


# ---------------------------------------------------------------- reading

#: What bytes that do not fit their class make of the libraries.
_MISFITS = (
    *(ValidationError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
    *(RecursionError, StopIteration, OSError, pa.ArrowException),
)


def decode(frame: Frame, last: int = 0) -> list[AnyEvent]:
    """The events of a frame whose last event has the ordinal ``last``.

    Raises UnknownEvent, FutureVersion or UnreadableEvent; the caller keeps the frame as a dead letter.
    """
    kind = _known(frame.type, frame.version)
    try:
        if issubclass(kind, ReadingsEvent):
            return [_readings(kind, frame.body, [frame.columns], [frame.count], last)]
        if frame.version == kind.version:
            events = _adapter(kind).validate_json(frame.body)
        else:
            events = _adapter(kind).validate_python(_lifted(frame, kind.version))
    except _MISFITS as error:
        raise UnreadableEvent(f"{frame.type}/{frame.version} does not fit its class: {error}") from error
    if len(events) != frame.count:
        raise UnreadableEvent(f"{frame.type}: {len(events)} events, expected {frame.count}")
    return list(events)


def decode_all(entries: Sequence[Stored]) -> list[AnyEvent | Unread]:
    """The events of entries in their order; an entry that cannot be read stands as ``Unread`` in its place.

    The same as ``decode`` of each, but many at a time; readings that follow each other may come as one batch.
    """
    found: list[AnyEvent | Unread] = []
    for tag, group in groupby(entries, key=lambda entry: entry.fields.get(b"t", b"")):
        run = list(group)
        try:
            found += _decode_run(tag, run)
        except (UnreadableEvent, *_MISFITS):
            # Something is wrong with one of them: each on its own shows with which.
            found += [event for entry in run for event in _decode_entry(entry)]
    return found


def _decode_entry(entry: Stored) -> Sequence[AnyEvent | Unread]:
    try:
        return decode(entry.frame(), entry.last)
    except UnreadableEvent as error:
        return [Unread(entry, error)]


def _decode_run(tag: bytes, run: Sequence[Stored]) -> Sequence[AnyEvent]:
    name, _, version = tag.decode().partition("/")
    kind = _known(name, int(version))
    if int(version) != kind.version:
        return [event for entry in run for event in decode(entry.frame(), entry.last)]
    for entry in run:
        check(entry.fields, entry.count)
    if issubclass(kind, ReadingsEvent):
        return [_joined(kind, batch) for batch in _batches(run)]
    bodies = [entry.fields[b"b"] for entry in run]
    # The arrays of all of them as one array: one call for each takes half as long again.
    body = bodies[0] if len(bodies) == 1 else b"[%b]" % b",".join([body[1:-1] for body in bodies])
    events = _adapter(kind).validate_json(body)
    if len(events) != sum([entry.count for entry in run]):
        raise UnreadableEvent(f"{name}: {len(events)} events")
    return events


def _batches(run: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Entries with readings of the same series that follow each other."""
    batch: list[Stored] = []
    for entry in run:
        if batch and (
            entry.fields[b"b"] != batch[0].fields[b"b"]
            or entry.last - entry.count != batch[-1].last
            or b'"notes"' in entry.fields[b"b"]
        ):
            yield batch
            batch = []
        batch.append(entry)
    yield batch


def _joined(kind: type[ReadingsEvent], batch: Sequence[Stored]) -> ReadingsEvent:
    streams = [entry.fields[b"c"] for entry in batch]
    return _readings(kind, batch[0].fields[b"b"], streams, [entry.count for entry in batch], batch[-1].last)


def _readings(
    kind: type[ReadingsEvent], body: bytes, streams: Sequence[bytes], counts: Sequence[int], last: int
) -> ReadingsEvent:
    series, notes = _header_of(body) if len(body) <= _CACHED_BYTES else _parsed(body)
    arrays = columns.read(streams, counts)
    count = sum(counts)
    # As unsigned a negative number is larger than any other.
    if count and int(arrays["code"].view(np.uint32).max()) >= len(series):
        raise UnreadableEvent(f"{kind.type_name()}: a row names a series that is not listed")
    return kind(Readings(series=series, notes=dict(notes), first=last - count + 1 if last else 0, **arrays))


def _parsed(body: bytes) -> tuple[tuple[Series, ...], Mapping[int, str]]:
    header = json.loads(body)
    series = tuple(Series(*map(str, row)) for row in header["series"])
    return series, {int(row): str(text) for row, text in header.get("notes", {}).items()}


#: Most batches of a source name the same series as the one before; a header as large as this rarely comes twice.
_CACHED_BYTES = 1 << 14
_header_of = lru_cache(maxsize=256)(_parsed)


def _known(name: str, version: int) -> type[Event] | type[ReadingsEvent]:
    kind = EVENTS.get(name)
    if kind is None:
        raise UnknownEvent(
            f"no event type {name!r} is known here",
            mend="Upgrade this agent; the entry is kept as a dead letter.",
        )
    if version > kind.version:
        raise FutureVersion(
            f"{name} version {version} was written by a newer Tocsin; this one reads up to {kind.version}",
            mend="Upgrade this agent; the entry is kept as a dead letter.",
        )
    return kind


def _lifted(frame: Frame, version: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(frame.body)
    for step in range(frame.version, version):
        upcaster = UPCASTERS.get((frame.type, step))
        if upcaster is None:
            raise UnreadableEvent(f"no upcaster from {frame.type} version {step}", mend="Add it to UPCASTERS.")
        rows = [upcaster(row) for row in rows]
    return rows
