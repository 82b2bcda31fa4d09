"""The detector that judges the channels of an asset together."""

import doctest

import numpy as np
import pytest

from models.detectors.base import Floats
from models.multivariate import Judgement, Levels, levels
from models.multivariate.levels import LevelsState

ROWS, CHANNELS, BEGIN, END = 1_100, 4, 700, 900


def pump(seed: int = 5) -> Floats:
    """Four channels: noise, a wandering one, a few steps on a grid, a slow wave; the first moves during a fault."""
    rng, t = np.random.default_rng(seed), np.arange(ROWS)
    noise = rng.normal(10, 1, ROWS)
    noise[BEGIN:END] += 4
    wander = np.cumsum(rng.normal(0, 0.02, ROWS)) + rng.normal(0, 0.1, ROWS)
    return np.stack([noise, wander, np.round(rng.normal(32, 0.6, ROWS)), np.sin(t / 90) + rng.normal(0, 0.2, ROWS)], 1)


def told(rows: Floats, **settings: float) -> tuple[list[Judgement], LevelsState]:
    """What is said of each row; a NaN is a channel that is missing in a row."""
    detector = Levels.model_validate(settings)
    state = detector.start()
    detector.grow(state, rows.shape[1])
    members = np.arange(rows.shape[1])
    return [detector.judge(state, 0, members, members, row.copy()) for row in rows], state


def scores(rows: Floats, **settings: float) -> Floats:
    return np.array([(each.score, each.alarm, each.change) for each in told(rows, **settings)[0]])


def test_the_example_is_right() -> None:
    assert doctest.testmod(levels).failed == 0


def test_a_fault_is_one_episode_that_names_its_channel() -> None:
    said, _ = told(pump())
    began = [row for row, each in enumerate(said) if each.began]
    ended = [row for row, each in enumerate(said) if each.ended]
    assert len(began) == len(ended) == 1
    assert BEGIN < began[0] < BEGIN + 10
    assert END < ended[0] < END + 20
    assert said[began[0]].shares.argmax() == 0
    assert said[began[0]].shares.sum() == pytest.approx(1)
    assert said[began[0]].score >= 0.5 > said[began[0] - 1].score


def test_its_beginning_and_its_end_are_changes() -> None:
    said, _ = told(pump())
    changes = [row for row, each in enumerate(said) if each.change >= 0.5]
    assert len(changes) <= 3
    assert BEGIN < changes[0] < BEGIN + 20
    assert END < changes[1] < END + 20
    assert said[changes[0]].changes.argmax() == 0


@pytest.mark.parametrize("end", [1, 31, 399, 401, 710, 905])
def test_a_prefix_is_judged_as_in_the_whole(end: int) -> None:
    assert scores(pump())[:end].tobytes() == scores(pump()[:end]).tobytes()


def test_units_do_not_matter() -> None:
    """Each channel in a unit of its own."""
    other = pump() * [1000.0, 0.001, 3.7, 1e6] + [-5.0, 40.0, 1e4, 0.0]
    assert np.abs(scores(other) - scores(pump())).max() < 1e-9


def test_the_order_of_channels_does_not_matter() -> None:
    assert scores(pump()[:, [2, 0, 3, 1]]).tobytes() == scores(pump()).tobytes()


def test_rows_before_the_first_do_not_matter() -> None:
    """The fault is found whichever rows are learnt from."""
    for cut in (0, 50, 150, 300):
        alarm = scores(pump()[cut:])[:, 1]
        assert alarm[BEGIN + 10 - cut : END - cut].all(), cut
        assert alarm.sum() < END - BEGIN + 20, cut


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e151])
def test_what_is_no_number_is_missing(bad: float) -> None:
    """A bad cell is as if the channel had not spoken in that row: same judgement, same state, bit for bit."""
    rows = pump()
    rows[[100, 500, 750], 1] = bad
    said, state = told(rows)
    detector = Levels()
    other = detector.start()
    detector.grow(other, CHANNELS)
    members = np.arange(CHANNELS)
    for row, each in zip(rows, said, strict=True):
        at = members[np.abs(row) < 1e150]
        found = detector.judge(other, 0, members, at, row[at])
        assert (found.score, found.alarm) == (each.score, each.alarm)
    for name, array, _ in state.arrays():
        assert array.tobytes() == getattr(other, name).tobytes(), name


def test_rows_without_any_reading_say_nothing_new() -> None:
    rows = pump()
    rows[800:850] = np.nan
    found = scores(rows)
    assert np.isfinite(found).all()
    assert found[840, 1] == 1, "nobody said that it is over"


def test_a_channel_that_falls_silent_ends_its_alarm() -> None:
    rows = pump()
    rows[800:, 0] = np.nan
    alarm = scores(rows)[:, 1]
    assert alarm[800 + levels.SILENT - 1] == 1
    assert not alarm[800 + levels.SILENT + 1 :].any()


def test_constant_channels_say_nothing() -> None:
    assert not scores(np.full((ROWS, 3), 7.3)).any()
    later = np.full((ROWS, 3), 7.3)
    later[600:, 1] = 8.0
    assert not scores(later).any(), "without any variation there is no scale"
    both = np.column_stack((pump(), np.full(ROWS, -1e12)))
    assert scores(both).tobytes() == scores(pump()).tobytes()


@pytest.mark.parametrize("row", [0, 10, 29, 30, 200, 600])
def test_one_huge_value_is_over_soon(row: int) -> None:
    """It may be an alarm as long as it is in the level; it does not hide the fault that comes later."""
    rows = pump()
    rows[row, 0] = 1e140
    found = scores(rows)
    assert np.isfinite(found).all()
    assert not found[row + 20 : BEGIN, 1].any()
    assert found[BEGIN + 20 : END, 1].all()


def test_the_score_is_over_the_threshold_as_long_as_an_alarm_is_on() -> None:
    found = scores(pump())
    assert ((found[:, 0] >= 0.5) == (found[:, 1] == 1)).all()
    assert 150 < found[:, 1].sum() < 250


def test_all_judges_begin_an_alarm_and_two_go_on() -> None:
    detector = Levels()
    state = detector.start()
    detector.grow(state, CHANNELS)
    members = np.arange(CHANNELS)
    rows, seen, on = pump(), set(), False
    rows[410:, 0] += np.repeat(np.random.default_rng(9).normal(0, 1.2, 69), 10)
    for row in rows:
        said = detector.judge(state, 0, members, members, row)
        with_one = int((state.since[0] >= 0).sum())
        seen.add((on, with_one))
        on = with_one == 3 if not on else with_one >= 2
        assert said.alarm == on
    assert {(False, 2), (False, 3), (True, 1), (True, 2)} <= seen, "each case occurred"


def test_what_drifts_slowly_widens_its_scale() -> None:
    """A drift that the training does not show: six standard deviations in 1,500 rows."""
    rows = np.random.default_rng(2).normal(0, 1, (2_200, 3))
    rows[400:, 0] += np.minimum(np.arange(1_800) / 250, 6)
    rows[2_100:, 0] += 8
    alarm = scores(rows)[:, 1]
    assert alarm[:2_100].mean() < 0.02
    assert alarm[2_110:].all(), "a fault is found in it nevertheless"


def test_what_does_not_come_back_all_the_way_is_told_once() -> None:
    """Two channels in a fault, one ten times as far as the other; they come to rest off their old places."""
    rows = np.random.default_rng(4).normal(0, 1, (1_400, 3))
    rows[700:900] += [200, 20, 0]
    rows[900:] += [2, 1.5, 0]
    said, _ = told(rows)
    assert [row // 10 for row, each in enumerate(said) if each.began] == [70]
    (ended,) = (row for row, each in enumerate(said) if each.ended)
    assert 900 < ended < 920


def test_slow_drift_is_followed_and_a_fault_is_not() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(0, 1, (6_000, 3))
    rows[:, 0] += np.linspace(0, 4, 6_000)
    rows[5_000:, 1] += 4
    alarm = scores(rows, longest=2_000)[:, 1]
    assert alarm[:5_000].mean() < 0.01
    assert alarm[5_010:].all()
    assert scores(rows)[5_010:5_500, 1].all(), "the shipped ones stand still, too, until it is the new normal"


def test_what_lasts_becomes_the_new_normal() -> None:
    rows = np.random.default_rng(2).normal(0, 1, (2_000, 3))
    rows[600:, 1] += 5
    alarm = scores(rows, longest=500)[:, 1]
    assert alarm[610:1_100].all()
    assert not alarm[1_115:].any()


def test_assets_do_not_see_each_other() -> None:
    detector = Levels()
    state = detector.start()
    detector.grow(state, 2 * CHANNELS)
    own = np.arange(CHANNELS)
    for row, each in zip(pump(), told(pump())[0], strict=True):
        detector.judge(state, 1, own + CHANNELS, own + CHANNELS, row * 3 + 50)
        assert detector.judge(state, 0, own, own, row).score == each.score


def test_memory_is_bounded() -> None:
    """Under 4 KB for each channel, however long it is watched."""
    detector = Levels()
    state = detector.start()
    detector.grow(state, 64)
    assert sum(array.nbytes for _, array, _ in state.arrays()) < 64 * 4_096
    assert {len(array) for _, array, _ in state.arrays()} == {64}


def test_a_quiet_asset_alarms_rarely() -> None:
    """Noise of several kinds, 4 assets of 2,000 rows: at most one episode in 1,000 rows."""
    rng = np.random.default_rng(11)
    episodes = 0
    for _ in range(4):
        rows = np.column_stack((rng.normal(size=2_000), rng.uniform(size=2_000), rng.exponential(size=2_000)))
        episodes += sum(each.began for each in told(rows)[0])
    assert episodes <= 8
