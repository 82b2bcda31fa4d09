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

from .state import DriftState
from .watching import Fed

WITH = " with "
#: Equal readings have no agreement that is finite.
_LEAST, _MOST = 1e-12, 12.0


def agreements(readings: Readings, fed: Fed, live: NDArray[np.bool_], state: DriftState, most: int) -> Fed:
    """The agreement of each pair whose second reading of the same event time has come; new pairs get a number.

    The first ``most`` channels of an asset are watched; readings before their reference was complete count for nothing.
    """
    raw, names = state.series.test.raw, {row: name for name, row in state.series.names.items()}
    found: list[tuple[int, int, float, int]] = []
    for i in np.flatnonzero(live).tolist():
        row, time, spot = int(fed.rows[i]), int(fed.times[i]), int(fed.spot[i])
        name, asset = names[row], readings.series[int(readings.code[spot])].asset
        mates = state.mates.setdefault(asset, [])
        if name not in mates:
            if len(mates) >= most:
                continue
            mates.append(name)
        value = float((fed.values[i] - raw[row, 0]) / (raw[row, 1] or 1.0))
        state.latest[name] = [time, value]
        for mate in mates:
            known = state.latest.get(mate)
            if mate != name and known is not None and known[0] == time:
                pair = pair_of(*sorted((name, mate), key=mates.index))
                number = state.pairs.names.setdefault(pair, len(state.pairs.names))
                found.append((number, time, _agreement(value, known[1]), i))
    at = np.array([each[3] for each in found], np.int64)
    return Fed(
        np.array([each[0] for each in found], np.int64),
        np.array([each[1] for each in found], np.int64),
        np.array([each[2] for each in found], np.float64),
        fed.ordinals[at],
        fed.spot[at],
    )


def _agreement(a: float, b: float) -> float:
    return max(-_MOST, min(_MOST, math.log(max(abs(a + b), _LEAST) / max(abs(a - b), _LEAST))))


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
