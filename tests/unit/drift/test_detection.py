"""What the drift test finds, how it names it, and that it is silent otherwise."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from .streams import MINUTE, WEEK, autocorrelated, feed, noise, watch

F64 = NDArray[np.float64]
QUIET = 700  # live readings before every change


def _tail(x: F64) -> F64:
    rng = np.random.default_rng(3)
    return np.where(rng.random(len(x)) < 0.04, 35 + 4 * (x - 35), x)


def _dependent(x: F64) -> F64:
    return autocorrelated(9, len(x), 0.7)


def _gone(x: F64) -> F64:
    return np.where(np.random.default_rng(4).random(len(x)) < 0.2, np.nan, x)


CHANGES: dict[str, tuple[Callable[[F64], F64], str, int, int]] = {
    "mean up": (lambda x: x + 4, "mean", 1, 500),
    "mean down": (lambda x: x - 4, "mean", -1, 500),
    "large shift": (lambda x: x + 10, "mean", 1, 60),
    "spread up": (lambda x: 35 + 1.4 * (x - 35), "spread", 1, 300),
    "spread down": (lambda x: 35 + 0.6 * (x - 35), "spread", -1, 300),
    "tail": (_tail, "tail", 1, 1500),
    "dependence": (_dependent, "dependence", 1, 200),
    "stuck": (lambda x: np.full(len(x), x[0]), "stuck", 0, 10),
    "missing": (_gone, "missing", 1, 40),
    "Fahrenheit": (lambda x: x * 1.8 + 32, "unit", 1, 8),
    "kilo": (lambda x: x * 1000, "unit", 1, 1),
    "offset": (lambda x: x - 150, "jump", -1, 1),
    "clipping": (lambda x: np.minimum(x, 50), "clipping", 1, 200),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_named_and_dated(name: str) -> None:
    change, kind, direction, soon = CHANGES[name]
    stream = noise(21, WEEK + QUIET + 1500)
    start = WEEK + QUIET
    stream[start:] = change(stream[start:])
    test, state = watch(stream[:WEEK])
    assert not feed(test, state, stream[WEEK:start])
    alarms = feed(test, state, stream[start:], first=start)
    assert alarms.kind == [kind]
    assert int(alarms.direction[0]) == direction
    assert int(alarms.at[0]) <= soon
    assert abs(int(alarms.began[0]) - QUIET) <= soon


def test_effects_hold_the_truth() -> None:
    stream = noise(22, WEEK + 4000)
    stream[WEEK + 200 :] += 5
    test, state = watch(stream[:WEEK])
    found = feed(test, state, stream[WEEK:]).entry(0)
    assert found["unit"] == "sd"
    assert found["low"] < 0.5 < found["high"]
    assert found["evidence"] >= 1
    assert found["reference"] == state.references[0]


def test_autocorrelation_and_season_are_no_drift() -> None:
    """A test that takes readings for independent alarms within hours on such a stream."""
    day = 10 * np.sin(2 * np.pi * np.arange(WEEK + 20_000) / 1440)
    for stream in (autocorrelated(5, WEEK + 20_000, 0.9), noise(6, WEEK + 20_000) + day):
        test, state = watch(stream[:WEEK], rate=1e-6)
        assert not feed(test, state, stream[WEEK:])


def test_the_first_readings_after_a_gap_are_not_judged() -> None:
    """After an hour without readings an autoregression predicts nothing: each return would look like a leap."""
    stream = autocorrelated(5, WEEK + 12_000, 0.95)
    parts = stream[WEEK:].reshape(240, 50)[np.random.default_rng(1).permutation(240)]
    times = (np.arange(12_000) + 60 * (np.arange(12_000) // 50) + WEEK) * MINUTE
    test, state = watch(stream[:WEEK], rate=1e-6)
    assert not test.update_batch(state, np.zeros(12_000, np.int64), times, parts.ravel())
    test, state = watch(stream[:WEEK], rate=1e-6)
    assert feed(test, state, parts.ravel())


def test_operating_states_are_no_drift() -> None:
    rng = np.random.default_rng(9)
    on = (np.cumsum(rng.random(WEEK + 20_000) < 1 / 300) % 2).astype(bool)
    stream = np.where(on, 50 + 4 * rng.standard_normal(len(on)), 20 + rng.standard_normal(len(on)))
    test, state = watch(stream[:WEEK])
    assert not feed(test, state, stream[WEEK:])
    shifted = np.where(on, stream + 4, stream)[-5000:]
    assert feed(test, state, shifted).kind == ["mean"]


def test_false_alarms_stay_within_the_tolerated_rate() -> None:
    """60 series x 4,000 readings at 1 in 2,000: 120 tolerated on average, about 100 expected."""
    per_series, series = 4000, 60
    stream = noise(30, 3000 + series * per_series)
    test, state = watch(stream[:3000], rate=1 / 2000)
    reference = test.fit(stream[:3000], 1440)
    values = stream[3000:].reshape(series, per_series)
    for row in range(series):
        test.adopt(state, row, reference)
        state.seed[row] += np.uint64(row)
    count = 0
    for start in range(0, per_series, 100):
        part = values[:, start : start + 100]
        rows = np.repeat(np.arange(series), part.shape[1])
        alarms = test.update_batch(state, rows, np.zeros(len(rows), np.int64), part.ravel())
        count += len(alarms)
        for row in alarms.row:
            test.rearm(state, int(row))
    assert 20 <= count <= 120 + 3 * 11


def test_a_latched_series_is_silent_until_rearmed() -> None:
    stream = noise(23, WEEK + 3000)
    stream[WEEK:] += 10
    test, state = watch(stream[:WEEK])
    assert len(feed(test, state, stream[WEEK : WEEK + 1000])) == 1
    assert not feed(test, state, stream[WEEK + 1000 : WEEK + 2000])
    test.rearm(state, 0)
    assert feed(test, state, stream[WEEK + 2000 :]).kind == ["mean"]


def test_stuck_is_counted_across_batches() -> None:
    """On coarse readings single repeats mean nothing; only their run does, however it is cut."""
    coarse = np.round(noise(24, WEEK + 300) / 5) * 5
    test, state = watch(coarse[:WEEK])
    assert not feed(test, state, coarse[WEEK:])
    found = [feed(test, state, np.full(1, 35.0), first=WEEK + 300 + i) for i in range(30)]
    first = next(i for i, alarms in enumerate(found) if alarms)
    assert found[first].kind == ["stuck"]
    assert 5 <= first < 20
