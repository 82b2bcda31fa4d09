"""Bets against "nothing changed": tables over the rank U whose mean is exactly 1 when U is uniform.

A bet multiplies evidence by g(U). If U is uniform given the past, no bet gains on average (E g(U) = 1), so
large evidence is a surprise; a bet shaped like the change that happened gains fastest (Kelly, 1956; Shafer,
"Testing by betting", JRSS-A 2021). Tables are likelihood ratios on the cells of U, so their mean is 1 by
construction, whatever the true law of the readings is: a badly chosen shape costs delay, never validity.

The library holds one table per (shape of the reference, step of the location sizes). Under autocorrelation
a shift of d standard deviations of the raw value moves the innovations by much less, and the location bets
follow.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .words import F64, I64

SLOTS = 16384  # resolution of U; cells are unions of slots
BETS = 32  # columns of a table; unused ones are 0
# Location sizes, in standard deviations of the raw value, times the step of the series.
SIZES = (0.14, 0.32, 0.6, 1.0, 3.0)
SCALES = (1.16, 1.3, 1.8, 0.87, 0.65)
STEPS = (1.0, 0.8, 0.64, 0.51, 0.41, 0.33)
SHAPES = (
    "normal",
    "t10",
    "t5",
    "t3",
    "t2",
    "gamma8",
    "gamma8-",
    "gamma2",
    "gamma2-",
    "gamma1",
    "gamma1-",
    "uniform",
)
FAMILIES = ("mean",) * 10 + ("spread",) * 5 + ("tail",) * 4 + ("shape",) * 4 + ("dependence",) * 4
FAMILY_NAMES = tuple(dict.fromkeys(FAMILIES))
RECORDS = 15  # the column that ranking finishes
DEPENDENCE = slice(23, 27)
LEVELS = 16  # of the previous rank, for the dependence bets
_KAPPA = (0.55, -0.5)
# By family: location, scale, tail, shape, dependence. A bet's price is log(1 / weight) over what it gains per reading:
# so the small changes have most of the weight, and those found in a few readings next to none
# (docs/decisions/0029-what-drift-tests-reach.md).
_WEIGHTS = (
    *(0.030, 0.030, 0.182, 0.182, 0.008, 0.008, 0.086, 0.086, 0.003, 0.003),
    *(0.105, 0.145, 0.005, 0.012, 0.004),
    *(0.060, 0.004, 0.003, 0.003),
    *(0.002, 0.002, 0.002, 0.002),
    *(0.018, 0.004, 0.003, 0.003),
)
WEIGHTS = np.array(_WEIGHTS) / sum(_WEIGHTS)
# Where readings follow each other, a shift shows in the innovations by a step of itself while all else shows as
# before, and a unit of log weight costs 1 / step^2 times the readings. So there most of the weight is on shifts.
_FOLLOWING = (
    *(0.010, 0.010, 0.365, 0.365, 0.012, 0.012, 0.028, 0.028, 0.003, 0.003),
    *(0.032, 0.054, 0.006, 0.008, 0.006),
    *(0.022, 0.007, 0.003, 0.003),
    *(0.002, 0.002, 0.002, 0.002),
    *(0.012, 0.003, 0.002, 0.002),
)
FOLLOWING = np.array(_FOLLOWING) / sum(_FOLLOWING)
FAMILY_OF_BET = np.array([FAMILY_NAMES.index(name) for name in FAMILIES])
_FULLY = 0.41  # the step from which on the weights are FOLLOWING
_POINTS = 24  # per cell, for the mean of a likelihood ratio over it
FLOOR = 0.02  # share of a bet that stays out of the game, so that no single reading ruins it


@dataclass(frozen=True)
class Book:
    """All tables. ``cell_of_slot``: int64[SLOTS]; ``tables``: float64[shapes*steps*cells, BETS];
    ``weights``: float64[BETS], sum 1; ``dependence``: float64[LEVELS*cells, 4]; ``level_of_cell``:
    int64[cells]; ``score``: float64[cells], the normal score of each cell; ``width``: float64[cells], its
    probability.
    """

    cells: int
    cell_of_slot: I64
    tables: F64
    weights: F64
    dependence: F64
    level_of_cell: I64
    score: F64
    width: F64

    def shape_of(self, table: int) -> str:
        """The law whose bets begin at row ``table`` of the tables."""
        return SHAPES[table // self.cells // len(STEPS)]

    def step_of(self, table: int) -> float:
        """The step of the bets that begin at row ``table`` of the tables."""
        return STEPS[table // self.cells % len(STEPS)]


@cache
def book() -> Book:
    """The tables, computed once per process (about 0.2 s); the same on every machine up to the last bits of
    libm.
    """
    edges = _edges()
    width = np.diff(edges) / SLOTS
    cells = len(width)
    u = _points(edges)
    from scipy import special

    z = np.asarray(special.ndtri(u))
    score = z.mean(axis=1)
    tables = [_table(_law(shape), u, width, step) for shape in SHAPES for step in STEPS]
    centre = edges[:-1] + np.diff(edges) / 2
    level = np.minimum((centre / SLOTS * LEVELS).astype(np.int64), LEVELS - 1)
    weights = np.zeros(BETS)
    weights[: len(WEIGHTS)] = WEIGHTS
    return Book(
        cells=cells,
        cell_of_slot=np.repeat(np.arange(cells), np.diff(edges)),
        tables=np.concatenate(tables),
        weights=weights,
        dependence=_dependence(z, score, level, width),
        level_of_cell=level,
        score=score,
        width=width,
    )


def weights_of(table: int) -> F64:
    """float64[bets of all families], sum 1: weights for a series whose bets begin at row ``table`` of the tables.

    From independent readings to a step of 0.41 they move in proportion.
    """
    far = min((1 - book().step_of(table)) / (1 - _FULLY), 1.0)
    out: F64 = (1 - far) * WEIGHTS + far * FOLLOWING
    return out


def _edges() -> I64:
    """Cells that grow from one slot at either end to about 1 % in the middle."""
    half = [0]
    while half[-1] < SLOTS // 2:
        half.append(half[-1] + max(1, min(int(half[-1] * 0.09), 160)))
    half[-1] = SLOTS // 2
    left = np.array(half, np.int64)
    return np.concatenate([left, (SLOTS - left[:-1])[::-1]])


def _points(edges: I64) -> F64:
    inner = (np.arange(_POINTS) + 0.5) / _POINTS
    out: F64 = (edges[:-1, None] + np.diff(edges)[:, None] * inner) / SLOTS
    return out


@dataclass(frozen=True)
class _Law:
    law: Any  # a frozen scipy distribution
    mirrored: bool
    mean: float
    sd: float

    def quantile(self, u: F64) -> F64:
        x = np.asarray(self.law.ppf(1 - u if self.mirrored else u), np.float64)
        return ((self.mean - x) if self.mirrored else (x - self.mean)) / self.sd

    def density(self, x: F64) -> F64:
        raw = self.mean - x * self.sd if self.mirrored else self.mean + x * self.sd
        return np.asarray(self.law.pdf(raw), np.float64) * self.sd


@cache
def _law(shape: str) -> _Law:
    from scipy import stats

    name = shape.rstrip("-")
    if name.startswith("t"):
        law = stats.t(float(name[1:]))
    elif name.startswith("gamma"):
        law = stats.gamma(float(name[5:]))
    else:
        law = {"normal": stats.norm(), "uniform": stats.uniform(-1, 2)}[name]
    sd = float(law.std()) if name != "t2" else float(law.ppf(0.84))
    return _Law(law=law, mirrored=shape.endswith("-"), mean=float(law.mean()), sd=sd)


@cache
def quantiles(shape: str) -> tuple[F64, F64]:
    """Points of a law in every cell, in its standard deviations, and its density there; float64[cells, points]."""
    law = _law(shape)
    x = law.quantile(_points(_edges()))
    return x, np.maximum(law.density(x), 1e-300)


def closest_shape(z: F64) -> int:
    """Index in SHAPES of the law under which the standardised residuals ``z`` (float64[n]) are likeliest."""
    best, where = -np.inf, 0
    centred = np.sort(z - z.mean())
    if len(centred) > 1000:  # a thousand quantiles tell as much, faster
        centred = centred[((np.arange(1000) + 0.5) / 1000 * len(centred)).astype(np.int64)]
    outliers = 0.02 * _law("t2").density(centred)
    for i, shape in enumerate(SHAPES):
        scales = np.array((0.8, 1.0, 1.25) if shape.startswith("t") else (1.0,))[:, None]
        # All scales in one call: what it does beside the computing takes longer than that.
        for density in np.log(0.98 * (_law(shape).density(centred / scales) / scales) + outliers):
            score = float(density.sum())
            if score > best:
                best, where = score, i
    return where


def _table(law: _Law, u: F64, width: F64, step: float) -> F64:
    x = law.quantile(u)
    here = np.maximum(law.density(x), 1e-300)
    columns = []
    for size in SIZES:
        move = size * step if size < 3 else size
        columns += [law.density(x - move) / here, law.density(x + move) / here]
    columns += [law.density(x / s) / s / here for s in SCALES]
    columns += _tails(u)
    columns += [1 + 0.5 * d * p for p in _legendre(u) for d in (1, -1)]
    table = np.zeros((len(width), BETS))
    for j, column in enumerate(columns):
        cell = column.mean(axis=1)
        table[:, j] = FLOOR + (1 - FLOOR) * cell / np.sum(cell * width)
    table[:, DEPENDENCE] = 1.0
    # Rounded, so that another libm gives the same bits; the mean moves by less than 1e-10.
    return np.round(table, 10)


def _tails(u: F64) -> list[F64]:
    """A share of readings from a wider normal law, seen through ranks.

    The first is for ranks inside the reference's range. Beyond it all readings rank alike, and the more of them there
    are the further in they rank; so the others pool the likelihood ratio below some rank, or below several.
    """
    inside = 0.98 + 0.02 * wide(np.maximum(np.minimum(u, 1 - u), 5e-5), 4, 1e-9)
    pooled = [wide(np.minimum(u, 1 - u), 3, pool) for pool in (1.5e-4, 5e-4, 1.5e-3)]
    both: F64 = 0.96 + 0.04 / 3 * (pooled[0] + pooled[1] + pooled[2])
    return [inside, both] + [0.98 + 0.02 * wide(side, 4, 3e-4) for side in (1 - u, u)]


def wide(p: F64, times: float, pool: float) -> F64:
    """Density of a normal law ``times`` times as wide over that of the standard one at its upper quantile p."""
    from scipy import special

    z = np.maximum(-np.asarray(special.ndtri(p)), 0.0)
    ratio = np.exp(np.minimum(z * z / 2 * (1 - 1 / times**2), 50.0)) / times
    end = -float(special.ndtri(pool))
    out: F64 = np.where(p < pool, float(special.ndtr(-end / times)) / pool, ratio)
    return out


def _legendre(u: F64) -> list[F64]:
    """Neyman's smooth alternatives of order 3 (skewness) and 4 (peak against shoulders), scaled to stay
    positive.
    """
    y = 2 * u - 1
    return [(5 * y**3 - 3 * y) / 2 * 1.6, (35 * y**4 - 30 * y**2 + 3) / 8 * 1.8]


def _dependence(z: F64, score: F64, level: I64, width: F64) -> F64:
    """Bets on where the next rank falls given the last: towards it, away from it, as wild as it, or not."""
    out = np.empty((LEVELS + 1, len(width), 4))
    for i in range(LEVELS):
        inside = level == i
        last = float(np.sum(score[inside] * width[inside]) / np.sum(width[inside]))
        wild = 0.75 + 0.45 * min(last * last, 4.0)
        ratios = [np.exp(k * last * z - (k * last) ** 2 / 2) for k in _KAPPA]
        ratios += [
            np.exp(-z * z / 2 * (1 / s**2 - 1)) / s for s in (wild**0.5, (1.35 - 0.25 * min(last * last, 2.5)) ** 0.5)
        ]
        for j, ratio in enumerate(ratios):
            cell = ratio.mean(axis=1)
            out[i, :, j] = FLOOR + (1 - FLOOR) * cell / np.sum(cell * width)
    out[LEVELS] = 1.0  # no rank before: no bet
    return np.round(out, 10).reshape((LEVELS + 1) * len(width), 4)
