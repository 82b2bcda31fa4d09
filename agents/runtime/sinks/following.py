"""What of a stream a consumer group was never given, because somebody removed it first: found by its ordinals."""

from collections.abc import AsyncIterator, Sequence

from bus.protocol import Entry, Place

from ..home import Home

_PAGE = 64


class Following:
    """How far the entries of each place followed each other, as one member of a group was handed them."""

    def __init__(self, home: Home, group: str, places: Sequence[Place]) -> None:
        self.home, self.group, self.places = home, group, places
        self._last: dict[Place, int] = {}

    async def begin(self) -> None:
        """Start where everything is settled."""
        self._last = await self.home.bus.settled(self.group, self.places)

    async def missing(self, place: Place, entry: Entry) -> list[tuple[int, int]]:
        """First and last ordinals between this entry and the ones before that the log has not any more."""
        expected = self._last[place] + 1
        # What is there was handed to others of the group.
        holes, until = [], entry.first - 1
        while expected <= until:
            found = await self.home.bus.range(place, expected, until, count=_PAGE)
            for each in found:
                if each.first > expected:
                    holes.append((expected, each.first - 1))
                expected = each.last + 1
            if not found:
                holes.append((expected, until))
                break
        return holes

    def seen(self, place: Place, entry: Entry) -> None:
        """What is missing up to this entry was found, and said."""
        self._last[place] = max(self._last[place], entry.last)

    async def archived(self, place: Place, first: int, last: int) -> AsyncIterator[Entry]:
        """What the archive has of events that the log has not, in order."""
        while self.home.history is not None and first <= last:
            found = await self.home.history.range(place, first, last, count=_PAGE)
            if not found:
                return
            for entry in found:
                yield entry
            first = found[-1].last + 1

    async def settled(self, place: Place) -> int:
        """The ordinal up to which the group is done. Nothing behind it was trimmed by us."""
        return (await self.home.bus.settled(self.group, [place]))[place]
