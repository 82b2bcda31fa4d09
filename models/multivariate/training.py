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
EARLY = 30  # readings that are kept until it can be seen which of them are absurd
ODD = 2  # so many of them at either end do not count for their range
WIDEN = 2.0  # ranges so far by which a reading may exceed them


def settled(length: int) -> int:
    """Readings of a training of this length before the first that is measured."""
    return int(SETTLE * length)


def kept(length: int) -> int:
    """How many of the largest distances are needed for their quantile."""
    return int(SHARE * (length - settled(length))) + 2


def begin(state: Any, at: Ints) -> None:
    """The origin, range and baselines of channels from their first readings, which stand in the ring as they came."""
    first = state.ring[at, :EARLY]
    ranked = np.sort(first, axis=1)
    origin = ranked[:, EARLY // 2]
    low, high = ranked[:, ODD] - origin, ranked[:, -1 - ODD] - origin
    x = _cut(first - origin[:, None], low[:, None], high[:, None])
    state.origin[at] = origin
    state.low[at], state.high[at] = x.min(axis=1), x.max(axis=1)
    state.ring[at, :EARLY] = x
    state.base[at] = x.mean(axis=1)[:, None]


def clipped(state: Any, at: Ints, x: Floats) -> Floats:
    """Readings of channels in training, cut to a bearable distance from the range so far, which they widen."""
    x = _cut(x, state.low[at], state.high[at])
    state.low[at] = np.minimum(state.low[at], x)
    state.high[at] = np.maximum(state.high[at], x)
    return x


def _cut(x: Floats, low: Floats, high: Floats) -> Floats:
    reach = WIDEN * (high - low)
    # Where nothing has varied yet nothing is known to be too much.
    out: Floats = np.where(reach > 0, np.minimum(np.maximum(x, low - reach), high + reach), x)
    return out


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
    """Mean of ``length`` readings, the last of them ``ago`` before the last of ``count``; of fewer at the beginning."""
    number = count[:, None] - 1 - ago - np.arange(length)
    there = number >= 0
    picked = np.where(there, state.ring[at[:, None], number % RECENT], 0.0)
    out: Floats = picked.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return out
