"""The bus in one process, with the semantics of the Redis one: same frames, same refusals, same tests.

It is what replays and tests of processors run on. Nothing outlives it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

import anyio

from contracts.errors import Fenced
from contracts.frames import Frame

from .feeds import Feed, MemoryFeeds
from .memoryinbox import Group, MemoryInbox
from .moved import moved
from .protocol import Commit, Entry, Former, Place, Snapshot


class MemoryBus(MemoryInbox, MemoryFeeds):
    """See ``bus.protocol`` for what it promises."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.identity = f"memory {id(self):x}"
        self._streams: dict[Place, list[Entry]] = defaultdict(list)
        self._ends: dict[Place, int] = {}
        self._positions: dict[tuple[int, str], str] = {}
        self._tokens: dict[tuple[int, str], int] = defaultdict(int)
        self._leases: dict[tuple[int, str], tuple[str, int, int]] = {}
        self._former: dict[tuple[int, str], Former] = {}
        self._members: dict[str, dict[str, str]] = defaultdict(dict)
        self._snapshots: dict[tuple[int, str], list[Snapshot]] = defaultdict(list)
        self._groups: dict[tuple[str, Place], Group] = {}
        self._feeds: dict[str, Feed] = {}
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
        return self._ends.get(place, 0)

    def _append(self, place: Place, frame: Frame) -> None:
        self._ends[place] = self._end(place) + frame.count
        self._streams[place].append(Entry(self._ends[place], frame.count, frame.fields()))
        self._appended.set()
        self._appended = anyio.Event()

    async def starts(self, places: Sequence[Place]) -> dict[Place, int]:
        return {place: self._start(place) for place in places}

    def _start(self, place: Place) -> int:
        rows = self._streams[place]
        return rows[0].first if rows else self._end(place) + 1

    # ---- Retention

    async def advance(self, commit: Commit) -> None:
        await self.commit(commit)

    async def trim(self, place: Place, upto: int) -> int:
        rows = self._streams[place]
        upto = min([upto, *(await self.readers(place)).values()])
        del rows[: bisect_right(rows, upto, key=lambda entry: entry.last)]
        return self._start(place) - 1

    async def readers(self, place: Place) -> dict[str, int]:
        found: dict[str, int] = {}
        for partition, task in self._tokens:
            if partition == place.partition and "<" in task:
                needed = self._needed(task, place)
                found.update({task: min(needed)} if needed else {})
        for (group, where), state in self._groups.items():
            if where == place:
                found[f"group {group}"] = min(self._unneeded(place, state), self._end(place))
        return found

    def _needed(self, task: str, place: Place) -> list[int]:
        """The ordinals behind which a task needs a place: its position, its snapshots, and their ends."""
        key, reads = (place.partition, task), task.rpartition("<")[2] == place.stream
        kept = self._snapshots[key]
        ends = [snapshot.ends[place.stream] for snapshot in kept if place.stream in snapshot.ends]
        read = [int(self._positions.get(key) or 0), *(int(snapshot.position or 0) for snapshot in kept)]
        return ends + (read if reads else [])

    async def weights(self, places: Sequence[Place]) -> dict[Place, int]:
        return {}

    async def retire(self, partition: int, reader: str) -> bool:
        if reader.startswith("group "):
            group = reader.removeprefix("group ")
            gone = [key for key in self._groups if key[0] == group and key[1].partition == partition]
            for key in gone:
                del self._groups[key]
            return bool(gone)
        task = (partition, reader)
        self._snapshots.pop(task, None)
        said = (self._tokens, self._positions, self._leases, self._former)
        known = any(task in table for table in said)
        for table in said:
            table.pop(task, None)
        return known

    # ---- Ledger

    async def commit(self, commit: Commit) -> None:
        key = (commit.partition, commit.task)
        self._check(key, commit.token)
        found = self._positions.get(key, "")
        if found == commit.position:
            return
        if found != commit.expected:
            raise moved(commit, found)
        for stream, frame in commit.outputs:
            self._append(Place(stream, commit.partition), frame)
        self._positions[key] = commit.position
        self._tokens[key] = commit.token

    def _check(self, key: tuple[int, str], token: int) -> None:
        if self._tokens.get(key, 0) > token:
            raise Fenced(f"{key[1]} on partition {key[0]}: token {token} was fenced off by {self._tokens[key]}")

    async def fence(self, partition: int, task: str, token: int) -> str:
        self._check((partition, task), token)
        self._tokens[partition, task] = token
        return self._positions.get((partition, task), "")

    async def begin(self, partition: int, task: str, token: int, life: str) -> Former:
        self._check((partition, task), token)
        former = self._former.get((partition, task), Former("", ""))
        self._former[partition, task] = Former(life, former.tried)
        return former

    async def attempt(self, partition: int, task: str, token: int, tried: str) -> None:
        self._check((partition, task), token)
        former = self._former.get((partition, task), Former("", ""))
        self._former[partition, task] = former._replace(tried=tried)

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
            former = self._former.get((partition, task), Former("", ""))
            self._former[partition, task] = former._replace(life="")

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

    async def close(self) -> None:
        """Nothing to give up."""
