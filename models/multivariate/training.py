"""What a channel teaches in its first readings: how far its levels stray from their baselines, and how it changes."""

from typing import Any

import numpy as np

from ..detectors.base import Floats, Ints, Key

LEVELS = (8, 10, 12)  # readings in a level: one for each of three judges
JUDGES = len(LEVELS)
BASES = 2 * JUDGES  # the slow and the fast baseline of each
CHANGE = 20  # readings in each of the two means that are compared for a change
RECENT = 2 * CHANGE
VOICES = BASES + 1  # distances from the baselines, and change
SETTLE = 0.375  # share of the training in which nothing is measured
SHARE = 0.1  # of the training's distances that may exceed the scale's quantile
NORMAL = 1.645  # the same quantile of the size of normal noise, in standard deviations
MEAN = 0.8  # the mean of the size of normal noise
EARLY = 30  # readings that are kept until it can be seen which of them are absurd
ODD = 2  # so many of them at either end do not count for their range
WIDEN = 2.0  # ranges so far by which a reading may exceed them

#: readings in the level that each baseline is compared with, int64[6]
WINDOWS = np.repeat(LEVELS, 2)
_BACK = np.arange(1, RECENT + 1)


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


def learn(state: Any, at: Ints, residual: Floats, away: Floats, length: int) -> None:
    """Take in one reading of each channel; maybe its last.

    residual: float64[k], from a level. away: float64[k, 7], distances before baselines move, and change.
    """
    # Welford's mean and sum of squares.
    count, mean, squares = state.noise[at].T
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
    least = noise / np.sqrt([*WINDOWS, CHANGE / 2])
    place = SHARE * (count - 1)
    below, above = state.tops[at, :, -2 - int(place)], state.tops[at, :, -1 - int(place)]
    scale = np.maximum((above + (place - int(place)) * (below - above)) / NORMAL, least)
    known = noise[:, 0] > 0
    state.sudden[at] = np.where(known, scale[:, -1], np.inf)
    state.least[at] = np.where(known[:, None], least[:, :-1], 0.0)
    state.taught[at] = np.where(known[:, None], scale[:, :-1], 0.0)
    state.usual[at] = MEAN * state.taught[at]
    rescale(state, at)
    state.span[at] = state.high[at] - state.low[at]


def span(at: Ints) -> Key:
    """A slice of the rows when they follow each other, as those of one asset mostly do: numpy copies nothing then.

    at: int64[k], ascending.
    """
    return slice(int(at[0]), int(at[-1]) + 1) if len(at) and int(at[-1]) - int(at[0]) == len(at) - 1 else at


def rescale(state: Any, at: Key) -> None:
    """The scales by what was taught and by what has become usual since; none (infinite) for a channel without noise."""
    own = np.maximum(state.taught[at], state.usual[at] / MEAN)
    wander = own / state.least[at]
    # A product and a root are rounded alike everywhere; a power is not.
    scale = own * wander * np.sqrt(wander)
    state.scale[at] = np.where(state.least[at] > 0, scale, np.inf)


def levels(state: Any, at: Ints, count: Ints) -> tuple[Floats, Floats]:
    """The levels of channels that have had ``count`` readings, for each baseline [k, 6], and their change [k]."""
    number = count[:, None] - _BACK
    last = state.ring[at[:, None], number % RECENT]
    if count.min(initial=RECENT) >= RECENT:
        sums = np.cumsum(last, axis=1)
        means, before = sums[:, WINDOWS - 1] / WINDOWS, (sums[:, -1] - sums[:, CHANGE - 1]) / CHANGE
        return means, np.abs(sums[:, CHANGE - 1] / CHANGE - before)
    sums = np.cumsum(np.where(number >= 0, last, 0.0), axis=1)
    there = np.maximum(count, 1)
    means = sums[:, WINDOWS - 1] / np.minimum(WINDOWS, there[:, None])
    recent = sums[:, CHANGE - 1] / np.minimum(CHANGE, there)
    before = (sums[:, -1] - sums[:, CHANGE - 1]) / np.minimum(CHANGE, np.maximum(there - CHANGE, 1))
    return means, np.abs(recent - before)
