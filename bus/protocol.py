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
Feeds       Each key is put in once, as long as it is remembered; entries are numbered without holes.
Retention   Nothing is removed that a task, a snapshot or a group still needs; the removal itself checks that.

An ordinal counts events, not entries: an entry that holds 256 readings moves it by 256. So positions say the same
however events were cut into entries.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from contracts.frame import Frame

from .carried import Commit as Commit
from .carried import Delivery as Delivery
from .carried import Entry as Entry
from .carried import Former as Former
from .carried import Place as Place
from .carried import Snapshot as Snapshot


class Recorded(Protocol):
    """What happened, to be read again: a log, an archive, or both as one."""

    @property
    def partitions(self) -> int: ...

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        """Up to ``count`` entries that hold any of the events ``first`` to ``last``."""
        ...

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """The ordinal of the last event in each place; 0 where there is none."""
        ...

    async def starts(self, places: Sequence[Place]) -> dict[Place, int]:
        """The ordinal of the first event that is still there; the one after the end where none is."""
        ...


class Log(Recorded, Protocol):
    """Ordered reading."""

    @property
    def identity(self) -> str:
        """What tells this log from every other one."""
        ...

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


class Retention(Protocol):
    """Giving memory back: what nobody needs any more goes, nothing else."""

    async def advance(self, commit: Commit) -> None:
        """As ``commit``, without outputs, and possible when the server has no memory left: it is what makes room."""
        ...

    async def trim(self, place: Place, upto: int) -> int:
        """Remove whole entries that end at ``upto`` or before and that no reader needs.

        A reader is whatever ``readers`` names. Returns the ordinal up to which everything is gone.
        """
        ...

    async def readers(self, place: Place) -> dict[str, int]:
        """Every task and group that reads a place, with the ordinal up to which it needs nothing any more.

        A task needs what follows its position and its oldest snapshot, in its input and in the streams that it
        writes: recovery compares those. A group, a foreign one too, needs what it was not given and what is pending.
        Groups are named ``group <name>``.
        """
        ...

    async def weights(self, places: Sequence[Place]) -> dict[Place, int]:
        """Bytes of memory that places take, as the server estimates them; nothing where it cannot."""
        ...

    async def retire(self, partition: int, reader: str) -> bool:
        """Forget a task or a ``group <name>`` for good: its position, snapshots and lease; False: it is not known.

        Should it ever come back, it begins at the beginning. The caller sees to it that nobody runs it.
        """
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

    async def begin(self, partition: int, task: str, token: int, life: str) -> Former:
        """Say that ``life`` works on the task until it releases its lease; returns what is known of the life before.

        Raises Fenced when a larger token was seen.
        """
        ...

    async def attempt(self, partition: int, task: str, token: int, tried: str) -> None:
        """Note what is tried next, for whoever comes if this process dies of it.

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

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int, after: int = 0) -> list[Delivery]:
        """Entries behind ``after`` that this consumer was given before and did not settle, oldest first."""
        ...

    async def claim(
        self,
        group: str,
        consumer: str,
        place: Place,
        *,
        idle_s: float,
        count: int,
        of: Collection[str] | None = None,
    ) -> list[Delivery]:
        """Take over entries that nobody has touched for ``idle_s`` seconds, from anybody or from some consumers."""
        ...

    async def touch(
        self, group: str, consumer: str, place: Place, entries: Sequence[Entry], *, tries: int | None = None
    ) -> list[Entry]:
        """Say that this consumer is still at work on the entries, or begins them for the ``tries``-th time.

        Returns those that are its own; the others were settled, or taken over by somebody else.
        """
        ...

    async def consumers(self, group: str, places: Sequence[Place]) -> dict[Place, dict[str, int]]:
        """Who holds how many entries that are not settled, place by place; nobody where there is no such group."""
        ...

    async def dismiss(self, group: str, consumer: str, places: Sequence[Place]) -> bool:
        """Forget a consumer, unless it holds entries that are not settled; False where it does."""
        ...

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        """Acknowledge an entry and append its receipts, together and once; False when it was settled before."""
        ...

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """The ordinal up to which everything in a place is settled by the group."""
        ...


class Feeds(Protocol):
    """Streams for programs of others, beside the log; not archived, and trimmed whoever still reads."""

    async def feed(self, name: str, key: str, fields: Mapping[str, str | bytes], *, most: int) -> bool:
        """Put an entry into the stream of a subscriber, unless the last 10,000 had the same key; False if they had.

        About ``most`` entries are kept. Raises Unavailable; then it may have been put there, and may be put again.
        """
        ...


class Bus(Log, Retention, Ledger, Leases, Snapshots, Inbox, Feeds, Protocol):
    """All of it."""

    async def close(self) -> None:
        """Give up all connections."""
        ...
