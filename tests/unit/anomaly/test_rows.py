"""Readings put together to rows, one by one and many at once."""

from copy import deepcopy
from dataclasses import astuple

import numpy as np

from agents.anomaly.rows import Row, RowState


def taken(state: RowState, time: int, series: list[int], ordinal: int) -> list[Row]:
    """What readings of one time make ready, one by one; the last has this ordinal."""
    first = ordinal - len(series) + 1
    return [
        row
        for spot, number in enumerate(series)
        for row in state.take(spot, 0, number, (time, float(number), first + spot))
    ]


def test_many_at_once_are_the_row_that_they_are_one_by_one() -> None:
    """Rows of up to four channels in any order, with repeated and missing ones, late ones, others expected."""
    rng, state, ordinal, whole, single = np.random.default_rng(6), RowState(), 0, 0, 0
    for time in range(1, 3_000):
        series = rng.permutation(4)[: rng.choice([4, 4, 4, 3, 1])].tolist()
        if rng.random() < 0.05:
            series[-1] = series[0]
        at = time - int(rng.random() < 0.05) * 5
        ordinal += len(series)
        if rng.random() < 0.2:
            state.expected[0] = int(rng.choice([2, 3, 4, 4, 4]))
        other = deepcopy(state)
        given = np.array(series), np.array(series, float)
        row = other.whole(len(series) - 1, 0, at, *given, ordinal)
        if row is None:
            assert other == state, "nothing has changed"
        rows = taken(state, at, series, ordinal)
        if row is not None:
            (same,) = rows
            assert all(np.array_equal(a, b) for a, b in zip(astuple(row), astuple(same), strict=True))
            assert other == state
        whole, single = whole + (row is not None), single + (row is None)
    assert whole > 300
    assert single > 300
