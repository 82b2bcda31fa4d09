"""Rows of a batch side by side by series, and operations on all of them at once."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Rows = NDArray[np.intp]
Bool = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

_HEADROOM = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Rows sorted by a number, each number's rows in order of arrival.

    rows    rows of the batch, segment after segment
    number  per segment: what its rows have in common
    start   per segment: place of its first row in ``rows``
    length  per segment
    """

    rows: Rows
    number: Int
    start: Rows
    length: Int

    @classmethod
    def of(cls, rows: Rows, numbers: Int) -> "Segments":
        """Sort rows by the numbers that stand beside them."""
        if not len(rows):
            return cls(rows, numbers, np.zeros(0, np.intp), np.zeros(0, np.int64))
        low, high = int(numbers.min()), int(numbers.max())
        if low == high:
            return cls(rows, numbers[:1], np.zeros(1, np.intp), np.array([len(rows)]))
        # Numpy sorts 16-bit numbers by radix: five times faster, and nearly always enough.
        keys = (numbers - low).astype(np.uint16) if high - low < 2**16 else numbers
        order = np.argsort(keys, kind="stable")
        numbers = numbers[order]
        start = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
        return cls(rows[order], numbers[start], start, np.diff(start, append=len(rows)))

    def __len__(self) -> int:
        return len(self.number)

    @property
    def end(self) -> Rows:
        """Per segment: place of its last row."""
        return self.start + self.length - 1

    def spread(self, values: NDArray[T]) -> NDArray[T]:
        """A value per segment as a value per row."""
        return np.repeat(values, self.length) if len(values) > 1 else np.broadcast_to(values, len(self.rows))

    def before(self, values: NDArray[T], carry: NDArray[T]) -> NDArray[T]:
        """For each row the value of the row before it in its segment; for the first the segment's ``carry``."""
        out = np.empty_like(values)
        out[1:] = values[:-1]
        out[self.start] = carry
        return out

    def count(self, flags: Bool) -> Int:
        """Per segment: in how many rows the flag is set."""
        return np.add.reduceat(flags, self.start, dtype=np.int64)

    def any(self, flags: Bool) -> Bool:
        """Per segment: whether the flag is set in a row."""
        return np.logical_or.reduceat(flags, self.start)

    def running_max(self, values: Int, carry: Int) -> Int:
        """For each row the greatest value of its segment up to it, the segment's ``carry`` included."""
        values = values.copy()
        values[self.start] = np.maximum(values[self.start], carry)
        if len(self) == 1:
            return np.maximum.accumulate(values)
        # What is below the carry can be lifted to it, so that sentinels do not widen the range.
        values = np.maximum(values, self.spread(values[self.start]))
        low, high = int(values.min()), int(values.max())
        if (high - low + 1) * len(self) < _HEADROOM:
            # Segments one above the other: a single pass cannot carry over from one to the next.
            floors = self.spread(np.arange(len(self), dtype=np.int64) * (high - low + 1))
            return np.maximum.accumulate(values - low + floors) - floors + low
        parts = np.split(values, self.start[1:])
        return np.concatenate([np.maximum.accumulate(part) for part in parts])
