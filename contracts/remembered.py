"""What follows from the series of a batch, remembered: most batches of a source name the same ones as those before."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Names = tuple[Any, ...]
#: Series in all tuples that are remembered together: some 10 MB with what follows from them.
_MOST_SERIES = 1 << 15


class Remembered(Generic[T]):
    """Values by tuples of series, the last ones only.

    Tuples are told apart by identity: to compare them takes as long as most of what is spared. Two that are equal may
    have two values.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Names, T]] = {}
        self._series = 0
        self._changing = Lock()

    def get(self, series: Names) -> T | None:
        """The value of a tuple, if it is remembered."""
        found = self._kept.get(id(series))
        # Only a tuple that lives keeps its number: what is remembered is kept alive here.
        return found[1] if found is not None and found[0] is series else None

    def put(self, series: Names, value: T) -> T:
        """Remember a value, unless the tuple is too long for that; forget the oldest ones for it."""
        if len(series) > _MOST_SERIES // 4:
            return value
        with self._changing:
            if id(series) not in self._kept:
                self._series += len(series) + 1
                while self._series > _MOST_SERIES:
                    oldest, _ = self._kept.pop(next(iter(self._kept)))
                    self._series -= len(oldest) + 1
                self._kept[id(series)] = series, value
        return value

    def of(self, series: Names, make: Callable[[Names], T]) -> T:
        """The value of a tuple, made where it is not remembered."""
        found = self.get(series)
        return self.put(series, make(series)) if found is None else found
