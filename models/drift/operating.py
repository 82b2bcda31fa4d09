"""Operating states: a machine that idles and runs has two normals, and a change of state is no drift."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .reference import STATES
from .words import F64, I64


@dataclass(frozen=True)
class Split:
    """``cuts``: float64[states-1], between the states' values; ``levels``: float64[states]; ``state``:
    int64[n]; ``bic``: what telling the states costs, as twice the negative log likelihood of their sequence
    and penalties.
    """

    cuts: F64
    levels: F64
    state: I64
    bic: float


def splits(values: F64) -> Iterator[Split]:
    """The ways to see ``values`` (float64[n], NaN = missing) worth trying: as one state, as two, as three."""
    present = values[np.isfinite(values)]
    yield Split(np.zeros(0), np.array([present.mean()]), np.zeros(len(values), np.int64), 0.0)
    for states in range(2, STATES + 1):
        cuts = _cut(present, states)
        if cuts is not None:
            split = _split(values, cuts)
            if split is not None:
                yield split


def _cut(present: F64, states: int) -> F64 | None:
    """Where a mixture of normals changes hands (EM from quantiles); None when its parts are not apart."""
    x = np.sort(present)
    if len(x) > 1000:  # a thousand quantiles tell as much, faster
        x = x[((np.arange(1000) + 0.5) / 1000 * len(x)).astype(np.int64)]
    means, sd = np.quantile(x, (np.arange(states) + 0.5) / states), float(x.std())
    spread, share = np.full(states, max(sd / states, 1e-12)), np.full(states, 1 / states)
    for _ in range(80):
        # A row per part: numpy is many times as fast along rows of a thousand as along rows of two.
        away = (x - means[:, None]) / spread[:, None]
        density = share[:, None] * np.exp(-0.5 * away**2) / spread[:, None] + 1e-300
        part = density / np.add.reduce(density, axis=0)
        weight = _sums(part)
        if (weight < 0.02 * len(x)).any():
            return None
        old, share = means, weight / len(x)
        means = _sums(part * x) / weight
        spread = np.sqrt(_sums(part * (x - means[:, None]) ** 2) / weight)
        spread = np.maximum(spread, 1e-6 * sd + 1e-300)
        if np.abs(means - old).max() < 1e-4 * sd:
            break
    order = np.argsort(means)
    means, spread = means[order], spread[order]
    if (np.diff(means) < 2.5 * (spread[1:] + spread[:-1])).any():
        return None
    # At equal distance in the parts' own spreads.
    out: F64 = (means[:-1] * spread[1:] + means[1:] * spread[:-1]) / (spread[1:] + spread[:-1])
    return out


def _sums(rows: F64) -> F64:
    """The sum of each row, term by term from the left: the same bits whatever the length of a processor's vectors."""
    out: F64 = np.add.accumulate(rows, axis=1)[:, -1]
    return out


def _split(values: F64, cuts: F64) -> Split | None:
    states = len(cuts) + 1
    state = (values[:, None] > cuts).sum(axis=1, dtype=np.int64)
    sizes = np.bincount(state, minlength=states)
    if sizes.min() < max(30, 0.02 * len(values)):
        return None
    levels = np.array([np.nanmean(values[state == s]) for s in range(states)])
    moves = np.zeros((states, states))
    np.add.at(moves, (state[:-1], state[1:]), 1.0)
    chance = (moves + 0.5) / (moves + 0.5).sum(axis=1, keepdims=True)
    parameters = states * (states - 1) + 2 * (states - 1)
    bic = -2 * float((moves * np.log(chance)).sum()) + parameters * np.log(len(values))
    return Split(cuts, levels, state, bic)
