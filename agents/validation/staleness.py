"""Which series have fallen silent, by the readings beside them and by ticks."""

from collections.abc import Iterator

import numpy as np

from .incidents import Found, span
from .limits import NEVER
from .segments import Int, Segments
from .state import ValidationState
from .sweep import Track
from .table import LAST, NONE


def lagging(state: ValidationState, seg: Segments, track: Track, time: Int, newest: Int) -> list[Found]:
    """Series that the other readings of their source and asset have left behind, or that came back.

    A group's watermark is the newest time that a later reading of the same series confirms: one reading that ran
    ahead makes nobody stale. ``time`` is that of the batch, ``newest`` is per segment as before the batch.
    """
    if not track.kept.all():
        seg, track, newest = _kept(seg, track, newest)
    if not len(seg):
        return []
    table = state.table
    groups = table.group[seg.number]
    table.seen[seg.number] = state.elapsed
    fresh_until = _sum(track.newest, track.silence)
    if state.members[groups].max() == 1 and (table.stale[seg.number] == NONE).all():
        state.watermark[groups] = np.maximum(state.watermark[groups], np.maximum.reduceat(track.confirms, seg.start))
        table.due[seg.number] = fresh_until[seg.end]
        return []
    return list(_Groups(state, seg, track, newest, fresh_until).found(time))


def _kept(seg: Segments, track: Track, newest: Int) -> tuple[Segments, Track, Int]:
    """Only the rows that count; segments without any are gone."""
    kept = track.kept
    numbers = seg.spread(seg.number)[kept]
    slim = Track(kept[kept], track.confirms[kept], track.newest[kept], track.silence[kept])
    return Segments.of(seg.rows[kept], numbers), slim, newest[seg.any(kept)] if len(seg) else newest


def _sum(time: Int, span_: Int) -> Int:
    """Time plus span, at most the last instant, which no watermark passes."""
    room = LAST - np.maximum(time, 0)
    return np.where((span_ >= room) | (span_ >= NEVER), LAST, time + np.minimum(span_, room))


class _Groups:
    """The rows of a batch in order of arrival, group by group, with the watermark after each."""

    def __init__(self, state: ValidationState, seg: Segments, track: Track, newest: Int, fresh_until: Int) -> None:
        self._table, self._state, self._seg = state.table, state, seg
        number = seg.number
        by_arrival = np.argsort(seg.rows, kind="stable")
        group = seg.spread(self._table.group[number])
        self._by_group = by_group = Segments.of(by_arrival, group[by_arrival])
        before = state.watermark[by_group.number]
        self._level = by_group.running_max(track.confirms[by_group.rows], before)
        self._mark, self._mark_before = np.empty_like(self._level), np.empty_like(self._level)
        self._mark[by_group.rows] = self._level
        self._mark_before[by_group.rows] = by_group.before(self._level, before)
        self._fresh_until = fresh_until
        # A series is due again only after the watermark has moved: files that are read one after the other are
        # not stale because an earlier one ended later.
        due = np.maximum(fresh_until, self._mark)
        self._due_before = seg.before(due, self._table.due[number])
        self._newest_before = seg.before(track.newest, newest)
        state.watermark[by_group.number] = self._level[by_group.end]
        self._table.due[number] = due[seg.end]

    def found(self, time: Int) -> Iterator[Found]:
        """Walk through the series that something may have happened to; mostly there are none."""
        table, seg, state = self._table, self._seg, self._state
        count = len(state.series)
        touched = np.zeros(len(state.watermark), bool)
        touched[self._by_group.number] = True
        group = table.group[:count]
        left_behind = touched[group] & (state.watermark[group] > table.due[:count]) & (table.stale[:count] == NONE)
        hit = seg.any(self._mark_before > self._due_before)
        back = table.stale[seg.number] != NONE
        segment_of = dict(zip(seg.number[hit | back].tolist(), np.flatnonzero(hit | back).tolist(), strict=True))
        for number in sorted({*segment_of, *np.flatnonzero(left_behind).tolist()}):
            yield from self._walk(number, segment_of.get(number), time)

    def _walk(self, number: int, segment: int | None, time: Int) -> Iterator[Found]:
        """Opening and closing of one series in the course of the batch."""
        table, seg = self._table, self._seg
        since = int(table.stale[number])
        if segment is not None:
            start = int(seg.start[segment])
            for place in range(start, start + int(seg.length[segment])):
                if since == NONE and self._mark_before[place] > self._due_before[place]:
                    since = int(self._newest_before[place])
                    yield self._opening(number, int(self._due_before[place]), since, time)
                if since != NONE and self._mark[place] <= self._fresh_until[place]:
                    row = int(seg.rows[place])
                    yield closing(row, number, int(time[row]), since)
                    since = NONE
        group = table.group[number]
        if since == NONE and self._state.watermark[group] > table.due[number]:
            since = int(table.newest[number])
            yield self._opening(number, int(table.due[number]), since, time)
        table.stale[number] = since

    def _opening(self, number: int, due: int, since: int, time: Int) -> Found:
        """The incident, at the very row that moved the watermark past ``due``."""
        groups = self._by_group
        which = int(np.searchsorted(groups.number, self._table.group[number]))
        start = int(groups.start[which])
        level = self._level[start : start + int(groups.length[which])]
        place = start + int(np.searchsorted(level, due, side="right"))
        row = int(self._seg.rows[groups.rows[place]])
        at = int(time[row])
        detail = f"silent for {span(at - since)} while other channels of the asset went on"
        return Found(row, "stale", "open", number, at, since, detail)


def closing(row: int, number: int, time: int, since: int) -> Found:
    """The incident's end: the series is back."""
    detail = f"back after {span(max(0, time - since))}"
    return Found(row, "stale", "closed", number, time, since, detail)


def silent(state: ValidationState, time: int, step_limit: int) -> list[Found]:
    """Series that no reading came from while ticks went by.

    Only time that ticks have seen pass counts, and of a pause between two ticks at most ``step_limit``: while
    Tocsin itself stood still nobody was silent.
    """
    if state.now != NONE:
        state.elapsed += min(max(0, time - state.now), step_limit)
    state.now = time
    table, limits, count = state.table, state.derived.limits, len(state.series)
    numbers = np.arange(count)
    gap = limits.gap(numbers, table.usual[:count], table.longest[:count])
    quiet = state.elapsed - table.seen[:count]
    stale = (quiet > limits.silence(numbers, gap)) & (table.stale[:count] == NONE) & (table.total[:count] > 0)
    found = []
    for number in np.flatnonzero(stale).tolist():
        since = int(table.newest[number])
        table.stale[number] = since
        detail = f"no usable reading for {span(int(quiet[number]))}"
        found.append(Found(0, "stale", "open", number, time, since, detail))
    return found
