"""The bus in one process, with the semantics of the Redis one: same frames, same refusals, same tests.

It is what replays and tests of processors run on. Nothing outlives it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

import anyio

from contracts.errors import Fenced, PositionMoved
from contracts.frames import Frame

from .protocol import Commit, Delivery, Entry, Place, Snapshot


class _Group:
    """One consumer group on one place."""

    def __init__(self, after: int) -> None:
        self.given = after
        # Ordinal of the entry's last event -> consumer, tries, when it was last touched.
        self.pending: dict[int, tuple[str, int, float]] = {}


class MemoryBus:
    """See ``bus.protocol`` for what it promises."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._streams: dict[Place, list[Entry]] = defaultdict(list)
        self._positions: dict[tuple[int, str], str] = {}
        self._tokens: dict[tuple[int, str], int] = defaultdict(int)
        self._leases: dict[tuple[int, str], tuple[str, int, int]] = {}
        self._members: dict[str, dict[str, str]] = defaultdict(dict)
        self._snapshots: dict[tuple[int, str], list[Snapshot]] = defaultdict(list)
        self._groups: dict[tuple[str, Place], _Group] = {}
        self._appended = anyio.Event()

    # ---- Log

    async def check(self) -> None:
        """Nothing can get lost but with the process."""

    async def fullness(self) -> float:
        return 0.0

    async def read(self, after: Mapping[Place, int], *, count: int, block_s: float = 0) -> dict[Place, list[Entry]]:
        found = self._after(after, count)
        if not found and block_s > 0:
            await self._news(block_s)
            found = self._after(after, count)
        return found

    def _after(self, after: Mapping[Place, int], count: int) -> dict[Place, list[Entry]]:
        found = {}
        for place, last in after.items():
            rows = self._streams[place]
            start = bisect_right(rows, last, key=lambda entry: entry.last)
            if start < len(rows):
                found[place] = rows[start : start + count]
        return found

    async def _news(self, block_s: float) -> None:
        with anyio.move_on_after(block_s):
            await self._appended.wait()

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        rows = self._streams[place]
        if last < first:
            return []
        start = bisect_right(rows, max(first, 1) - 1, key=lambda entry: entry.last)
        return [entry for entry in rows[start : start + count] if entry.first <= last]

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        return {place: self._end(place) for place in places}

    def _end(self, place: Place) -> int:
        rows = self._streams[place]
        return rows[-1].last if rows else 0

    def _append(self, place: Place, frame: Frame) -> None:
        self._streams[place].append(Entry(self._end(place) + frame.count, frame.count, frame.fields()))
        self._appended.set()
        self._appended = anyio.Event()

    # ---- Ledger

    async def commit(self, commit: Commit) -> None:
        key = (commit.partition, commit.task)
        self._check(key, commit.token)
        found = self._positions.get(key, "")
        if found == commit.position:
            return
        if found != commit.expected:
            raise PositionMoved(
                f"{commit.task} on partition {commit.partition} stands at {found or 'the beginning'}, "
                f"not at {commit.expected or 'the beginning'}",
                found,
            )
        for stream, frame in commit.outputs:
            self._append(Place(stream, commit.partition), frame)
        self._positions[key] = commit.position
        self._tokens[key] = commit.token

    def _check(self, key: tuple[int, str], token: int) -> None:
        if self._tokens[key] > token:
            raise Fenced(f"{key[1]} on partition {key[0]}: token {token} was fenced off by {self._tokens[key]}")

    async def fence(self, partition: int, task: str, token: int) -> str:
        self._check((partition, task), token)
        self._tokens[partition, task] = token
        return self._positions.get((partition, task), "")

    async def position(self, partition: int, task: str) -> str:
        return self._positions.get((partition, task), "")

    async def positions(self, partition: int) -> dict[str, str]:
        return {task: position for (number, task), position in self._positions.items() if number == partition}

    async def persist(self) -> None:
        """Nothing here is ever on a disk."""

    async def append(self, place: Place, frames: Sequence[Frame]) -> int:
        for frame in frames:
            self._append(place, frame)
        return self._end(place)

    # ---- Leases

    async def acquire(self, partition: int, task: str, owner: str, *, seen: str | None) -> int | None:
        key = (partition, task)
        held = self._leases.get(key)
        if held and held[0] != owner and await self.sign(partition, task) != seen:
            return None
        self._tokens[key] += 1
        self._leases[key] = (owner, self._tokens[key], 0)
        return self._tokens[key]

    async def renew(self, partition: int, task: str, owner: str, token: int) -> bool:
        held = self._leases.get((partition, task))
        if not held or held[:2] != (owner, token):
            return False
        self._leases[partition, task] = (owner, token, held[2] + 1)
        return True

    async def release(self, partition: int, task: str, owner: str, token: int) -> None:
        held = self._leases.get((partition, task))
        if held and held[:2] == (owner, token):
            del self._leases[partition, task]

    async def sign(self, partition: int, task: str) -> str:
        held = self._leases.get((partition, task))
        return " ".join(map(str, held)) if held else ""

    async def members(self, task: str, owner: str, beat: int | None) -> dict[str, str]:
        if beat is None:
            self._members[task].pop(owner, None)
        else:
            self._members[task][owner] = str(beat)
        return dict(self._members[task])

    # ---- Snapshots

    async def save(self, partition: int, task: str, token: int, snapshot: Snapshot) -> None:
        self._check((partition, task), token)
        self._snapshots[partition, task] = [snapshot, *self._snapshots[partition, task][:1]]

    async def snapshots(self, partition: int, task: str) -> list[Snapshot]:
        return list(self._snapshots[partition, task])

    # ---- Inbox

    async def subscribe(self, group: str, places: Sequence[Place]) -> None:
        for place in places:
            self._groups.setdefault((group, place), _Group(0))

    async def fetch(
        self, group: str, consumer: str, places: Sequence[Place], *, count: int, block_s: float = 0
    ) -> list[Delivery]:
        found = self._give(group, consumer, places, count)
        if not found and block_s > 0:
            await self._news(block_s)
            found = self._give(group, consumer, places, count)
        return found

    def _give(self, group: str, consumer: str, places: Sequence[Place], count: int) -> list[Delivery]:
        found = []
        for place in places:
            state = self._groups[group, place]
            for entry in self._after({place: state.given}, count).get(place, []):
                state.given = entry.last
                state.pending[entry.last] = (consumer, 1, anyio.current_time())
                found.append(Delivery(place, entry, 1))
        return found

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int) -> list[Delivery]:
        own = [last for last, held in self._groups[group, place].pending.items() if held[0] == consumer]
        return self._regive(group, consumer, place, own[:count])

    async def claim(self, group: str, consumer: str, place: Place, *, idle_s: float, count: int) -> list[Delivery]:
        now = anyio.current_time()
        pending = self._groups[group, place].pending
        idle = [last for last, held in pending.items() if held[0] != consumer and now - held[2] >= idle_s]
        return self._regive(group, consumer, place, idle[:count])

    def _regive(self, group: str, consumer: str, place: Place, lasts: Sequence[int]) -> list[Delivery]:
        pending = self._groups[group, place].pending
        by_last = {entry.last: entry for entry in self._streams[place]}
        found = []
        for last in sorted(lasts):
            tries = pending[last][1] + 1
            pending[last] = (consumer, tries, anyio.current_time())
            found.append(Delivery(place, by_last[last], tries))
        return found

    async def touch(self, group: str, consumer: str, place: Place, entries: Sequence[Entry]) -> None:
        pending = self._groups[group, place].pending
        for entry in entries:
            if entry.last in pending:
                pending[entry.last] = (consumer, pending[entry.last][1], anyio.current_time())

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        if self._groups[group, place].pending.pop(entry.last, None) is None:
            return False
        for stream, frame in outputs:
            self._append(Place(stream, place.partition), frame)
        return True

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        return {place: self._settled(place, self._groups.get((group, place))) for place in places}

    def _settled(self, place: Place, state: _Group | None) -> int:
        if state is None:
            return 0
        if not state.pending:
            return state.given
        return next(entry.first for entry in self._streams[place] if entry.last in state.pending) - 1

    async def close(self) -> None:
        """Nothing to give up."""
