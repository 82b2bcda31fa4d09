"""The state: what is saved is enough, and it stays small."""

import copy

import numpy as np
import pytest

from agents.state import dump, restore
from models.features import Identity, Windows
from models.features.state import WindowsState
from tests.unit.features.made import SECOND, joined, noise, part, reduced, same, windows


@pytest.mark.parametrize("at", [1, 300, 1499])
@pytest.mark.parametrize("lateness", [0.0, 4.0])
def test_a_saved_state_goes_on_bit_for_bit(at: int, lateness: float) -> None:
    features = windows(lateness_s=lateness, length_s=60)
    readings = noise(1500, 5)
    state = features.start()
    features.grow(state, 5)
    before = features.reduce(state, *part(*readings, 0, at))
    again = restore(features.start(), dump(state))
    after = features.reduce(again, *part(*readings, at))
    assert same(joined([before, after]), reduced(features, *readings))


def test_a_state_that_is_put_into_a_used_one_forgets_what_that_had_computed() -> None:
    """The running sums are not saved: they must not be those of other readings."""
    features, (rows, times, values) = windows(), noise(800, 3)
    used, state = features.start(), features.start()
    for each in (used, state):
        features.grow(each, 3)
    features.reduce(used, *part(rows, times, values * 2))
    features.reduce(state, *part(rows, times, values, 0, 400))
    saved, rest = dump(state), part(rows, times, values, 400)
    assert same(features.reduce(restore(used, saved), *rest), features.reduce(state, *rest))


def test_a_copy_goes_its_own_way() -> None:
    features, (rows, times, values) = windows(), noise(800, 3)
    state = features.start()
    features.grow(state, 3)
    before = features.reduce(state, *part(rows, times, values, 0, 400))
    twin = copy.deepcopy(state)
    features.reduce(twin, *part(rows, times, values * 7, 400))
    after = features.reduce(state, *part(rows, times, values, 400))
    assert same(joined([before, after]), reduced(features, rows, times, values))


def fed(features: Windows, series: int, ticks: int) -> WindowsState:
    """A state after one reading a second of each series."""
    state = features.start()
    features.grow(state, series)
    for tick in range(0, ticks, 100):
        rows = np.tile(np.arange(series), 100)
        times = np.repeat(np.arange(tick, tick + 100) * SECOND, series)
        features.reduce(state, rows, times, np.sin(times / 1e9), np.arange(len(rows)))
    return state


def test_memory_does_not_grow_with_age() -> None:
    features = windows(length_s=120)
    young, old = (len(fed(features, 20, ticks).time) for ticks in (1000, 5000))
    assert old <= young
    assert young <= 20 * 4 * 256, "a few times of what a window holds"


def test_a_busy_series_does_not_make_room_for_all() -> None:
    features = windows(length_s=1e6, max_readings=16_384)
    state = features.start()
    features.grow(state, 1000)
    features.reduce(state, np.arange(1000), np.zeros(1000, np.int64), np.zeros(1000), np.arange(1000))
    rows, times = np.full(20_000, 7), np.arange(20_000) * SECOND
    features.reduce(state, rows, times, np.zeros(20_000), np.arange(20_000))
    assert len(state.time) < 150_000
    assert int(state.full[7]) == 20_001 - 16_383


def test_series_that_come_one_by_one_are_as_those_that_were_there() -> None:
    features, (rows, times, values) = windows(), noise(600, 40)
    rows = np.sort(rows)
    state, parts = features.start(), []
    for at in range(0, 600, 5):
        features.grow(state, int(rows[: at + 5].max()) + 1)
        parts.append(features.reduce(state, *part(rows, times, values, at, at + 5)))
    assert same(joined(parts), reduced(features, rows, times, values))


def test_identity_gives_every_reading_as_it_came() -> None:
    rows, times, values = noise(10, 2)
    values[3] = np.nan
    state = Identity().start()
    Identity().grow(state, 2)
    found = Identity().reduce(state, rows, times, values, np.arange(10))
    assert np.array_equal(found.features[:, 0], values, equal_nan=True)
    assert dump(restore(Identity().start(), dump(state))) == dump(state)
