"""The alarms of three judges: what leads one, and what becomes of baselines when it ends."""

import numpy as np

from models.detectors.base import Floats, Ints
from models.multivariate import Levels
from models.multivariate.alarms import REST, turn
from models.multivariate.levels import LevelsState
from models.multivariate.training import BASES

CHANNELS, LIMIT, LONGEST, NOW = 3, 4.0, 500, 1_000
MEMBERS = np.arange(CHANNELS)


def asset(*away: float) -> LevelsState:
    """An asset in its row 1,000 whose channels have level 1 and baselines at 0, with these distances in scales."""
    detector = Levels()
    state = detector.start()
    detector.grow(state, CHANNELS)
    state.rows[0] = NOW + 1
    state.seen[:CHANNELS] = NOW + 1
    state.ring[:CHANNELS] = 1.0
    step(state, *away)
    return state


def step(state: LevelsState, *away: float) -> None:
    """The next row, with these distances; the baselines themselves do not move."""
    state.rows[0] += 1
    state.away[:CHANNELS] = np.array(away)[:, None]


def still(state: LevelsState, longest: int = LONGEST) -> list[bool]:
    """Which channels stand still after the row; all baselines of a channel agree here."""
    found = turn(state, 0, MEMBERS, LIMIT, longest)
    assert (found == found[:, :1]).all()
    return [bool(each) for each in found[:, 0]]


def slow_and_fast(values: Floats | Ints) -> list[tuple[float, float]]:
    """Of each channel, what its three slow and its three fast baselines have in common."""
    assert (values[:CHANNELS].reshape(CHANNELS, -1, 2) == values[:CHANNELS, None, :2]).all()
    return [(float(slow), float(fast)) for slow, fast in values[:CHANNELS, :2]]


def test_what_is_beyond_the_limit_leads_with_the_largest() -> None:
    assert still(asset(100, 10, 3.9)) == [True, True, False]


def test_what_is_half_as_far_as_the_largest_leads_with_it() -> None:
    assert still(asset(5, 2.6, 2.4)) == [True, True, False]


def test_nothing_leads_where_nothing_is_beyond_the_limit() -> None:
    state = asset(3.9, 3.9, 3.9)
    assert still(state) == [False] * CHANNELS
    assert (state.since[0] == -1).all()


def test_an_alarm_ends_when_all_that_led_are_back() -> None:
    """At home, or within a tenth of the peak."""
    state = asset(100, 10, 0)
    still(state)
    step(state, 9, 5, 0)
    assert still(state) == [True, True, False]
    step(state, 9, 1.1, 0)
    assert still(state) == [False] * CHANNELS


def test_at_the_end_baselines_go_where_the_channels_are() -> None:
    """The first is a little off: all of its own. The second is at home: its fast ones. The third had no part: none."""
    state = asset(100, 10, 0)
    still(state)
    step(state, 9, 1.1, 0)
    still(state)
    assert slow_and_fast(state.base) == [(1, 1), (0, 1), (0, 0)]
    rest = float(state.rows[0] - 1 + REST)
    assert slow_and_fast(state.until) == [(rest, rest), (0, rest), (0, 0)]


def test_an_alarm_ends_all_resting() -> None:
    """Baselines that kept to the level would follow the fault."""
    state = asset(0, 0, 0)
    state.until[:CHANNELS] = NOW + REST
    still(state)
    assert (state.until[:CHANNELS] == NOW + REST).all()
    step(state, 100, 0, 0)
    still(state)
    assert not state.until[:CHANNELS].any()


def test_what_lasts_too_long_is_where_all_channels_belong() -> None:
    state = asset(100, 10, 1)
    for _ in range(20):
        step(state, 100, 10, 1)
        last = still(state, longest=15)
        if last == [False] * CHANNELS:
            break
    assert slow_and_fast(state.base) == [(1, 1)] * CHANNELS
    assert not state.away[:CHANNELS].any()


def test_each_judge_has_an_alarm_of_its_own() -> None:
    state = asset(0, 0, 0)
    state.away[1, 2:4] = [0, 5]
    found = turn(state, 0, MEMBERS, LIMIT, LONGEST)
    assert found.tolist() == [[False] * BASES, [False, False, False, True, False, False], [False] * BASES]
    assert (state.since[0] >= 0).tolist() == [False, True, False]
