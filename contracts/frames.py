"""Events as the bytes of one stream entry, and back.

A frame holds one or more events of one type. Its fields, as they stand in a Redis stream:

    t   type and version, ``AnomalyDetected/1``
    b   body: a JSON array of events; for readings a JSON object with the series and notes
    c   columns: an Arrow IPC stream, for readings only
    w   the task that wrote it
    d   digest of all of these: Redis does not notice a flipped byte in its files, we do
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from .errors import CorruptEvent, FutureVersion, TooLarge, UnknownEvent, UnreadableEvent
from .events import EVENTS, AnyEvent, Event, ReadingsEvent
from .readings import Readings, Series

#: A frame is refused above this size: a larger one would stall every reader of its partition.
MAX_FRAME_BYTES = 1 << 20
#: Readings in one frame: at 29 bytes each well under the limit, with room for the series' names.
MAX_FRAME_READINGS = 16_384
MAX_FRAME_EVENTS = 500

_COLUMNS = (
    ("code", pa.int32(), np.int32),
    ("time", pa.timestamp("ns", tz="UTC"), np.int64),
    ("value", pa.float64(), np.float64),
    ("quality", pa.uint8(), np.uint8),
    ("position", pa.int64(), np.int64),
    ("verdict", pa.uint8(), np.uint8),
)
_SCHEMA = pa.schema([(name, kind) for name, kind, _ in _COLUMNS])

#: (type, version) -> a function that lifts the JSON of one event to the next version
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[tuple[str, int], Upcaster] = {}


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of one stream entry; ``count`` events are in it."""

    type: str
    version: int
    count: int
    body: bytes
    columns: bytes
    writer: str
    digest: bytes

    @property
    def size(self) -> int:
        return len(self.body) + len(self.columns)

    def fields(self) -> dict[bytes, bytes]:
        """As fields of a stream entry."""
        out = {b"t": self.tag, b"w": self.writer.encode(), b"b": self.body, b"d": self.digest}
        if self.columns:
            out[b"c"] = self.columns
        return out

    @property
    def tag(self) -> bytes:
        """Type and version as they are stored."""
        return f"{self.type}/{self.version}".encode()

    @classmethod
    def parse(cls, fields: Mapping[bytes, bytes], count: int) -> "Frame":
        """From the fields of a stream entry.

        Raises CorruptEvent when a field is missing or the digest does not match.
        """
        try:
            tag, body, digest = fields[b"t"], fields[b"b"], fields[b"d"]
            kind, _, version = tag.decode().partition("/")
            number, writer = int(version), fields[b"w"].decode()
        except (KeyError, ValueError) as error:
            raise CorruptEvent(f"not a frame: fields {sorted(fields)}") from error
        columns = fields.get(b"c", b"")
        if _digest(tag, writer, body, columns) != digest:
            raise CorruptEvent(f"{kind}: the bytes are not the ones that were written")
        return cls(kind, number, count, body, columns, writer, digest)


def _digest(tag: bytes, writer: str, body: bytes, columns: bytes) -> bytes:
    state = blake2b(b"%b:%b:%d:%d:" % (tag, writer.encode(), len(body), len(columns)), digest_size=16)
    state.update(body)
    state.update(columns)
    return state.digest()


def _frame(kind: type[AnyEvent], writer: str, count: int, body: bytes, columns: bytes = b"") -> Frame:
    name, version = kind.type_name(), kind.version
    digest = _digest(f"{name}/{version}".encode(), writer, body, columns)
    return Frame(name, version, count, body, columns, writer, digest)


@cache
def _adapter(kind: type[Event]) -> TypeAdapter[list[Event]]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type] # a list of exactly this class, known at run time


def encode(events: Sequence[AnyEvent], writer: str) -> Iterator[Frame]:
    """Frames that hold the events of ``writer`` in their order; neighbours of one type share a frame.

    Raises TooLarge when a single event is over the limit.
    """
    start = 0
    while start < len(events):
        event = events[start]
        if isinstance(event, ReadingsEvent):
            yield from _encode_readings(event, writer)
            start += 1
            continue
        stop = start + 1
        while stop < len(events) and type(events[stop]) is type(event) and stop - start < MAX_FRAME_EVENTS:
            stop += 1
        yield from _encode_events(type(event), events[start:stop], writer)
        start = stop


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
        header: dict[str, Any] = {"series": readings.series}
        if readings.notes:
            header["notes"] = {str(row): text for row, text in readings.notes.items()}
        body = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        columns = _to_arrow(readings)
        if len(body) + len(columns) <= MAX_FRAME_BYTES:
            yield _frame(type(event), writer, len(readings), body, columns)
        elif len(readings) == 1:
            raise TooLarge(f"reading {readings.id_of(0)} is {len(body):,} bytes, the limit is {MAX_FRAME_BYTES:,}")
        else:
            for half in readings.cut((len(readings) + 1) // 2):
                yield from _encode_readings(type(event)(half), writer)


def _to_arrow(readings: Readings) -> bytes:
    n = len(readings)
    arrays = [
        pa.Array.from_buffers(kind, n, [None, pa.py_buffer(getattr(readings, name))]) for name, kind, _ in _COLUMNS
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
    return bytes(sink.getvalue())


def _from_arrow(columns: bytes) -> dict[str, Any]:
    batch = pa.ipc.open_stream(columns).read_next_batch()
    if batch.schema != _SCHEMA:
        raise UnreadableEvent(f"columns are {batch.schema.names}, expected {_SCHEMA.names}")
    n = batch.num_rows
    return {
        name: np.frombuffer(batch.column(i).buffers()[1], kind, n) if n else np.empty(0, kind)
        for i, (name, _, kind) in enumerate(_COLUMNS)
    }


#: What bytes that do not fit their class make of the libraries.
_MISFITS = (
    *(ValidationError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
    *(RecursionError, StopIteration, OSError, pa.ArrowException),
)


def decode(frame: Frame, last: int = 0) -> list[AnyEvent]:
    """The events of a frame whose last event has the ordinal ``last``.

    Raises UnknownEvent, FutureVersion or UnreadableEvent; the caller keeps the frame as a dead letter.
    """
    kind = EVENTS.get(frame.type)
    if kind is None:
        raise UnknownEvent(
            f"no event type {frame.type!r} is known here",
            mend="Upgrade this agent; the entry is kept as a dead letter.",
        )
    if frame.version > kind.version:
        raise FutureVersion(
            f"{frame.type} version {frame.version} was written by a newer Tocsin; this one reads up to {kind.version}",
            mend="Upgrade this agent; the entry is kept as a dead letter.",
        )
    try:
        if issubclass(kind, ReadingsEvent):
            return [_decode_readings(kind, frame, last)]
        if frame.version == kind.version:
            events = _adapter(kind).validate_json(frame.body)
        else:
            events = _adapter(kind).validate_python(_lifted(frame, kind.version))
    except _MISFITS as error:
        raise UnreadableEvent(f"{frame.type}/{frame.version} does not fit its class: {error}") from error
    return list(events)


def _lifted(frame: Frame, version: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(frame.body)
    for step in range(frame.version, version):
        upcaster = UPCASTERS.get((frame.type, step))
        if upcaster is None:
            raise UnreadableEvent(f"no upcaster from {frame.type} version {step}", mend="Add it to UPCASTERS.")
        rows = [upcaster(row) for row in rows]
    return rows


def _decode_readings(kind: type[ReadingsEvent], frame: Frame, last: int) -> ReadingsEvent:
    header = json.loads(frame.body)
    columns = _from_arrow(frame.columns)
    series = tuple(Series(*map(str, row)) for row in header["series"])
    readings = Readings(
        series=series, notes={int(row): str(text) for row, text in header.get("notes", {}).items()}, **columns
    )
    if len(readings) and not 0 <= int(readings.code.min()) <= int(readings.code.max()) < len(series):
        raise UnreadableEvent(f"{frame.type}: a row names a series that is not listed")
    return kind(replace(readings, first=last - len(readings) + 1) if last else readings)
