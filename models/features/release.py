"""When a reading is released: as soon as nothing that is still to come may be earlier.

The watermark of a series is the highest event time that it has seen, less the lateness. A reading is released when the
watermark reaches its time, and it is too late when the watermark is past its time as it arrives.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from ..order import order_of
from .base import Flags, Floats, Ints
from .search import first_at_least, running_max, starts
from .state import NEVER, WindowsState

_COLUMNS = ("rows", "times", "values", "ordinals")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Readings: series, times (ns), values and ordinals, [n] each."""

    rows: Ints
    times: Ints
    values: Floats
    ordinals: Ints

    def take(self, at: Ints | Flags) -> "Arrivals":
        """Some of them."""
        return Arrivals(self.rows[at], self.times[at], self.values[at], self.ordinals[at])

    def and_also(self, other: "Arrivals") -> "Arrivals":
        """These, then others."""
        return Arrivals(*(np.concatenate((getattr(self, name), getattr(other, name))) for name in _COLUMNS))


@dataclass(frozen=True, slots=True)
class Limits:
    """How late a reading may be (ns), how many may wait, and after how many late ones a series begins anew."""

    lateness: int
    waiting: int
    patience: int


@dataclass(frozen=True, slots=True)
class Released:
    """Readings, the place in the call of the arrival that released each, and the era of its series, int64[m]."""

    readings: Arrivals
    by: Ints
    era: Ints

    def take(self, at: Ints) -> "Released":
        """Some of them."""
        return Released(self.readings.take(at), self.by[at], self.era[at])


@dataclass(frozen=True, slots=True)
class _Passage:
    """Arrivals sorted by series: the order, their rows, where series start, watermarks after each, which are late."""

    order: Ints
    rows: Ints
    first: Flags
    after: Ints
    late: Flags


def release(state: WindowsState, new: Arrivals, limits: Limits) -> Released:
    """The readings that are released by these arrivals, in the order of what released them, then of event time.

    Readings of one time go by value, those of one value by ordinal. Where too many readings of a series wait, the
    earliest is released, and the watermark with it. Where too many in a row are too late, the one that was ahead of
    them had a wrong time: what waits is dropped, and the series begins anew.
    """
    passage = _pass(state, new, limits.lateness)
    waiting = Arrivals(state.rows, state.times, state.values, state.ordinals)
    slow = state.behind + np.bincount(passage.rows[passage.late], minlength=len(state.mark)) >= limits.patience
    if limits.lateness:
        load = np.bincount(waiting.rows, minlength=len(slow)) + np.bincount(new.rows, minlength=len(slow))
        slow |= load > limits.waiting
    if not slow[new.rows].any():
        out, left = _released(state, waiting, new, passage, limits)
    else:
        old, fresh = slow[waiting.rows], slow[new.rows]
        some, rest = new.take(~fresh), new.take(fresh)
        quick, left = _released(state, waiting.take(~old), some, _pass(state, some, limits.lateness), limits)
        slowly, left_slowly = _one_by_one(state, waiting.take(old), rest, limits)
        by = np.concatenate((np.flatnonzero(~fresh)[quick.by], np.flatnonzero(fresh)[slowly.by]))
        out = Released(quick.readings.and_also(slowly.readings), by, np.concatenate((quick.era, slowly.era)))
        left = left.and_also(left_slowly)
    if limits.lateness:
        left = left.take(np.argsort(left.ordinals, kind="stable"))
        state.rows, state.times, state.values, state.ordinals = left.rows, left.times, left.values, left.ordinals
    found = out.readings
    return out.take(np.lexsort((found.ordinals, found.values, found.times, out.by)))


def _pass(state: WindowsState, new: Arrivals, lateness: int) -> _Passage:
    order = order_of(new.rows)
    rows, times = new.rows[order], new.times[order]
    first = starts(rows)
    begin = state.mark[rows]
    after = running_max(rows, first, np.maximum(begin, times - lateness))
    before = np.concatenate((begin[:1], after[:-1]))
    np.copyto(before, begin, where=first)
    return _Passage(order, rows, first, after, times < before)


def _count(state: WindowsState, passage: _Passage) -> None:
    """Watermarks and late readings after these arrivals."""
    begin = np.flatnonzero(passage.first)
    end = np.append(begin[1:], len(passage.rows))
    each = passage.rows[begin]
    state.mark[each] = passage.after[end - 1]
    if not passage.late.any():
        state.behind[each] = 0
        return
    np.add.at(state.late, passage.rows[passage.late], 1)
    last = np.maximum.reduceat(np.where(passage.late, -1, np.arange(len(passage.rows))), begin)
    state.behind[each] = np.where(last >= begin, end - 1 - last, state.behind[each] + end - begin)


def _released(
    state: WindowsState, waiting: Arrivals, new: Arrivals, passage: _Passage, limits: Limits
) -> tuple[Released, Arrivals]:
    """What is released, and what waits from now on."""
    if not len(new.rows):
        return Released(new, new.rows, new.rows), waiting
    _count(state, passage)
    order, rows, after = passage.order, passage.rows, passage.after
    kept = np.empty(len(rows), np.bool_)
    kept[order] = ~passage.late
    if not limits.lateness:
        own = np.flatnonzero(kept)
        return Released(new.take(own), own, state.era[new.rows[own]]), waiting
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    all_of = waiting.and_also(new.take(kept))
    # A reading that just came can be released by itself or by what follows it, one that waited by any arrival.
    low = np.concatenate((np.searchsorted(rows, waiting.rows, "left"), rank[kept]))
    high = np.searchsorted(rows, all_of.rows, "right")
    by = first_at_least(lambda at: after[np.minimum(at, len(after) - 1)], all_of.times, low, high)
    out = by < high
    found = all_of.take(out)
    return Released(found, order[by[out]], state.era[found.rows]), all_of.take(~out)


def _one_by_one(state: WindowsState, waiting: Arrivals, new: Arrivals, limits: Limits) -> tuple[Released, Arrivals]:
    """As ``_released``, for series of which more may wait than is allowed, or that may begin anew."""
    both = waiting.and_also(new)
    keys = list(zip(both.times.tolist(), np.nan_to_num(both.values, nan=np.inf).tolist(), strict=True))
    heaps: dict[int, list[tuple[tuple[int, float], int, int]]] = {}
    out: list[tuple[int, int, int]] = []
    for each, row in enumerate(both.rows.tolist()):
        heap = heaps.setdefault(row, [])
        entry = (keys[each], int(both.ordinals[each]), each)
        if each < len(waiting.rows):
            heapq.heappush(heap, entry)
            continue
        if entry[0][0] < int(state.mark[row]) and not _begins_anew(state, row, heap, limits.patience):
            continue
        heapq.heappush(heap, entry)
        _advance(state, row, heap, entry[0][0], limits)
        while heap and heap[0][0][0] <= int(state.mark[row]):
            out.append((heapq.heappop(heap)[2], each - len(waiting.rows), int(state.era[row])))
    chosen = np.array(out, np.int64).reshape(-1, 3)
    left = np.array(sorted(item[2] for heap in heaps.values() for item in heap), np.int64)
    return Released(both.take(chosen[:, 0]), chosen[:, 1], chosen[:, 2]), both.take(left)


def _begins_anew(state: WindowsState, row: int, heap: list[tuple[tuple[int, float], int, int]], patience: int) -> bool:
    """Count a reading that is too late; whether it is one too many of them in a row."""
    state.behind[row] += 1
    state.late[row] += 1
    if state.behind[row] < patience:
        return False
    # This one is not late any more, but what waits lies ahead of a time that nobody believes.
    state.late[row] += len(heap) - 1
    state.mark[row] = NEVER
    state.era[row] += 1
    heap.clear()
    return True


def _advance(
    state: WindowsState, row: int, heap: list[tuple[tuple[int, float], int, int]], time: int, limits: Limits
) -> None:
    """Move the watermark to where a reading brings it that is on time."""
    state.behind[row] = 0
    mark = max(int(state.mark[row]), time - limits.lateness)
    if len(heap) > limits.waiting:
        ready = sum(item[0][0] <= mark for item in heap)
        if len(heap) - ready > limits.waiting:
            mark = heapq.nsmallest(ready + 1, heap)[-1][0][0]
            state.crowded[row] += 1
    state.mark[row] = mark
