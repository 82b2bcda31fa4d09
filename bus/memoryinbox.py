"""The consumer groups of the bus in one process; see ``bus.protocol.Inbox`` for what they promise."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import anyio

from contracts.frames import Frame

from .protocol import Delivery, Entry, Place


class Group:
    """One consumer group on one place."""

    def __init__(self, after: int) -> None:
        self.given = after
        # Ordinal of the entry's last event -> consumer, tries, when it was last touched.
        self.pending: dict[int, tuple[str, int, float]] = {}


class MemoryInbox(ABC):
    """The Inbox part of the memory bus."""

    _streams: dict[Place, list[Entry]]
    _groups: dict[tuple[str, Place], Group]

    @abstractmethod
    def _after(self, after: Mapping[Place, int], count: int) -> dict[Place, list[Entry]]: ...

    @abstractmethod
    async def _news(self, block_s: float) -> None: ...

    @abstractmethod
    def _append(self, place: Place, frame: Frame) -> None: ...

    async def subscribe(self, group: str, places: Sequence[Place]) -> None:
        for place in places:
            self._groups.setdefault((group, place), Group(0))

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

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int, after: int = 0) -> list[Delivery]:
        pending = self._groups[group, place].pending
        own = [last for last, held in pending.items() if held[0] == consumer and last > after]
        return self._regive(group, consumer, place, sorted(own)[:count])

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
        now = anyio.current_time()
        idle = [
            last
            for last, held in sorted(self._groups[group, place].pending.items())
            if held[0] != consumer and now - held[2] >= idle_s and (of is None or held[0] in of)
        ]
        return self._regive(group, consumer, place, idle[:count])

    def _regive(self, group: str, consumer: str, place: Place, lasts: Sequence[int]) -> list[Delivery]:
        pending = self._groups[group, place].pending
        by_last = {entry.last: entry for entry in self._streams[place]}
        found = []
        for last in lasts:
            tries = pending[last][1]
            pending[last] = (consumer, tries, anyio.current_time())
            found.append(Delivery(place, by_last[last], tries + 1))
        return found

    async def touch(
        self, group: str, consumer: str, place: Place, entries: Sequence[Entry], *, tries: int | None = None
    ) -> list[Entry]:
        pending = self._groups[group, place].pending
        ours = [entry for entry in entries if pending.get(entry.last, ("",))[0] == consumer]
        for entry in ours:
            pending[entry.last] = (consumer, tries or pending[entry.last][1], anyio.current_time())
        return ours

    async def consumers(self, group: str, places: Sequence[Place]) -> dict[Place, dict[str, int]]:
        states = {place: self._groups.get((group, place)) for place in places}
        return {
            place: dict(Counter(held[0] for held in state.pending.values())) if state else {}
            for place, state in states.items()
        }

    async def dismiss(self, group: str, consumer: str, places: Sequence[Place]) -> bool:
        return not any(consumer in held for held in (await self.consumers(group, places)).values())

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        if self._groups[group, place].pending.pop(entry.last, None) is None:
            return False
        for stream, frame in outputs:
            self._append(Place(stream, place.partition), frame)
        return True

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        return {place: self._settled(place, self._groups.get((group, place))) for place in places}

    def _settled(self, place: Place, state: Group | None) -> int:
        if state is None:
            return 0
        if not state.pending:
            return state.given
        return next(entry.first for entry in self._streams[place] if entry.last in state.pending) - 1
