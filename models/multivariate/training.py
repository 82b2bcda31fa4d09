"""What a channel teaches in its first readings: how far its level strays from its baselines, and how it changes."""

from typing import Any

import numpy as np

from ..detectors.base import Floats, Ints

LEVEL = 10  # readings in a level
CHANGE = 20  # readings in each of the two means that are compared for a change
RECENT = 2 * CHANGE
VOICES = 3  # distance from the slow and from the fast baseline, and change
SETTLE = 0.375  # share of the training in which nothing is measured
SHARE = 0.1  # of the training's distances that may exceed the scale's quantile
NORMAL = 1.645  # the same quantile of the size of normal noise, in standard deviations
EARLY = 30  # readings that are taken as they are
WIDEN = 2.0  # ranges so far by which a reading may exceed them


def settled(length: int) -> int:
    """Readings of a training of this length before the first that is measured."""
    return int(SETTLE * length)


def kept(length: int) -> int:
    """How many of the largest distances are needed for their quantile."""
    return int(SHARE * (length - settled(length))) + 2


def clipped(state: Any, at: Ints, x: Floats) -> Floats:
    """Readings of channels in training, cut to a bearable distance from the range so far, which they widen."""
    early = state.seen[at] < EARLY
    low, high = state.low[at], state.high[at]
    reach = WIDEN * (high - low)
    x = np.where(early, x, np.minimum(np.maximum(x, low - reach), high + reach))
    first = state.seen[at] == 0
    state.low[at] = np.where(first, x, np.minimum(low, x))
    state.high[at] = np.where(first, x, np.maximum(high, x))
    return x


def learn(state: Any, at: Ints, x: Floats, away: Floats, length: int) -> None:
    """Take in one reading of each channel with its distances [k, 3], before its baselines move; maybe the last."""
    level = means(state, at, state.seen[at] + 1, LEVEL)
    # Welford's mean and sum of squares of what a reading differs from its level.
    count, mean, squares = state.noise[at].T
    residual = x - level
    step = residual - mean
    count = count + 1
    mean = mean + step / count
    state.noise[at] = np.stack((count, mean, squares + step * (residual - mean)), axis=1)
    measured = state.seen[at] >= settled(length)
    some = at[measured]
    if len(some):
        ranked = np.sort(np.concatenate((state.tops[some], away[measured][:, :, None]), axis=2), axis=2)
        state.tops[some] = ranked[:, :, 1:]
    done = at[state.seen[at] + 1 >= length]
    if len(done):
        _finish(state, done, length - settled(length))


def _finish(state: Any, at: Ints, count: int) -> None:
    """The scales of channels whose training is over."""
    noise = np.sqrt(state.noise[at, 2] / state.noise[at, 0])[:, None]
    least = noise / np.sqrt([LEVEL, LEVEL, CHANGE / 2])
    place = SHARE * (count - 1)
    below, above = state.tops[at, :, -2 - int(place)], state.tops[at, :, -1 - int(place)]
    scale = np.maximum((above + (place - int(place)) * (below - above)) / NORMAL, least)
    known = least > 0
    wander = np.where(known, scale, 1.0) / np.where(known, least, 1.0)
    wander[:, VOICES - 1] = 1.0
    # A product and a root are rounded alike everywhere; a power is not.
    state.scale[at] = np.where(known, scale * wander * np.sqrt(wander), np.inf)
    state.span[at] = state.high[at] - state.low[at]


def means(state: Any, at: Ints, count: Ints, length: int, ago: int = 0) -> Floats:
    """Mean of the ``length`` readings that end ``ago`` readings before the last of ``count``; of fewer where need be."""
    number = count[:, None] - 1 - ago - np.arange(length)
    there = number >= 0
    picked = np.where(there, state.ring[at[:, None], number % RECENT], 0.0)
    out: Floats = picked.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return out
