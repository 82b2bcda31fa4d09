"""Distance to the nearest value ever seen, in bounded memory.

Of the values seen, only those are kept that lie further than a small share of the range from every
value kept before (a net in the sense of Kolmogorov's epsilon-nets). So the memory never forgets, and
the distance it answers is right within that share of the range.
"""

import numpy as np

from .base import Floats, Ints, Key

# The share is no round number, so that readings on a grid (integers, say) do not lie exactly on the
# boundary between kept and not kept, where rounding would decide.
SHARE = 0.00395437216


def distances(memory: Floats, key: Key, values: Floats) -> Floats:
    """Distance of each value to the nearest one kept for its series; inf while there is none.

    memory: float64[n, m], m a power of two; each row ascends from -inf and is padded with inf.
    """
    if len(values) == 1 and isinstance(key, slice):
        row = memory[key.start]
        at = int(np.searchsorted(row, values[0]))
        one: Floats = np.minimum(values - row[at - 1], row[at] - values)
        return one
    m = memory.shape[1]
    flat = memory.reshape(-1)
    at = np.arange(key.start, key.stop) * m if isinstance(key, slice) else key * m
    half = m >> 1
    while half:  # the last position whose value is below the one looked up; -inf always is
        ahead = at + half
        at = np.where(flat.take(ahead) < values, ahead, at)
        half >>= 1
    out: Floats = np.minimum(values - flat.take(at), flat.take(at + 1) - values)
    return out


def keep(memory: Floats, kept: Ints, rows: Ints, values: Floats, gap: Floats) -> None:
    """Keep one more value for each of these series; thin out the rows that have become full."""
    m = memory.shape[1]
    kept[rows] += 1
    used = kept[rows]
    memory[rows, used] = values
    width = int(used.max()) + 1
    memory[rows, :width] = np.sort(memory[rows, :width], axis=1)
    for row, space in zip(rows[used >= m - 2], gap[used >= m - 2], strict=True):
        _thin(memory, kept, int(row), float(space))


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
