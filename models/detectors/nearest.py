"""Distance to the nearest value ever seen, in bounded memory.

Of the values seen, only those are kept that lie further than a small share of the range from every
value kept before (a net in the sense of Kolmogorov's epsilon-nets). So the memory never forgets, and
the distance it answers is right within that share of the range.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import Flags, Floats, Ints, Key, State, as_key, as_rows, column

# The share is no round number, so that readings on a grid (integers, say) do not lie exactly on the
# boundary between kept and not kept, where rounding would decide.
SHARE = 0.00395437216
ROOM = 512  # a power of two, and at least 2 / SHARE: thinning then always frees half


@dataclass
class Net(State):
    """The values kept, 4 KB, and the ends of the range."""

    memory: Floats = column(np.inf)
    kept: Ints = column()
    low: Floats = column()
    high: Floats = column()


def empty() -> dict[str, Any]:
    """Arrays for zero series."""
    flat = np.empty(0)
    return {"memory": np.empty((0, ROOM)), "kept": np.empty(0, np.int64), "low": flat, "high": flat}


def novelty(state: Net, key: Key, fresh: Flags, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Distances of values to the nearest ones kept before, and the range before: float64[t, k] each.

    The range is its low and its high end. What is new enough is kept. fresh: bool[k], series without a
    reading yet; their first distance is infinite.
    """
    state.memory[as_rows(key)[fresh], 0] = -np.inf
    away, low, high = np.empty_like(values), np.empty_like(values), np.empty_like(values)
    done, ahead = 0, 16
    while done < len(values):
        part = slice(done, done + ahead)
        turns = _learn(state, key, values[part], (away[part], low[part], high[part]))
        done += ahead
        ahead = ahead * 2 if turns < 2 else max(4, ahead // 2)
    return away, low, high


def _learn(state: Net, key: Key, values: Floats, out: tuple[Floats, Floats, Floats]) -> int:
    """Fill in distances and range; return how many turns it took.

    Distances hold up to a series' first reading that is kept: the next ones have one more neighbour. So only the
    series that keep something are looked up again, from there on.
    """
    rows, steps = as_rows(key), np.arange(len(values))[:, None]
    away, low, high = out
    away[:], low[:], high[:] = _distances(state.memory, key, values), state.low[key], state.high[key]
    new = away > SHARE * (high[0] - low[0])
    some, turns = np.flatnonzero(new.any(axis=0)), 0
    first = new[:, some].argmax(axis=0)
    while len(some):
        turns += 1
        keep(state, rows[some], values[first, some], SHARE * (high[first, some] - low[first, some]))
        more = first < len(values) - 1
        some, first = some[more], first[more]
        if not len(some):
            break
        mine, later = rows[some], steps > first
        again = _distances(state.memory, as_key(mine), values[:, some])
        bottom, top = state.low[mine], state.high[mine]
        new = later & (again > SHARE * (top - bottom))
        for old, now in ((away, again), (low, bottom), (high, top)):
            old[:, some] = np.where(later, now, old[:, some])
        kept = new.any(axis=0)
        some, first = some[kept], new[:, kept].argmax(axis=0)
    return turns


def _distances(memory: Floats, key: Key, values: Floats) -> Floats:
    """Distance of each value [t, k] to the nearest one in its series' row.

    Rows ascend from -inf and are padded with inf.
    """
    if values.shape[1] == 1 and isinstance(key, slice):
        row = memory[key.start]
        spots = np.searchsorted(row, values)
        one: Floats = np.minimum(values - row[spots - 1], row[spots] - values)
        return one
    flat = memory.reshape(-1)
    spots = np.broadcast_to(as_rows(key) * ROOM, values.shape)
    half = ROOM >> 1
    while half:  # the last position whose value is below the one looked up; -inf always is
        ahead = spots + half
        spots = np.where(flat.take(ahead) < values, ahead, spots)
        half >>= 1
    out: Floats = np.minimum(values - flat.take(spots), flat.take(spots + 1) - values)
    return out


def keep(state: Net, rows: Ints, values: Floats, gap: Floats) -> None:
    """Keep one more value for each of these series; thin out the rows that have become full."""
    memory, kept = state.memory, state.kept
    kept[rows] += 1
    used = kept[rows]
    memory[rows, used] = values
    width = int(used.max()) + 1
    memory[rows, :width] = np.sort(memory[rows, :width], axis=1)
    for row, space in zip(rows[used >= ROOM - 2], gap[used >= ROOM - 2], strict=True):
        _thin(memory, kept, int(row), float(space))
    # The range ends at the second lowest and second highest value, so that one absurd reading does not
    # make all others look alike; at the outermost ones while there are no more than three.
    used = kept[rows]
    trim = (used > 3).astype(np.int64)
    state.low[rows], state.high[rows] = memory[rows, 1 + trim], memory[rows, used - trim]


def _thin(memory: Floats, kept: Ints, row: int, gap: float) -> None:
    """Drop values closer than `gap` to their neighbour below: the range has grown since they came."""
    last, chosen = -np.inf, []
    for value in memory[row, 1 : kept[row] + 1].tolist():
        if value - last > gap:
            chosen.append(value)
            last = value
    memory[row, 1:] = np.inf
    memory[row, 1 : len(chosen) + 1] = chosen
    kept[row] = len(chosen)
