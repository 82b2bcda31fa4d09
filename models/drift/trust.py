"""How far to trust each family of bets on a series: one that wins on the reference itself is no sign of change.

Where the model of the reference is wrong (a season that is not daily, a slow wander, a rhythm that is no
autoregression), its residuals are not exchangeable, and some bets gain on them for ever. Their weight is cut until
the reference's own best streak would be unremarkable. Cutting a weight can only lower the rate of false alarms.
"""

import numpy as np

from .bets import DEPENDENCE, FAMILIES, FAMILY_NAMES, LEVELS, RECORDS, SLOTS, Book
from .chance import uniform
from .words import F64, I64

_REMARKABLE = 200.0  # times the readings in the reference; chance does it in 0.5 % of references
_PLAIN = 0.1  # times the readings in the reference; what a remarkable streak is cut down to
_MOST = 20_000  # readings that are looked at


def trust(key: F64, state: I64, table: int, book: Book) -> F64:
    """float64[families]: factor at most 1 for the weights of each family, in the order of FAMILY_NAMES.

    ``key``: float64[n], residuals of the reference in order of time; ``state``: int64[n], operating states.
    """
    key, state = key[:_MOST], state[:_MOST]
    n = len(key)
    streak = _best(_gains(_ranks(key, state), table, book), book.weights[: len(FAMILIES)])
    return np.array([1.0 if s <= _REMARKABLE * n else _PLAIN * n / s for s in (streak[f] for f in FAMILY_NAMES)])


def _ranks(key: F64, state: I64) -> F64:
    """Random rank of each residual among all of its operating state."""
    out = np.empty(len(key))
    drawn = uniform(np.zeros(1, np.uint64), np.arange(len(key), dtype=np.uint64))
    for s in np.unique(state):
        mine = np.flatnonzero(state == s)
        ordered = np.sort(key[mine])
        low, high = np.searchsorted(ordered, key[mine], "left"), np.searchsorted(ordered, key[mine], "right")
        out[mine] = (low + drawn[mine] * (high - low)) / len(mine)
    return out


def _gains(u: F64, table: int, book: Book) -> F64:
    cells = book.cell_of_slot.take((u * SLOTS).astype(np.int64).clip(0, SLOTS - 1))
    gains = book.tables.take(table + cells, axis=0)[:, : len(FAMILIES)]
    level = np.concatenate([[LEVELS], book.level_of_cell.take(cells[:-1])])
    gains[:, DEPENDENCE] = book.dependence.take(level * book.cells + cells, axis=0)
    gains[:, RECORDS] = gains[:, RECORDS + 1]
    return gains


def _best(gains: F64, weights: F64) -> dict[str, float]:
    """The highest weighted evidence that each family reaches."""
    evidence = np.zeros(gains.shape[1])
    trace = np.empty_like(gains)
    with np.errstate(over="ignore"):
        for i, gain in enumerate(gains):
            evidence = (1 + evidence) * gain
            trace[i] = evidence
        trace *= weights
        names = np.array(FAMILIES)
        return {name: float(trace[:, names == name].sum(axis=1).max()) for name in FAMILY_NAMES}
