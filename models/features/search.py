"""Steps over sorted rows that need no loop over series."""

from collections.abc import Callable

import numpy as np

from .base import Flags, Floats, Ints


def starts(rows: Ints) -> Flags:
    """Where a series begins in rows that are sorted, bool[n]."""
    first = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    return first


def running_max(rows: Ints, first: Flags, x: Ints) -> Ints:
    """The largest of x so far within each series; rows are sorted, ``first`` are their starts."""
    if bool(((x[1:] >= x[:-1]) | first[1:]).all()):
        return x
    order = np.lexsort((x, rows))
    rank = np.empty(len(x), np.int64)
    rank[order] = np.arange(len(x))
    # Ranks grow from series to series, so one running maximum over all of them never looks back across a start.
    out: Ints = x[order][np.maximum.accumulate(rank)]
    return out


def first_at_least(values: Callable[[Ints], Ints | Floats], target: Ints, low: Ints, high: Ints) -> Ints:
    """For each target the first place in low .. high-1 whose value is no smaller, or ``high``: int64[n].

    ``values`` gives what stands at places int64[n]; it must grow with the place.
    """
    low, high = low.copy(), high.copy()
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        # At low == high the place is outside; what is read there is not used.
        middle = (low + high) >> 1
        right = (values(middle) < target) & (low < high)
        np.copyto(low, middle + 1, where=right)
        np.copyto(high, middle, where=~right & (low < high))
    return low
