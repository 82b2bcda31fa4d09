"""A segment: neighbouring entries of one place in one Parquet file, exactly as they were in the log.

The columns ``t b c w d x`` are the fields of an entry, ``rest`` whatever else it had. ``last`` and ``count`` are its
ordinals. ``type``, ``writer``, ``time_first`` and ``time_last`` are for people and their tools, and never read here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from contracts.columns import read
from contracts.errors import CorruptEvent, UnreadableEvent

from ..protocol import Entry, Place

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

#: Bytes of entries that are read and written at once, and in one segment.
GROUP_BYTES = 4 << 20
SEGMENT_BYTES = 64 << 20
_GROUP_ENTRIES = 20_000

_KNOWN = ("t", "b", "c", "w", "d", "x")
_TIME = pa.timestamp("ns", tz="UTC")
_SCHEMA = pa.schema(
    [
        pa.field("last", pa.int64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        *(pa.field(name, pa.binary()) for name in _KNOWN),
        pa.field("rest", pa.map_(pa.binary(), pa.binary())),
        pa.field("type", pa.string()),
        pa.field("writer", pa.string()),
        pa.field("time_first", _TIME),
        pa.field("time_last", _TIME),
    ]
)
#: What is read back; the others follow from these.
_STORED = ("last", "count", *_KNOWN, "rest")


@dataclass(frozen=True)
class Content:
    """What entries are, whatever file they are in."""

    first: int
    last: int
    digest: str
    damaged: int

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Content":
        """Look at every entry once.

        Raises ValueError when there is none, or when they do not follow each other.
        """
        first = last = damaged = 0
        state = blake2b(digest_size=16)
        for entry in entries:
            if last and entry.first != last + 1:
                raise ValueError(f"{last} is followed by {entry.first}")
            first, last = first or entry.first, entry.last
            damaged += _damaged(entry)
            state.update(b"%d %d %d\n" % (entry.last, entry.count, len(entry.fields)))
            for name, value in sorted(entry.fields.items()):
                state.update(b"%d %d\n%b" % (len(name), len(value), name))
                state.update(value)
        if not last:
            raise ValueError("no entries")
        return cls(first, last, state.hexdigest(), damaged)


@dataclass(frozen=True)
class Segment:
    """A file of the archive: the events ``first`` to ``last`` of a place, without holes.

    file      below the archive's folder
    entries   how many; ``events`` are in them
    size      of the file, bytes
    time_min, time_max   event times, ns since 1970; 0 where nothing in it has one
    digest    of the bytes of the file
    content   of the entries themselves
    damaged   entries whose own digest did not match when they were archived: they are kept as they were
    """

    place: Place
    file: str
    first: int
    last: int
    entries: int
    events: int
    size: int
    time_min: int
    time_max: int
    digest: str
    content: str
    damaged: int = 0

    @property
    def inside(self) -> Content:
        """What the entries in it are."""
        return Content(self.first, self.last, self.content, self.damaged)

    def line(self) -> bytes:
        """As a line of the manifest."""
        told = asdict(self)
        del told["place"]
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, place: Place, told: Mapping[str, Any]) -> "Segment":
        """From a line of the manifest.

        Raises TypeError when it is not one.
        """
        return cls(place=place, **told)


@dataclass(frozen=True)
class Summary:
    """What there is to say about entries that are going to be a segment."""

    place: Place
    entries: Sequence[Entry]
    spans: Sequence[tuple[int, int] | None]
    content: Content

    @classmethod
    def of(cls, place: Place, entries: Sequence[Entry]) -> "Summary":
        """Look at every entry once.

        Raises ValueError when they do not follow each other.
        """
        return cls(place, entries, [_span(entry) for entry in entries], Content.of(entries))

    @property
    def times(self) -> tuple[int, int]:
        """Earliest and latest event time; zeros where there is none."""
        spans = [span for span in self.spans if span]
        return (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else (0, 0)

    def file(self, folder: str) -> str:
        """Where the segment goes, below the archive."""
        start = next((span[0] for span in self.spans if span), None)
        day = datetime.fromtimestamp(start // 10**9, UTC).date().isoformat() if start is not None else "unknown"
        return f"{folder}/date={day}/{self.content.first:020d}-{self.content.last:020d}.parquet"

    def write(self, file: BinaryIO) -> None:
        """As Parquet."""
        from pyarrow.parquet import ParquetWriter

        small, searched = ["t", "w", "type", "writer"], ["last", "time_first", "time_last"]
        with ParquetWriter(
            file, _SCHEMA, compression="zstd", use_dictionary=small, write_statistics=searched
        ) as writer:
            start = 0
            for stop in _groups(self.entries):
                writer.write_table(_table(self.entries[start:stop], self.spans[start:stop]))
                start = stop

    def segment(self, file: str, path: Path) -> Segment:
        """What the manifest says of the file at ``path``."""
        time_min, time_max = self.times
        return Segment(
            place=self.place,
            file=file,
            first=self.content.first,
            last=self.content.last,
            entries=len(self.entries),
            events=self.content.last - self.content.first + 1,
            size=path.stat().st_size,
            time_min=time_min,
            time_max=time_max,
            digest=digest_of(path),
            content=self.content.digest,
            damaged=self.content.damaged,
        )


def _groups(entries: Sequence[Entry]) -> Iterator[int]:
    """Where each row group ends."""
    size = count = 0
    for number, entry in enumerate(entries, 1):
        size += size_of(entry)
        count += 1
        if size >= GROUP_BYTES or count >= _GROUP_ENTRIES:
            yield number
            size = count = 0
    if count:
        yield len(entries)


def size_of(entry: Entry) -> int:
    """Bytes in the fields of an entry."""
    return sum(len(value) for value in entry.fields.values())


def _table(entries: Sequence[Entry], spans: Sequence[tuple[int, int] | None]) -> pa.Table:
    fields = [entry.fields for entry in entries]
    known = {name.encode() for name in _KNOWN}
    tags = [_text(row.get(b"t")) for row in fields]
    columns: dict[str, list[Any]] = {
        "last": [entry.last for entry in entries],
        "count": [entry.count for entry in entries],
        **{name: [row.get(name.encode()) for row in fields] for name in _KNOWN},
        "rest": [[item for item in row.items() if item[0] not in known] or None for row in fields],
        "type": [tag and tag.partition("/")[0] for tag in tags],
        "writer": [_text(row.get(b"w")) for row in fields],
        "time_first": [span and span[0] for span in spans],
        "time_last": [span and span[1] for span in spans],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in _SCHEMA], schema=_SCHEMA)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _damaged(entry: Entry) -> bool:
    try:
        entry.frame()
    except CorruptEvent:
        return True
    return False


def _span(entry: Entry) -> tuple[int, int] | None:
    """Earliest and latest event time in an entry; None where it cannot be told: it is archived all the same."""
    try:
        if columns := entry.fields.get(b"c"):
            times = read([columns], [entry.count])["time"]
            return int(times.min()), int(times.max())
        found = [int(event["time"]) for event in json.loads(entry.fields[b"b"])]
        return (min(found), max(found)) if max(abs(time) for time in found) < 2**63 else None
    except (
        *(UnreadableEvent, ValueError, TypeError, KeyError, IndexError, OSError),
        *(RecursionError, StopIteration, pa.ArrowException),
    ):
        return None


def digest_of(path: Path) -> str:
    """Digest of a file."""
    state = blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            state.update(piece)
    return state.hexdigest()


def lasts(file: "ParquetFile") -> list[int]:
    """The last ordinal in each row group."""
    found = file.metadata
    return [found.row_group(i).column(0).statistics.max for i in range(found.num_row_groups)]


def entries_of(file: "ParquetFile", group: int) -> list[Entry]:
    """The entries of a row group.

    Raises UnreadableEvent when the file is not one of ours.
    """
    table = file.read_row_group(group, columns=list(_STORED))
    if set(table.column_names) != set(_STORED):
        raise UnreadableEvent(f"columns are {table.column_names}")
    columns = {name: table.column(name).to_pylist() for name in _STORED}
    return [
        Entry(last, count, _fields(columns, row))
        for row, (last, count) in enumerate(zip(columns["last"], columns["count"], strict=True))
    ]


def _fields(columns: Mapping[str, list[Any]], row: int) -> dict[bytes, bytes]:
    known = {name.encode(): value for name in _KNOWN if (value := columns[name][row]) is not None}
    return {**known, **dict(columns["rest"][row] or ())}
