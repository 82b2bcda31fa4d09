"""The verdicts: what can be seen from a reading alone, and what from those before it."""

import numpy as np
from numpy.typing import NDArray

from contracts.instants import EARLIEST, LATEST
from contracts.readings import Quality, Readings, Verdict

from .exact import Follower, Step
from .incidents import Found, span
from .places import CROWDED, UNKNOWN
from .segments import Int, Segments
from .state import ValidationState
from .sweep import Track, sweep
from .table import NONE

Verdicts = NDArray[np.uint8]


def at_sight(readings: Readings, number: Int, state: ValidationState, future: int) -> Verdicts:
    """Verdicts that need no memory; the first that applies, what acquisition said before all."""
    verdict = readings.verdict.copy()
    _mark(verdict, number == UNKNOWN, Verdict.UNKNOWN_SERIES)
    _mark(verdict, number == CROWDED, Verdict.TOO_MANY_SERIES)
    _mark(verdict, ~np.isfinite(readings.value), Verdict.NOT_FINITE)
    _mark(verdict, readings.quality >= Quality.BAD, Verdict.BAD_QUALITY)
    _mark(verdict, (readings.time < EARLIEST) | (readings.time > LATEST), Verdict.BAD_TIME)
    limits = state.derived.limits
    if limits.any_range:
        known = np.maximum(number, 0)
        outside = (readings.value < limits.low[known]) | (readings.value > limits.high[known])
        _mark(verdict, outside & (number >= 0), Verdict.OUT_OF_RANGE)
    if state.now != NONE:
        _mark(verdict, readings.time > state.now + future, Verdict.FUTURE)
    return verdict


def _mark(verdict: Verdicts, rows: NDArray[np.bool_], what: Verdict) -> None:
    if rows.any():
        verdict[rows & (verdict == Verdict.OK)] = what


def in_sequence(
    state: ValidationState, seg: Segments, readings: Readings, verdict: Verdicts, lateness: int
) -> tuple[Track, list[Found]]:
    """Verdicts that follow from the readings before, put into ``verdict``; gaps and stuck values that show."""
    time, value = readings.time[seg.rows], readings.value[seg.rows]
    left, track = sweep(state.table, state.derived.limits, seg, time, value)
    found: list[Found] = []
    for segment in np.flatnonzero(left).tolist():
        start = int(seg.start[segment])
        places = slice(start, start + int(seg.length[segment]))
        number = int(seg.number[segment])
        follower = Follower(state.table, number, state.derived.limits.rows[number], lateness)
        steps = list(follower.follow(time[places], value[places]))
        follower.store()
        rows = seg.rows[places]
        _, kept, confirms, newest, silence, _, _ = zip(*steps, strict=True)
        verdict[rows] = [step.verdict for step in steps]
        track.kept[places], track.confirms[places] = kept, confirms
        track.newest[places], track.silence[places] = newest, silence
        for row, at, step in zip(rows.tolist(), time[places].tolist(), steps, strict=True):
            if step.gap or step.stuck:
                found += _found(number, row, at, step)
    return track, found


def _found(number: int, row: int, time: int, step: Step) -> list[Found]:
    out = []
    if step.gap:
        since, missing = step.gap
        detail = f"nothing for {span(time - since)}: about {missing:,} readings are missing"
        out += [
            Found(row, "gap", "open", number, time, since, detail, missing),
            Found(row, "gap", "closed", number, time, since, detail, missing),
        ]
    if step.stuck:
        what, since, count = step.stuck
        if what == "open":
            detail = f"the same value {count:,} times in {span(time - since)}"
            out.append(Found(row, "stuck", "open", number, time, since, detail, count))
        else:
            detail = f"another value after {count:,} equal ones"
            out.append(Found(row, "stuck", "closed", number, time, since, detail, count))
    return out
