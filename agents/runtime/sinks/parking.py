"""Entries that are ours and stay on the server while their destinations do not get on: no more than their ordinals."""

from collections.abc import Callable, Collection, Iterable

from bus.protocol import Place

#: With so many nothing is fetched any more.
_MOST = 100_000

Drained = Callable[[str], bool]


class Parking:
    """What is to be read again, and when there is room for it."""

    def __init__(self) -> None:
        self._parked: set[tuple[Place, int]] = set()
        self._jams: dict[str, dict[Place, int]] = {}
        # Behind which ordinal to read on, and for which destinations; None: whatever there is.
        self._cursors: dict[Place, tuple[int, frozenset[str] | None]] = {}

    def __len__(self) -> int:
        return len(self._parked)

    @property
    def full(self) -> bool:
        """Whether no more can be remembered."""
        return len(self._parked) >= _MOST

    def everything(self, places: Iterable[Place]) -> None:
        """Read all that is ours, from the beginning."""
        self._cursors = dict.fromkeys(places, (0, None))

    def park(self, place: Place, last: int, destinations: Collection[str]) -> None:
        """Leave an entry where it is until one of its destinations gets on."""
        self._parked.add((place, last))
        for name in destinations:
            self._wait(name, place, last)

    def _wait(self, destination: str, place: Place, last: int) -> None:
        lows = self._jams.setdefault(destination, {})
        lows[place] = min(last, lows.get(place, last))

    def behind(self, destination: str, place: Place, last: int, *, fetched: bool) -> bool:
        """Whether entries for the destination are left on the server that come before this one.

        Those that were just fetched come behind all of them; those that are read again, behind the ones before.
        """
        if fetched:
            reading = any(names is not None and destination in names for _, names in self._cursors.values())
            return reading or destination in self._jams
        return self._jams.get(destination, {}).get(place, last) < last

    def taken(self, place: Place, last: int) -> None:
        """An entry is in hand."""
        self._parked.discard((place, last))

    def next(self, drained: Drained) -> tuple[Place, int] | None:
        """A place to read again, and the ordinal behind which to begin."""
        if not self._cursors:
            for name in [name for name in self._jams if drained(name)]:
                for place, low in self._jams.pop(name).items():
                    after, names = self._cursors.get(place, (low, frozenset()))
                    self._cursors[place] = (min(after, low - 1), (names or frozenset()) | {name})
        return next(((place, after) for place, (after, _) in self._cursors.items()), None)

    def read(self, place: Place, last: int | None, drained: Drained) -> None:
        """A page was read up to ``last``; None: there is no more."""
        _, names = self._cursors.pop(place)
        if last is None:
            return
        if names is None or any(map(drained, names)):
            self._cursors[place] = (last, names)
            return
        for name in names:
            self._wait(name, place, last + 1)
