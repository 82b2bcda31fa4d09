"""The consumer groups of the bus in one process; see ``bus.protocol.Inbox`` for what they promise."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import anyio

from contracts.errors import Unavailable
from contracts.frames import Frame

from .protocol import Delivery, Entry, Place


class Group:
    """One consumer group on one place."""

    def __init__(self, after: int) -> None:
        self.given = after
        # Up to where everything is settled, as of the last time that something was.
        self.mark = 0
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

    async def _grouped(self, group: str, places: Sequence[Place]) -> None:
        """Where the group was forgotten it is made again, and the caller asks again: as on Redis."""
        if any((group, place) not in self._groups for place in places):
            await self.subscribe(group, places)
            raise Unavailable(f"group {group} was gone", mend="It was made again at its last settled place")

    async def fetch(
        self, group: str, consumer: str, places: Sequence[Place], *, count: int, block_s: float = 0
    ) -> list[Delivery]:
        await self._grouped(group, places)
        found = self._give(group, consumer, places, count)
        if not found and block_s > 0:
            await self._news(block_s)
            await self._grouped(group, places)
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
        await self._grouped(group, [place])
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
        if of is not None and not of:
            return []
        await self._grouped(group, [place])
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
        await self._grouped(group, [place])
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
        await self._grouped(group, places)
        return not any(consumer in held for held in (await self.consumers(group, places)).values())

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        await self._grouped(group, [place])
        state = self._groups[group, place]
        if state.pending.pop(entry.last, None) is None:
            return False
        state.mark = self._oldest(place, state) - 1
        for stream, frame in outputs:
            self._append(Place(stream, place.partition), frame)
        return True

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        states = {place: self._groups.get((group, place)) for place in places}
        return {place: state.mark if state else 0 for place, state in states.items()}

    def _oldest(self, place: Place, state: Group) -> int:
        """The first event that is pending; the one after all that was given where none is."""
        return next((entry.first for entry in self._streams[place] if entry.last in state.pending), state.given + 1)

    def _unneeded(self, place: Place, state: Group) -> int:
        """The ordinal up to which the group needs nothing any more."""
        upto = self._oldest(place, state) - 1
        return min(upto, state.mark) if state.mark else upto
