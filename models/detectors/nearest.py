"""Distance to the nearest value ever seen, in bounded memory.

Of the values seen, only those are kept that lie further than a small share of the range from every
value kept before (a net in the sense of Kolmogorov's epsilon-nets). So the memory never forgets, and
the distance it answers is right within that share of the range.
"""

import numpy as np

from .base import Floats, Ints, Key, as_rows

# The share is no round number, so that readings on a grid (integers, say) do not lie exactly on the
# boundary between kept and not kept, where rounding would decide.
SHARE = 0.00395437216
ROOM = 512  # a power of two, and at least 2 / SHARE: thinning then always frees half


def distances(memory: Floats, key: Key, values: Floats, seen: Ints) -> Floats:
    """Distance of each value to the nearest one kept for its series; inf while there is none.

    memory: float64[n, ROOM]; each row ascends from -inf and is padded with inf. seen: int64[k], 0 for a
    series whose row is still to be prepared.
    """
    fresh = np.flatnonzero(seen == 0)
    if len(fresh):
        memory[as_rows(key)[fresh], 0] = -np.inf
    if len(values) == 1 and isinstance(key, slice):
        row = memory[key.start]
        at = int(np.searchsorted(row, values[0]))
        one: Floats = np.minimum(values - row[at - 1], row[at] - values)
        return one
    flat = memory.reshape(-1)
    spots = as_rows(key) * ROOM
    half = ROOM >> 1
    while half:  # the last position whose value is below the one looked up; -inf always is
        ahead = spots + half
        spots = np.where(flat.take(ahead) < values, ahead, spots)
        half >>= 1
    out: Floats = np.minimum(values - flat.take(spots), flat.take(spots + 1) - values)
    return out


def keep(memory: Floats, kept: Ints, rows: Ints, values: Floats, gap: Floats) -> None:
    """Keep one more value for each of these series; thin out the rows that have become full."""
    kept[rows] += 1
    used = kept[rows]
    memory[rows, used] = values
    width = int(used.max()) + 1
    memory[rows, :width] = np.sort(memory[rows, :width], axis=1)
    for row, space in zip(rows[used >= ROOM - 2], gap[used >= ROOM - 2], strict=True):
        _thin(memory, kept, int(row), float(space))


def span(memory: Floats, kept: Ints, rows: Ints) -> tuple[Floats, Floats]:
    """Ends of the range: the second lowest and second highest value kept, so that one absurd reading
    does not make all others look alike. The outermost ones while there are no more than three.
    """
    trim = (kept[rows] > 3).astype(np.int64)
    return memory[rows, 1 + trim], memory[rows, kept[rows] - trim]


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
