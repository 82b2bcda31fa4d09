"""Mean delays at one tolerated false alarm in 100,000 readings, on 160 streams side by side.

The bounds are those of bench/drift_bench.py with room for chance: three standard errors of the mean.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from models.drift import DriftTest
from models.drift.bets import FAMILIES

from .streams import MINUTE, WEEK

F64 = NDArray[np.float64]
REFERENCES, EACH, QUIET = 4, 40, 400

CHANGES: dict[str, tuple[Callable[[F64], F64], float, float]] = {
    "shift of 0.3 sd": (lambda z: z + 0.3, 200, 20),
    "shift of 1 sd": (lambda z: z + 1.0, 25, 2.2),
    "spread x 1.3": (lambda z: 1.3 * z, 120, 13),
}


def _delay(change: Callable[[F64], F64], weights: F64 | None = None) -> float:
    """Mean number of readings from the change to the alarm; streams that alarmed before do not count."""
    rng = np.random.default_rng(12)
    test, series = DriftTest(false_alarms_per_sample=1e-5), REFERENCES * EACH
    state = test.start()
    for i in range(REFERENCES):
        reference = test.fit(rng.standard_normal(WEEK), 1440)
        for row in range(i * EACH, i * EACH + EACH):
            test.adopt(state, row, reference)
            state.seed[row] += np.uint64(row)
    if weights is not None:
        state.weights[:, : len(weights)] = weights
    stream = rng.standard_normal((QUIET + 1000, series))
    stream[QUIET:] = change(stream[QUIET:])
    rows, times = np.tile(np.arange(series), len(stream)), np.repeat(WEEK + np.arange(len(stream)), series) * MINUTE
    alarms = test.update_batch(state, rows, times, stream.ravel())
    delays = np.full(series, 1000)
    delays[alarms.row] = alarms.at // series - QUIET + 1
    return float(delays[delays > 0].mean())


@cache
def _as_it_is(name: str) -> float:
    return _delay(CHANGES[name][0])


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_as_soon_as_is_said(name: str) -> None:
    _, limit, room = CHANGES[name]
    assert 0.7 * limit < _as_it_is(name) < limit + room


def test_bets_weighed_alike_are_late() -> None:
    """What the weights are for: on the same streams, evenly spread ones find a small shift a tenth later."""
    name = "shift of 0.3 sd"
    assert _delay(CHANGES[name][0], np.full(len(FAMILIES), 1 / len(FAMILIES))) > 1.06 * _as_it_is(name)
