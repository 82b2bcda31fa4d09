"""The index itself: where each finding is, which run recorded it, and which versions its bundles have."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from bus.protocol import Place
from contracts.event import Event
from contracts.events import Finding, LineageRecorded, ModelPublished

from .file import MEMORY, Damaged, Tell, connected, in_memory, replace, told

_SHIFT = 40
_MASK = (1 << _SHIFT) - 1
_ID_BYTES = 16
#: A byte that no text holds.
_END = b"\xff"


class Spot(NamedTuple):
    """Where a finding is: its id, its place and its ordinal there."""

    id: str
    place: Place
    ordinal: int


class Version(NamedTuple):
    """A version of a model in the registry: its bundle, name, number and run."""

    bundle: str
    name: str
    number: str
    run_id: str


class Progress(NamedTuple):
    """How far a place is in the index; ``mark`` is the digest of the entry that ends there."""

    upto: int
    mark: str


@dataclass(frozen=True)
class Page:
    """Events of a place that follow each other, with their ordinals; ``unread`` are entries that hold none."""

    place: Place
    last: int
    mark: str
    events: Sequence[tuple[int, Event]]
    unread: Sequence[tuple[int, int, str]] = ()


class AlertIndex:
    """Where findings are, by id, bundle and readings. Blocks; every method raises Damaged or IndexUnusable.

    Everything in it follows from the log and its archive. Whoever gets a place from it reads the finding there, and
    believes that. Several processes may write at once: each page is taken once, whoever brings it.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, identity: str) -> None:
        self.connection, self.path, self.identity = connection, path, identity
        self._places: dict[Place, int] = {}
        self._names: dict[str, int] = {}

    @classmethod
    def open(cls, folder: Path, identity: str, tell: Tell) -> Self:
        """The index of this log in the folder; ``tell`` hears why it had to be made anew. Raises IndexUnusable."""
        connection, path = connected(folder, identity, tell)
        return cls(connection, path, identity)

    @classmethod
    def in_memory(cls, identity: str) -> Self:
        """One that is gone with the process."""
        return cls(in_memory(identity), MEMORY, identity)

    def close(self) -> None:
        """Give the file back."""
        self.connection.close()

    def discard(self) -> None:
        """Begin with an empty file; open it again."""
        self.close()
        if self.path != MEMORY:
            path = Path(self.path)
            replace(path.parent, path, self.identity)

    def verify(self) -> None:
        """Compare the tables with their indexes, which takes seconds. Raises Damaged when they disagree."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(1)")]
        if found != ["ok"]:
            raise Damaged(f"{self.path}: {found[0] if found else 'no answer'}")

    # ---- writing

    def progress(self) -> dict[Place, Progress]:
        """How far each place is; places of which nothing is known are left out."""
        found = self._rows("SELECT place, stream, part, upto, mark FROM places")
        self._places = {Place(stream, part): number for number, stream, part, _, _ in found}
        return {Place(stream, part): Progress(upto, mark) for _, stream, part, upto, mark in found}

    def take(self, page: Page, after: int) -> bool:
        """Add what follows the ordinal ``after``; False when somebody else has added it meanwhile."""
        with told(self.path), self._transaction():
            number, upto = self._place(page.place)
            if upto != after:
                return False
            at = number << _SHIFT
            run = self.connection.executemany
            run("INSERT OR REPLACE INTO findings VALUES (?,?,?,?,?,?,?,?,?,?)", self._findings(at, page.events))
            run("INSERT OR REPLACE INTO segments VALUES (?,?,?)", self._segments(page))
            run("INSERT OR REPLACE INTO models VALUES (?,?,?,?,?)", _models(at, page.events))
            run(
                "INSERT OR REPLACE INTO unread VALUES (?,?,?)",
                [(at | last, first, p) for first, last, p in page.unread],
            )
            done = "UPDATE places SET upto = ?, mark = ? WHERE place = ?"
            self.connection.execute(done, (page.last, page.mark, number))
        return True

    def forget(self, place: Place) -> None:
        """Take out everything of a place that is not in the log as it was."""
        with told(self.path), self._transaction():
            number, _ = self._place(place)
            low, high = number << _SHIFT, number << _SHIFT | _MASK
            for table in ("findings", "models", "unread"):
                self.connection.execute(f"DELETE FROM {table} WHERE at BETWEEN ? AND ?", (low, high))  # noqa: S608 - constants
            if place.stream == LineageRecorded.stream:
                # Segments stand at the place of their findings, which is in the same partition.
                parts = "SELECT place FROM places WHERE part = ?"
                self.connection.execute(f"DELETE FROM segments WHERE at >> {_SHIFT} IN ({parts})", (place.partition,))  # noqa: S608 - constants
            self.connection.execute("UPDATE places SET upto = 0, mark = '' WHERE place = ?", (number,))

    def _place(self, place: Place) -> tuple[int, int]:
        """Its number and how far it is; inside a transaction."""
        self.connection.execute(
            "INSERT OR IGNORE INTO places (stream, part, upto, mark) VALUES (?, ?, 0, '')",
            (place.stream, place.partition),
        )
        row = self.connection.execute(
            "SELECT place, upto FROM places WHERE stream = ? AND part = ?", (place.stream, place.partition)
        ).fetchone()
        return int(row[0]), int(row[1])

    def _name(self, text: str) -> int:
        """The number of a text that many findings share."""
        if text not in self._names:
            self.connection.execute("INSERT OR IGNORE INTO names (text) VALUES (?)", (text,))
            (number,) = self.connection.execute("SELECT name FROM names WHERE text = ?", (text,)).fetchone()
            self._names[text] = number
        return self._names[text]

    def _findings(self, at: int, events: Iterable[tuple[int, Event]]) -> list[tuple[object, ...]]:
        name = self._name
        return [
            (
                *(at | ordinal, key(event.id), event.time, name(event.type_name())),
                *(name(event.asset), name(event.channel), name(event.bundle)),
                *(name(event.evidence.stream), event.evidence.first, event.evidence.last),
            )
            for ordinal, event in events
            if isinstance(event, Finding)
        ]

    def _segments(self, page: Page) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for _, event in page.events:
            if isinstance(event, LineageRecorded):
                number, _ = self._place(Place(event.findings, page.place.partition))
                found.append((number << _SHIFT | event.last, event.first, event.run_id))
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._names.clear()
            # A disk that failed may have ended the transaction by itself.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    # ---- reading

    def _rows(self, query: str, *values: object) -> list[Any]:
        with told(self.path):
            return self.connection.execute(query, values).fetchall()

    def beginning(self, text: str, most: int = 6) -> list[Spot]:
        """Findings whose id begins so, at most ``most``, by id."""
        rows: list[tuple[bytes, int]] = []
        for low, high, ours in _bounds(text):
            query = "SELECT id, at FROM findings WHERE id BETWEEN ? AND ? AND (length(id) = 16) = ? ORDER BY id LIMIT ?"
            rows += self._rows(query, low, high, ours, most)
        places = self.numbered()
        return [Spot(text_of(found), places[at >> _SHIFT], at & _MASK) for found, at in rows][:most]

    def numbered(self) -> dict[int, Place]:
        """Places by their numbers."""
        return {n: Place(stream, part) for n, stream, part in self._rows("SELECT place, stream, part FROM places")}

    def run(self, place: Place, ordinal: int) -> str:
        """The MLflow run that holds a finding; empty when none is told of."""
        query = (
            "SELECT s.first, s.run FROM segments s JOIN places p ON p.place = s.at >> 40"
            " WHERE s.at >= (SELECT place FROM places WHERE stream = ?1 AND part = ?2) << 40 | ?3"
            " AND p.stream = ?1 AND p.part = ?2 ORDER BY s.at LIMIT 1"
        )
        rows = self._rows(query, place.stream, place.partition, ordinal)
        return str(rows[0][1]) if rows and rows[0][0] <= ordinal else ""

    def versions(self) -> list[Version]:
        """Every version that was told of, each once, in the order of their names."""
        rows = self._rows("SELECT DISTINCT bundle, name, version, run FROM models")
        found = [Version(*row) for row in rows]
        return sorted(
            found, key=lambda each: (each.name, int(each.number) if each.number.isdigit() else 0, each.bundle)
        )

    def bundles(self, text: str = "") -> list[str]:
        """Digests that begin so, of bundles that findings name; reads the findings only where there are candidates."""
        query = (
            "SELECT text FROM names n WHERE text >= ?1 AND text < ?1 || 'g' AND length(text) = 64"
            " AND EXISTS (SELECT 1 FROM findings WHERE bundle = n.name) ORDER BY text"
        )
        return [row[0] for row in self._rows(query, text)]

    def assets(self, text: str) -> bool:
        """Whether a finding is about this asset."""
        query = "SELECT 1 FROM findings WHERE asset = (SELECT name FROM names WHERE text = ?) LIMIT 1"
        return bool(self._rows(query, text))

    def unread(self) -> list[str]:
        """Entries of findings that could not be read, each with the reason."""
        places = self.numbered()
        found = []
        for at, first, problem in self._rows("SELECT at, first, problem FROM unread ORDER BY at"):
            place = places[at >> _SHIFT]
            found.append(f"{place.stream}/{place.partition}:{first}-{at & _MASK}: {problem}")
        return found


def key(identity: str) -> bytes:
    """An id as the index holds it: 16 bytes where it is one of ours, any other number where it is not."""
    try:
        data = bytes.fromhex(identity)
    except ValueError:
        data = b""
    if len(data) == _ID_BYTES and data.hex() == identity:
        return data
    return _foreign(identity) if len(_foreign(identity)) != _ID_BYTES else _foreign(identity) + _END


def text_of(data: bytes) -> str:
    """The id of a key."""
    return data.hex() if len(data) == _ID_BYTES else data.strip(_END).decode()


def _foreign(text: str) -> bytes:
    return _END + text.encode()


def _bounds(text: str) -> list[tuple[bytes, bytes, bool]]:
    """The smallest and the largest key of ids that begin so, of those that another program made and of ours."""
    found = [(_foreign(text), _foreign(text) + _END * 5, False)]
    if 0 < len(text) <= 2 * _ID_BYTES and set(text) <= set("0123456789abcdef"):
        found.append((bytes.fromhex(text.ljust(32, "0")), bytes.fromhex(text.ljust(32, "f")), True))
    return found


def _models(at: int, events: Iterable[tuple[int, Event]]) -> list[tuple[object, ...]]:
    return [
        (at | ordinal, event.bundle, event.name, event.model_version, event.run_id)
        for ordinal, event in events
        if isinstance(event, ModelPublished)
    ]
