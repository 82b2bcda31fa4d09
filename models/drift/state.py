"""Everything a drift test remembers of its series: arrays with the series as leading axis, nothing else."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .bets import BETS, FAMILIES, FAMILY_OF_BET, LEVELS, WEIGHTS, weights_of
from .knots import BLOCK, BLOCKS, CLASSES, KNOTS
from .reference import CURVE, DAY_NS, EDGES, LAGS, STATES, Reference
from .words import F64, I64, Bools

NEAR = 8  # readings back in which an equal one is a repeat
RECENT = 64  # raw readings kept for naming a fault
PAST = 2048  # ranks among the reference kept (as cells) for naming and dating a change
FLAGS = 6  # readings over which a jump must show

# name: (shape after the series axis, dtype)
_ARRAYS: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    # from the reference
    "knots": ((KNOTS + 1,), np.float64),
    "below": ((CLASSES + 2,), np.int32),
    "first": ((STATES + 1,), np.int32),
    "cuts": ((STATES - 1,), np.float64),
    "levels": ((STATES,), np.float64),
    "scales": ((STATES,), np.float64),
    "season": ((CURVE,), np.float64),
    "swing": ((CURVE,), np.float64),
    "seasonal": ((), np.bool_),
    "steps": ((2, EDGES), np.float64),
    "stepped": ((), np.bool_),
    "lags": ((LAGS,), np.float64),
    "order": ((), np.int64),
    "volatility": ((4,), np.float64),
    "table": ((), np.int64),
    "missing_bet": ((8,), np.float64),
    "repeat_bet": ((4,), np.float64),
    "stuck": ((), np.int64),
    "range": ((6,), np.float64),
    "centre": ((3,), np.float64),
    "raw": ((2,), np.float64),
    "reach": ((), np.float64),
    "jump_needs": ((), np.int64),
    "weights": ((BETS,), np.float64),
    "limit": ((), np.float64),
    "seed": ((), np.uint64),
    "adopted": ((), np.bool_),
    # what was seen since
    "history": ((LAGS,), np.float64),
    "h": ((), np.float64),
    "tick": ((), np.float64),
    "last_time": ((), np.int64),
    "warm": ((), np.int64),
    "run": ((), np.int64),
    "flags": ((4, FLAGS), np.bool_),
    "recent": ((RECENT,), np.float64),
    "near": ((NEAR,), np.float64),
    "past": ((PAST,), np.uint8),
    "seen": ((), np.int64),
    "tested": ((), np.int64),
    "epoch": ((), np.int64),
    "fine": ((BLOCK * BLOCKS,), np.uint16),
    "coarse": ((BLOCKS,), np.uint16),
    "tally": ((STATES, 3), np.int32),
    "evidence": ((BETS,), np.float64),
    "last_level": ((), np.int64),
    "was_missing": ((), np.bool_),
    "latched": ((), np.bool_),
}


@dataclass
class State:
    """One row per series. The first block is copied from its reference, the second is what was seen since.

    About 29 KB per series (``bytes_per_series``), whatever the length of the stream.
    """

    knots: F64
    below: NDArray[np.int32]
    first: NDArray[np.int32]
    cuts: F64
    levels: F64
    scales: F64
    season: F64
    swing: F64
    seasonal: Bools
    steps: F64
    stepped: Bools
    lags: F64
    order: I64
    volatility: F64
    table: I64
    missing_bet: F64
    repeat_bet: F64
    stuck: I64
    range: F64
    centre: F64
    raw: F64
    reach: F64
    jump_needs: I64
    weights: F64
    limit: F64
    seed: NDArray[np.uint64]
    adopted: Bools
    history: F64
    h: F64
    tick: F64
    last_time: I64
    warm: I64
    run: I64
    flags: Bools
    recent: F64
    near: F64
    past: NDArray[np.uint8]
    seen: I64
    tested: I64
    epoch: I64
    fine: NDArray[np.uint16]
    coarse: NDArray[np.uint16]
    tally: NDArray[np.int32]
    evidence: F64
    last_level: I64
    was_missing: Bools
    latched: Bools
    references: list[str]

    @property
    def rows(self) -> int:
        """How many series there is room for."""
        return len(self.limit)

    @property
    def bytes_per_series(self) -> int:
        """Memory of one series' arrays."""
        return sum(int(np.prod(shape, dtype=int)) * np.dtype(kind).itemsize for shape, kind in _ARRAYS.values())


def empty() -> State:
    """A state without series."""
    arrays = {name: np.zeros((0, *shape), kind) for name, (shape, kind) in _ARRAYS.items()}
    return State(**arrays, references=[])


def make_room(state: State, row: int) -> None:
    """Grow every array so that ``row`` exists; by doubling, so that adopting n series costs O(n)."""
    if row < state.rows:
        return
    rows = max(row + 1, min(2 * state.rows, state.rows + 256))
    for f in fields(state):
        if f.name == "references":
            continue
        old = getattr(state, f.name)
        new = np.zeros((rows, *old.shape[1:]), old.dtype)
        new[: len(old)] = old
        setattr(state, f.name, new)
    state.references.extend([""] * (rows - len(state.references)))


def forget(state: State, row: int) -> None:
    """Start a new epoch for a series: no evidence, no ranks but the reference's."""
    for name in ("fine", "coarse", "tally", "evidence", "epoch", "latched"):
        getattr(state, name)[row] = 0
    state.last_level[row] = LEVELS


def fill(state: State, row: int, reference: Reference, limit: float, table: int) -> None:
    """Put a reference into a row and clear what the row had seen."""
    for name in (
        "cuts",
        "levels",
        "scales",
        "season",
        "swing",
        "steps",
        "lags",
        "volatility",
        "centre",
        "reach",
        "stuck",
        "knots",
    ):
        getattr(state, name)[row] = getattr(reference, name)
    state.below[row] = reference.below
    state.first[row] = reference.first[-1]
    state.first[row, : reference.states] = reference.first[:-1]
    state.seasonal[row] = bool(reference.season.any() or (reference.swing != 1).any())
    state.stepped[row] = bool(reference.steps.any())
    state.order[row] = int(np.flatnonzero(reference.lags).max(initial=-1)) + 1
    state.missing_bet[row] = _missing_bet(reference)
    state.repeat_bet[row] = _repeat_bet(reference)
    state.range[row] = (reference.lo, reference.hi, reference.edge_lo, reference.edge_hi, *reference.push)
    state.raw[row] = (reference.mean, reference.sd)
    # An autoregression stays away for a while after any leap, and a short reference has seen few.
    state.jump_needs[row] = 2 if reference.n >= 2000 and np.abs(reference.lags).sum() < 0.2 else 3
    state.limit[row], state.table[row] = limit, table
    state.weights[row] = 0.0
    weights = weights_of(table) if reference.settled else WEIGHTS
    state.weights[row, : len(FAMILIES)] = weights * reference.trust[FAMILY_OF_BET]
    digest = reference.digest()
    state.seed[row] = int(digest[:16], 16)
    state.references[row] = digest
    for name in ("history", "run", "flags", "past", "seen", "tested", "was_missing", "last_time"):
        getattr(state, name)[row] = 0
    state.h[row], state.recent[row], state.near[row], state.adopted[row] = 1.0, np.nan, np.nan, True
    state.warm[row] = state.order[row]
    state.tick[row] = DAY_NS / reference.samples_per_day if reference.samples_per_day else np.inf
    forget(state, row)


def _missing_bet(reference: Reference) -> F64:
    """float64[8]: for missing rates about 20 % and 60 %, by [was missing, is missing, bet]."""
    out = np.empty((2, 2, 2))
    for was, chance in enumerate(reference.missing):
        for bet, often in enumerate((0.2, 0.6)):
            # Where gaps are long by nature, one that goes on says nothing.
            odds = max(often, float(chance) * (3 if chance < 0.3 else 1))
            out[was, 1, bet] = odds / float(chance)
            out[was, 0, bet] = (1 - odds) / (1 - float(chance))
    return out.reshape(8)


def _repeat_bet(reference: Reference) -> F64:
    """float64[4]: by [is a repeat, bet]; all 0 (never gains) where readings repeat by nature."""
    if reference.repeat > 0.02:
        return np.zeros(4)
    out = np.empty((2, 2))
    for bet, often in enumerate((0.06, 0.6)):
        out[1, bet], out[0, bet] = often / reference.repeat, (1 - often) / (1 - reference.repeat)
    return out.reshape(4)
