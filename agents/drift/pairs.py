"""Two channels of an asset may drift apart while each looks as ever: their agreement is watched like a series.

For two standardised readings a and b it is log(|a + b| / |a - b|). Where they are jointly normal with correlation r,
a + b and a - b are independent with variances 2 (1 + r) and 2 (1 - r): the agreement is spread around atanh r (Fisher,
1921) by a law that does not depend on r, so another correlation is a shift of its mean and of nothing else. The test
fits its autocorrelation, season and shape, and so promises the same as for a series.
"""

import math

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Readings
from models.order import order_of

from ..numbering import Ints
from .state import MATES, DriftState, Mates
from .watching import Fed

WITH = " with "
#: Equal readings have no agreement that is finite.
_LEAST, _MOST = 1e-12, 12.0
#: No event time: what no reading has.
NEVER = int(np.iinfo(np.int64).min)


def agreements(readings: Readings, fed: Fed, live: NDArray[np.bool_], state: DriftState, most: int) -> Fed:
    """The agreement of each pair whose second reading of the same event time has come; new pairs get a number.

    The first ``most`` channels of an asset are watched; readings before their reference was complete count for nothing.
    """
    mates = state.mates
    mates.make_room(len(state.series.names))
    at = np.flatnonzero(live)
    _meet(readings, fed, at, mates, most)
    at = at[mates.place[fed.rows[at]] >= 0]
    rows, times = fed.rows[at], fed.times[at]
    raw = state.series.test.raw[rows]
    values = (fed.values[at] - raw[:, 0]) / np.where(raw[:, 1] == 0, 1.0, raw[:, 1])
    when, what = _of_mates(mates, rows, times, values)
    reading, place = np.nonzero(when == times[:, None])
    for i in np.flatnonzero(mates.pair[rows[reading], place] < 0).tolist():
        _number(state, int(rows[reading[i]]), int(place[i]))
    number = mates.pair[rows[reading], place]
    _remember(mates, rows, times, values)
    found, index = _agreement(values[reading], what[reading, place]), at[reading]
    return Fed(number, fed.times[index], found, fed.ordinals[index], fed.spot[index])


def _meet(readings: Readings, fed: Fed, at: Ints, mates: Mates, most: int) -> None:
    """Find the places of series that are tested for the first time, and of those for which there was none."""
    rows = fed.rows[at]
    full = (mates.table >= 0).sum(axis=1) >= most
    refused = (mates.asset[rows] >= 0) & full[mates.asset[rows]] if len(full) else np.zeros(len(rows), np.bool_)
    new = at[(mates.place[rows] < 0) & ~refused]
    rows, first = np.unique(fed.rows[new], return_index=True)
    for i in np.argsort(first).tolist():
        mates.meet(int(rows[i]), readings.series[int(readings.code[fed.spot[new[first[i]]]])].asset, most)


def _of_mates(mates: Mates, rows: Ints, times: Ints, values: NDArray[np.float64]) -> tuple[Ints, NDArray[np.float64]]:
    """What the mates of each reading's series said last before it: times int64[n, MATES] and values; NEVER for none."""
    n, order = len(rows), order_of(mates.asset[rows])
    asset, place = mates.asset[rows][order], mates.place[rows][order]
    begin = np.maximum.accumulate(np.where(np.append(True, asset[1:] != asset[:-1])[:n], np.arange(n), 0))
    when, what = np.full((n, MATES), NEVER), np.zeros((n, MATES))
    for mate in range(MATES):
        row = mates.table[asset, mate]
        # The last reading of the mate in this batch, else what is remembered.
        last = np.maximum.accumulate(np.where(place == mate, np.arange(n), -1))
        here, known = last >= begin, mates.spoke[row] & (row >= 0)
        source = order[np.where(here, last, 0)]
        when[order, mate] = np.where(here, times[source], np.where(known, mates.time[row], NEVER))
        what[order, mate] = np.where(here, values[source], mates.value[row])
    # Nobody is a mate of its own.
    when[np.arange(n), mates.place[rows]] = NEVER
    return when, what


def _number(state: DriftState, row: int, place: int) -> None:
    """Give the pair of a series and its mate in a place a number, if it has none yet."""
    mates = state.mates
    if mates.pair[row, place] >= 0:
        return
    names = list(state.series.names)
    mate = int(mates.table[mates.asset[row], place])
    pair = pair_of(*(names[each] for each in sorted((row, mate), key=lambda each: int(mates.place[each]))))
    number = state.pairs.names.setdefault(pair, len(state.pairs.names))
    mates.pair[row, place] = mates.pair[mate, mates.place[row]] = number


def _remember(mates: Mates, rows: Ints, times: Ints, values: NDArray[np.float64]) -> None:
    # Of several readings of one series the last stays: assignment to equal indices keeps the last one.
    mates.spoke[rows], mates.time[rows], mates.value[rows] = True, times, values


def _agreement(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.maximum(np.abs(a + b), _LEAST) / np.maximum(np.abs(a - b), _LEAST)
    # By math and not by numpy, whose logarithm has other last bits on other processors.
    return np.clip(np.array(list(map(math.log, ratio.tolist())), np.float64), -_MOST, _MOST)


def correlations(mean: float, *shifts: float) -> tuple[float, ...]:
    """By how much the correlation differs once the mean agreement has moved by each of the shifts."""
    return tuple(math.tanh(mean + shift) - math.tanh(mean) for shift in shifts)


def pair_of(first: str, second: str) -> str:
    """``pump-1/flow with pump-1/pressure``; a channel's name holds no slash, so no two pairs have the same."""
    return f"{first}{WITH}{second}"


def channels(pair: str) -> tuple[str, str]:
    """The two series of a pair."""
    asset = pair.partition("/")[0]
    first, _, second = pair.partition(f"{WITH}{asset}/")
    return first, f"{asset}/{second}"
