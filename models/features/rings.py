"""The readings that windows may still need: a ring per series, all of them in one array that grows with its content."""

import numpy as np

from .base import Floats, Ints
from .derived import Derived, Needs
from .release import Arrivals
from .search import first_at_least, starts
from .state import NEVER, WindowsState

SMALLEST = 16


def put(
    state: WindowsState, needs: Needs, readings: Arrivals, era: Ints, bounds: tuple[int, int]
) -> tuple[Ints, Derived]:
    """Append readings, sorted by series and in each by time; returns their numbers, int64[n], and what is derived.

    Kept are the last ``most`` readings of a series, as far as the last one is not ``horizon`` ns younger, and the one
    before these: a lag may ask for it. bounds: ``horizon`` and ``most``. era: int64[n], one for each series here.
    """
    horizon, most = bounds
    rows = readings.rows
    first = np.flatnonzero(starts(rows))
    each, new = rows[first], np.diff(np.append(first, len(rows)))
    _begin_anew(state, readings, era)
    _make_room(state, each, new, horizon, most)
    derived = state.derived
    if derived is None or not derived.fits(state) or derived.needs != needs:
        derived = state.derived = Derived(state, needs)
    numbers = state.count[rows] + np.arange(len(rows)) - np.repeat(first, new)
    at = state.place[rows] + (numbers & (state.size[rows] - 1))
    state.time[at], state.value[at] = readings.times, readings.values
    state.count[each] += new
    derived.add(state, rows, numbers)
    return numbers, derived


def _begin_anew(state: WindowsState, readings: Arrivals, era: Ints) -> None:
    """Forget what was released before a series began anew: it may lie behind what comes."""
    rows = readings.rows[era > state.kept_era[readings.rows]]
    if len(rows):
        state.tail[rows] = state.count[rows]
        state.held_at[rows] = NEVER
        state.kept_era[readings.rows] = era


def _make_room(state: WindowsState, rows: Ints, new: Ints, horizon: int, most: int) -> None:
    """Have place for ``new`` readings of each of these series, and one more for the sum behind them."""
    short = state.count[rows] + new + 1 - state.tail[rows] > state.size[rows]
    if not short.any():
        return
    _forget(state, rows[short], horizon, most)
    size = _power(state.count[rows] - state.tail[rows] + new + 1)
    short = size > state.size[rows]
    if not short.any():
        return
    total = int(size[short].sum())
    if state.used + total > len(state.time):
        _rebuild(state, rows, size, horizon, most)
        return
    rows, size = rows[short], size[short]
    _move(state, rows, size, state.used + np.cumsum(size) - size, (state.time, state.value))
    state.used += total
    if state.derived is not None and state.derived.fits(state):
        state.derived.all_of(state, rows)


def _rebuild(state: WindowsState, rows: Ints, size: Ints, horizon: int, most: int) -> None:
    """New rings for all; those of ``rows`` have at least this size."""
    everyone = np.arange(len(state.count))
    _forget(state, everyone, horizon, most)
    kept = state.count - state.tail
    # Somewhat more than what is kept: in a steady state nobody moves again.
    sizes = np.where(kept > 0, _power(kept + kept // 8 + 2), 0)
    sizes[rows] = np.maximum(sizes[rows], size)
    state.used = int(sizes.sum())
    length = state.used + max(state.used // 4, 64 * SMALLEST) // SMALLEST * SMALLEST
    old = state.time, state.value
    state.time, state.value = np.zeros(length, np.int64), np.zeros(length)
    _move(state, everyone, sizes, np.cumsum(sizes) - sizes, old)


def _forget(state: WindowsState, rows: Ints, horizon: int, most: int) -> None:
    count, tail, place, mask = state.count[rows], state.tail[rows], state.place[rows], state.size[rows] - 1
    tail = np.maximum(tail, count - most)
    some = count > tail
    newest = np.where(some, place + ((count - 1) & mask), 0)
    oldest = np.where(some, state.time[newest] if len(state.time) else 0, 0) - horizon
    found = first_at_least(lambda at: state.time[np.where(some, place + (at & mask), 0)], oldest, tail, count)
    state.tail[rows] = np.maximum(found - 1, tail)


def _move(state: WindowsState, rows: Ints, sizes: Ints, places: Ints, old: tuple[Ints, Floats]) -> None:
    """Give series other rings, and take along what is kept."""
    kept = state.count[rows] - state.tail[rows]
    each = np.repeat(np.arange(len(rows)), kept)
    numbers = state.tail[rows][each] + np.arange(len(each)) - (np.cumsum(kept) - kept)[each]
    source = state.place[rows][each] + (numbers & (state.size[rows] - 1)[each])
    target = places[each] + (numbers & (sizes - 1)[each])
    state.time[target], state.value[target] = old[0][source], old[1][source]
    state.place[rows], state.size[rows] = places, sizes


def _power(n: Ints) -> Ints:
    """The next power of two, at least ``SMALLEST``."""
    _, exponent = np.frexp(np.maximum(n, SMALLEST) - 1)
    out: Ints = np.int64(1) << exponent.astype(np.int64)
    return out
