"""What the bus promises, split by guarantee. Redis and memory implement all of it and pass the same tests.

Order       Entries of one (stream, partition) have ordinals 1, 2, 3, ... without holes; every reader sees the same
            ones in that order. Between partitions and between streams there is no order.
Commit      Outputs and position are stored together or not at all, and only if the stored position is the one that
            the outputs were computed from and no newer owner has fenced the writer off. A commit that is sent twice,
            late, or by a paused former owner changes nothing.
Ownership   A lease says who should work; the fencing token says who can. Leases use no clock of the server: a
            standby takes over when it saw no sign of life for the lease's time by its own monotonic clock.
Snapshots   A hint for fast recovery, never the truth: the truth is the log up to the committed position.
Inbox       At least once: an entry is delivered until it is settled, and settled once, together with its receipts.

An ordinal counts events, not entries: an entry that holds 256 readings moves it by 256. So positions say the same
however events were cut into entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from contracts.errors import CorruptEvent
from contracts.frames import Frame


class Place(NamedTuple):
    """One stream of one partition."""

    stream: str
    partition: int


@dataclass(slots=True)
class Entry:
    """One entry of a stream: ``count`` events, the last of which has the ordinal ``last``."""

    last: int
    count: int
    fields: Mapping[bytes, bytes]

    @property
    def first(self) -> int:
        return self.last - self.count + 1

    def frame(self) -> Frame:
        """The frame in the entry.

        Raises CorruptEvent when the bytes are not the ones that were written.
        """
        if not self.fields:
            raise CorruptEvent(f"entry {self.first}-{self.last} was deleted before it was read")
        return Frame.parse(self.fields, self.count)


@dataclass(frozen=True)
class Commit:
    """One atomic step of a task on a partition.

    ``expected`` and ``position`` are texts: an ordinal for processors, a source's own place for sources. The empty
    text is the position before the first commit.
    """

    partition: int
    task: str
    token: int
    expected: str
    position: str
    outputs: Sequence[tuple[str, Frame]] = ()

    def __post_init__(self) -> None:
        if self.expected == self.position:
            raise ValueError(f"a commit must move the position of {self.task}, it stays at {self.position!r}")


@dataclass(frozen=True)
class Snapshot:
    """State of a task at a position; ``ends`` says how far its output streams had come then."""

    position: str
    data: bytes
    ends: Mapping[str, int] = field(default_factory=dict)


class Delivery(NamedTuple):
    """An entry handed to a consumer of a group, for the ``tries``-th time."""

    place: Place
    entry: Entry
    tries: int


class Log(Protocol):
    """Ordered reading."""

    @property
    def partitions(self) -> int: ...

    async def check(self) -> None:
        """Look whether this is still the log that was opened.

        Raises StoreLost when the server lost its data, or another one answers.
        """
        ...

    async def fullness(self) -> float:
        """How much of the memory that the server may use is used: 0 to 1; 0 where there is no limit."""
        ...

    async def read(self, after: Mapping[Place, int], *, count: int, block_s: float = 0) -> dict[Place, list[Entry]]:
        """Entries after the given ordinals, at most about ``count`` entries a place.

        Waits up to ``block_s`` seconds when there are none. Cancelling it loses nothing.
        """
        ...

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        """Up to ``count`` entries that hold any of the events ``first`` to ``last``."""
        ...

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """The ordinal of the last event in each place; 0 where there is none."""
        ...


class Ledger(Protocol):
    """Exactly-once effects in the log."""

    async def commit(self, commit: Commit) -> None:
        """Apply the commit, once.

        Raises Fenced or PositionMoved when it must not be applied, and Unavailable when the server does not answer;
        then it may have been applied, and ``commit`` may be called again with the same commit: it finds out.
        """
        ...

    async def fence(self, partition: int, task: str, token: int) -> str:
        """Shut out every owner with a smaller token, and return the stored position.

        Raises Fenced when a larger token was seen.
        """
        ...

    async def position(self, partition: int, task: str) -> str:
        """The stored position; empty when nothing was committed."""
        ...

    async def positions(self, partition: int) -> dict[str, str]:
        """The stored position of every task of a partition."""
        ...

    async def persist(self) -> None:
        """Wait until everything that was committed so far is on the server's disk, where the server can tell.

        Raises Unavailable when that takes too long.
        """
        ...

    async def append(self, place: Place, frames: Sequence[Frame]) -> int:
        """Append operational events, at least once; returns the last ordinal."""
        ...


class Leases(Protocol):
    """Who should work on a partition."""

    async def acquire(self, partition: int, task: str, owner: str, *, seen: str | None) -> int | None:
        """Take a free lease, one's own from an earlier life, or one whose sign of life is still ``seen``.

        Returns the fencing token, or None when somebody else holds it.
        """
        ...

    async def renew(self, partition: int, task: str, owner: str, token: int) -> bool:
        """Give a sign of life; False when the lease was lost."""
        ...

    async def release(self, partition: int, task: str, owner: str, token: int) -> None:
        """Give the lease back, if it is still ours."""
        ...

    async def sign(self, partition: int, task: str) -> str:
        """Owner and last sign of life, as one text that changes with every renewal; empty when free."""
        ...

    async def members(self, task: str, owner: str, beat: int | None) -> dict[str, str]:
        """Say that ``owner`` wants work of ``task`` (None: no longer), and return every member's last beat."""
        ...


class Snapshots(Protocol):
    """State that was saved."""

    async def save(self, partition: int, task: str, token: int, snapshot: Snapshot) -> None:
        """Keep the snapshot, and the one before.

        Raises Fenced when a newer owner has fenced ``token`` off.
        """
        ...

    async def snapshots(self, partition: int, task: str) -> list[Snapshot]:
        """The kept snapshots that are whole, newest first."""
        ...


class Inbox(Protocol):
    """Consumer groups for sinks."""

    async def subscribe(self, group: str, places: Sequence[Place]) -> None:
        """Make the group where it is missing: at its last settled place, or at the beginning."""
        ...

    async def fetch(
        self, group: str, consumer: str, places: Sequence[Place], *, count: int, block_s: float = 0
    ) -> list[Delivery]:
        """New entries for this consumer, waiting up to ``block_s`` seconds."""
        ...

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int) -> list[Delivery]:
        """Entries that this consumer was given before and did not settle, oldest first."""
        ...

    async def claim(self, group: str, consumer: str, place: Place, *, idle_s: float, count: int) -> list[Delivery]:
        """Take over entries that nobody has touched for ``idle_s`` seconds."""
        ...

    async def touch(self, group: str, consumer: str, place: Place, entries: Sequence[Entry]) -> None:
        """Say that this consumer is still at work on the entries."""
        ...

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        """Acknowledge an entry and append its receipts, together and once; False when it was settled before."""
        ...

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """The ordinal up to which everything in a place is settled by the group."""
        ...


class Bus(Log, Ledger, Leases, Snapshots, Inbox, Protocol):
    """All of it."""

    async def close(self) -> None:
        """Give up all connections."""
        ...
