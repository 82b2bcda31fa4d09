"""The quick way: all series of a batch at once, as long as nothing about a series is suspicious.

``exact`` says what is right, reading by reading; this says the same for series whose readings come in order, without
gaps, without jumps and without long runs, and leaves all others to it. A test holds the two against each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .limits import LimitColumns
from .segments import Bool, Int, Rows, Segments
from .table import BLOCK, LEARNED_CHANGES, LEARNED_RUN, NONE, REMEMBERED, RUN_FACTOR, Table, usual_intervals

Float = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Track:
    """What the staleness of series is judged by, per row of the segments.

    kept      whether the reading counts: it was accepted, or rejected for its value's sameness only
    confirms  time that the row makes certain: that of the newest reading before it
    newest    time of the series' newest reading after the row
    silence   how long the series may be silent after the row
    """

    kept: Bool
    confirms: Int
    newest: Int
    silence: Int


@dataclass(slots=True, eq=False)
class Runs:
    """Equal values in a row: per row, and per segment what the batch leaves behind."""

    length: Int
    since: Int
    changes: Int
    record: Int
    suspicious: Bool


def sweep(table: Table, limits: LimitColumns, seg: Segments, time: Int, value: Float) -> tuple[Bool, Track]:
    """Take in all series that are beyond suspicion.

    ``time`` and ``value`` stand in the order of the segments. Returns which segments are left to be done, and the
    track of those that are done.
    """
    number = seg.number
    fresh = table.total[number] == 0
    before = seg.before(time, table.newest[number])
    step = time - before
    step[seg.start[fresh]] = 0
    gap, gap_after, blocks = _gaps(table, limits, seg, time)
    # A step that does not fit 64 bits comes out negative.
    odd = (time <= before) | (step > gap) | (step < 0)
    last = seg.before(value, table.value[number])
    if limits.any_rate:
        with np.errstate(over="ignore", invalid="ignore"):
            odd |= (np.abs(value - last) > seg.spread(limits.per_s[number]) * (step * 1e-9)) & (step > 0)
    runs = _runs(table, limits, seg, time, value != last)
    left = seg.any(odd) | runs.suspicious
    _store(table, seg, ~left, time, value, runs)
    _store_blocks(table, seg, ~left, blocks)
    silence = limits.silence(seg.spread(number), gap_after)
    return left, Track(np.ones(len(time), bool), before, time.copy(), silence)


def _gaps(table: Table, limits: LimitColumns, seg: Segments, time: Int) -> tuple[Int, Int, tuple[Rows, Int, Int]]:
    """Gap limits that hold at each row and after it, and the blocks that end: place, usual, longest interval."""
    number = seg.number
    total = table.total[number]
    carry = limits.gap(number, table.usual[number], table.longest[number])
    item = np.arange(len(time)) + seg.spread(total - seg.start)
    ends = (item % BLOCK == 0) & (item >= BLOCK)
    place = np.flatnonzero(ends)
    none = np.zeros(0, np.int64)
    if not len(place):
        same = seg.spread(carry)
        return same, same, (place, none, none)
    own = seg.spread(number)[place]
    back = np.arange(-BLOCK, 1)
    items = item[place][:, None] + back
    inside = items >= seg.spread(total)[place][:, None]
    held = table.times[own[:, None], items % REMEMBERED]
    times = np.where(inside, time[np.maximum(place[:, None] + back, 0)], held)
    usual, longest = usual_intervals(times)
    limit = limits.gap(own, usual, longest)
    ended = np.cumsum(ends)
    ended -= seg.spread(ended[seg.start] - ends[seg.start])  # blocks that ended in the segment, up to each row
    index = np.cumsum(ends) - 1
    after = np.where(ended > 0, limit[np.maximum(index, 0)], seg.spread(carry))
    return seg.before(after, carry), after, (place, usual, longest)


def _runs(table: Table, limits: LimitColumns, seg: Segments, time: Int, differs: Bool) -> Runs:
    """Runs of equal values, from flags that say where a value differs from the one before."""
    number, start = seg.number, seg.start
    fresh = table.total[number] == 0
    begins = differs.copy()
    begins[start[fresh]] = True
    changes = begins.copy()
    changes[start[fresh]] = False
    place = np.arange(len(time))
    anchor = begins.copy()
    anchor[start] = True
    anchor_place = np.maximum.accumulate(np.where(anchor, place, 0))
    carried = np.where(begins[start], 0, table.run[number])
    from_before = anchor_place == seg.spread(start)
    length = place - anchor_place + 1 + np.where(from_before, seg.spread(carried), 0)
    since = np.where(from_before & seg.spread(carried > 0), seg.spread(table.run_since[number]), time[anchor_place])
    ended = np.where(changes, seg.before(length, table.run[number]), 0)
    runs = Runs(
        length=length,
        since=since,
        changes=table.changes[number] + seg.count(changes),
        record=np.maximum(table.run_record[number], np.maximum.reduceat(ended, start)),
        suspicious=np.zeros(len(seg), bool),
    )
    runs.suspicious = _suspicious(table, limits, seg, time, runs)
    return runs


def _suspicious(table: Table, limits: LimitColumns, seg: Segments, time: Int, runs: Runs) -> Bool:
    """Segments in which an incident about a stuck value may begin or end."""
    number = seg.number
    most = np.maximum.reduceat(runs.length, seg.start)
    least = np.maximum(LEARNED_RUN, RUN_FACTOR * table.run_record[number])
    learned = limits.learned[number] & (runs.changes >= LEARNED_CHANGES) & (most >= least)
    limit = limits.stuck_count[number]
    stuck = learned | ((limit > 0) & (most >= limit))
    if limits.any_span:
        span = seg.spread(limits.stuck_span[number])
        spent = time - runs.since
        stuck |= seg.any((span > 0) & (runs.length > 1) & ((spent >= span) | (spent < 0)))
    is_open = table.stuck[number] != NONE
    changed = runs.changes > table.changes[number]
    return np.where(is_open, changed | limits.rejecting[number], stuck)


def _store(table: Table, seg: Segments, good: Bool, time: Int, value: Float, runs: Runs) -> None:
    """Leave behind what the batch says of the good segments."""
    number, end, length = seg.number[good], seg.end[good], seg.length[good]
    total = table.total[number]
    # Only the last readings of a long segment are remembered.
    nth = np.arange(len(time)) - seg.spread(seg.start)
    lasting = seg.spread(good) & (nth >= seg.spread(seg.length) - REMEMBERED)
    rows = np.flatnonzero(lasting)
    owner = seg.spread(seg.number)[rows]
    slot = (table.total[owner] + nth[rows]) % REMEMBERED
    table.times[owner, slot] = time[rows]
    table.values[owner, slot] = value[rows]
    table.newest[number] = time[end]
    table.value[number] = value[end]
    table.total[number] = total + length
    table.run[number] = runs.length[end]
    table.run_since[number] = runs.since[end]
    table.changes[number] = runs.changes[good]
    table.run_record[number] = runs.record[good]
    table.late[number] = 0


def _store_blocks(table: Table, seg: Segments, good: Bool, blocks: tuple[Rows, Int, Int]) -> None:
    place, usual, longest = blocks
    if not len(place):
        return
    which = np.searchsorted(seg.start, place, side="right") - 1
    # Of several blocks of one series the last stays: assignment to equal indices keeps the last one.
    kept = np.flatnonzero(good[which])
    owner = seg.number[which[kept]]
    table.usual[owner] = usual[kept]
    table.longest[owner] = longest[kept]
