"""The sure way: one series, one reading after the other. What this says is what validation means."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from contracts.readings import Verdict

from .limits import NEVER, Float, Limits
from .table import BLOCK, LEARNED_CHANGES, LEARNED_RUN, NONE, REMEMBERED, RUN_FACTOR, Int, Table

_GREATEST_STEP = 2**60
#: After so many readings that come late only because of one that ran ahead, that one was wrong.
_AHEAD = 3


class Step(NamedTuple):
    """What one reading of a series led to.

    kept, confirms, newest and silence are as in ``sweep.Track``; ``gap`` is a hole before the reading: its begin and
    how many readings are missing; ``stuck`` is an incident that began or ended: state, since when, how many readings.
    """

    verdict: Verdict
    kept: bool
    confirms: int
    newest: int
    silence: int
    gap: tuple[int, int] | None = None
    stuck: tuple[str, int, int] | None = None


class Follower:
    """One series while its readings are looked at one by one: loaded from the table, stored back at the end."""

    def __init__(self, table: Table, number: int, limits: Limits, lateness: int) -> None:
        self._table, self._number, self._limits, self._lateness = table, number, limits, lateness
        self.newest = int(table.newest[number])
        self.value = float(table.value[number])
        self.total = int(table.total[number])
        self.usual, self.longest = int(table.usual[number]), int(table.longest[number])
        self.run, self.run_since = int(table.run[number]), int(table.run_since[number])
        self.record, self.changes = int(table.run_record[number]), int(table.changes[number])
        self.late = int(table.late[number])
        self.stuck = int(table.stuck[number])
        held = min(self.total, REMEMBERED)
        slots = [(self.total - held + k) % REMEMBERED for k in range(held)]
        self._judge_rhythm()
        self.times: list[int] = table.times[number, slots].tolist()
        self.values: list[float] = table.values[number, slots].tolist()

    def store(self) -> None:
        """Put the series back into the table."""
        table, number = self._table, self._number
        table.newest[number], table.value[number], table.total[number] = self.newest, self.value, self.total
        table.usual[number], table.longest[number] = self.usual, self.longest
        table.run[number], table.run_since[number] = self.run, self.run_since
        table.run_record[number], table.changes[number] = self.record, self.changes
        table.late[number], table.stuck[number] = self.late, self.stuck
        held = len(self.times)
        slots = [(self.total - held + k) % REMEMBERED for k in range(held)]
        table.times[number, slots] = self.times
        table.values[number, slots] = self.values

    def follow(self, time: Int, value: Float) -> Iterator[Step]:
        """What each of the readings leads to, in order."""
        for at, what in zip(time.tolist(), value.tolist(), strict=True):
            yield self._in_order(at, what) if at > self.newest or not self.total else self._backward(at, what)

    def _in_order(self, time: int, value: float) -> Step:
        hole = None
        if self.total:
            if self._too_fast(time, value):
                return self._refused(Verdict.RATE_OF_CHANGE)
            silent = time - self.newest
            if silent > self.gap < NEVER:
                hole = (self.newest, max(1, round(silent / (self._limits.interval or self.usual)) - 1))
        before, self.late = self.newest, 0
        stuck = self._same_again(time, value)
        self._remember(len(self.times), time, value)
        self.newest, self.value = time, value
        return Step(self._verdict(), True, before, time, self.silence, hole, stuck)

    def _backward(self, time: int, value: float) -> Step:
        place = bisect_left(self.times, time)
        if place < len(self.times) and self.times[place] == time:
            return self._refused(Verdict.DUPLICATE if self.values[place] == value else Verdict.CONFLICT)
        # What is older than everything remembered cannot be told from a repetition.
        forgotten = place == 0 and self.total > REMEMBERED
        if time < self.newest - self._lateness or forgotten:
            return self._too_late(time, value)
        if self._too_fast(time, value):
            return self._refused(Verdict.RATE_OF_CHANGE)
        self.late = 0
        self._remember(place, time, value)
        # It makes nothing certain: a reading that ran ahead is not confirmed by one that lies before it.
        return Step(Verdict.OK, True, NONE, self.newest, self.silence)

    def _too_late(self, time: int, value: float) -> Step:
        """Late; but when it is so because of one single reading, and not for the first time, that one was wrong."""
        alone = len(self.times) < 2 or time > self.times[-2]
        self.late = self.late + 1 if alone else 0
        if self.late < _AHEAD:
            return self._refused(Verdict.LATE)
        self.late = 0
        self.times[-1], self.values[-1] = time, value
        stuck = self._same_again(time, value)
        self.newest, self.value = time, value
        return Step(self._verdict(), True, NONE, time, self.silence, None, stuck)

    def _verdict(self) -> Verdict:
        """Of a reading that is in order: a stuck value may still be unwanted."""
        return Verdict.STUCK if self._limits.stuck == "reject" and self.stuck != NONE else Verdict.OK

    def _refused(self, verdict: Verdict) -> Step:
        return Step(verdict, False, NONE, NONE, NEVER)

    def _too_fast(self, time: int, value: float) -> bool:
        if time == self.newest:
            return False
        return abs(value - self.value) > self._limits.per_s * (abs(time - self.newest) * 1e-9)

    def _same_again(self, time: int, value: float) -> tuple[str, int, int] | None:
        """Count runs of equal values; the incident that begins or ends here."""
        ended = None
        if self.total and value == self.value:
            self.run += 1
        else:
            if self.total:
                self.record, self.changes = max(self.record, self.run), self.changes + 1
            if self.stuck != NONE:
                ended = ("closed", self.stuck, self.run)
                self.stuck = NONE
            self.run, self.run_since = 1, time
        if self.stuck == NONE and self._is_stuck(time):
            self.stuck = self.run_since
            return ("open", self.run_since, self.run)
        return ended

    def _is_stuck(self, time: int) -> bool:
        limits = self._limits
        if limits.stuck == "ignore":
            return False
        if limits.stuck_count or limits.stuck_span:
            by_count = 0 < limits.stuck_count <= self.run
            return by_count or (0 < limits.stuck_span <= time - self.run_since and self.run > 1)
        return self.changes >= LEARNED_CHANGES and self.run >= max(LEARNED_RUN, RUN_FACTOR * self.record)

    def _remember(self, place: int, time: int, value: float) -> None:
        self.times.insert(place, time)
        self.values.insert(place, value)
        if len(self.times) > REMEMBERED:
            del self.times[0], self.values[0]
        if self.total % BLOCK == 0 and self.total >= BLOCK:
            last = self.times[-BLOCK - 1 :]
            steps = sorted(min(b - a, _GREATEST_STEP) for a, b in pairwise(last))
            self.usual, self.longest = steps[BLOCK // 2], steps[BLOCK - 2]
            self._judge_rhythm()
        self.total += 1

    def _judge_rhythm(self) -> None:
        """How long the series may be silent: before a reading is missing, and before it is stale."""
        limits = self._limits
        if limits.interval:
            self.gap = int(min(limits.gap_factor * limits.interval, float(NEVER)))
        elif self.usual:
            self.gap = max(int(min(limits.gap_factor * self.usual, float(NEVER))), 3 * self.longest)
        else:
            self.gap = NEVER
        if self.gap < NEVER:
            self.silence = max(self.gap, limits.freshness)
        else:
            self.silence = limits.freshness if limits.stated_freshness else NEVER
