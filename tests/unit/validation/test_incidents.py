"""One test per kind of incident: when it opens, when it closes, and when it does neither."""

from collections.abc import Sequence

import numpy as np
import pytest

from agents.validation import Rule, Validation
from contracts.events import ClockTicked, DataQualityIncident
from contracts.instants import SECOND
from contracts.readings import Readings, Verdict
from tests.unit.validation.made import T0, Row, Seen, readings, run, steady, tick


def seen(rows: Sequence[Row], **settings: object) -> Seen:
    return run(Validation.model_validate(settings), [readings(rows)])


def only(result: Seen, kind: str) -> list[DataQualityIncident]:
    return [each for each in result.incidents if each.kind == kind]


def test_gap_is_told_when_the_next_reading_comes() -> None:
    rows = steady("p/t", [*range(40), 50, 51])
    result = seen(rows)
    assert result.kinds() == [("gap", "open"), ("gap", "closed")]
    gap = result.incidents[0]
    assert (gap.asset, gap.channel, gap.count) == ("p", "t", 10)
    assert (gap.since, gap.time) == (T0 + 39 * SECOND, T0 + 50 * SECOND)
    assert gap.cause == readings(rows).id_of(40)


def test_a_gap_begins_beyond_its_limit_to_the_nanosecond() -> None:
    """Five times one second is no gap yet; learned and expected rhythm agree."""
    for settings in ({}, {"rules": [{"match": "p/t", "expected_interval_s": 1}]}):
        validation = Validation.model_validate(settings)
        rows = steady("p/t", [*range(40), 44, 45, 46])
        batch = readings(rows)
        assert run(validation, [batch]).kinds() == []
        batch.time[40] += 1
        assert len(run(validation, [batch]).kinds()) == 2


def test_a_gap_is_judged_by_the_rhythm_before_it() -> None:
    """The very reading that ends a block of slower ones is still judged by the block before."""
    steps = [1.0] * 47 + [4.0] * 16 + [6.0, 6.0]
    rows = steady("p/t", np.cumsum([0.0, *steps]).tolist())
    result = seen(rows)
    assert [each.time for each in result.incidents] == [T0 + (47 + 64 + 6) * SECOND] * 2


def test_no_gap_before_the_rhythm_is_known_unless_it_is_told() -> None:
    rows = steady("p/t", [*range(20), 500, 501])
    assert seen(rows).kinds() == []
    rule = {"match": "p/t", "expected_interval_s": 1}
    assert seen(rows, rules=[rule]).kinds() == [("gap", "open"), ("gap", "closed")]


def test_an_irregular_sensor_has_no_gaps_all_day_long() -> None:
    """Intervals of a sensor that sends on change spread widely: five times the median is usual there."""
    rng = np.random.default_rng(1)
    intervals = rng.exponential(10, 5000)
    plain = np.median(intervals[:32]) * 5
    assert (intervals > plain).sum() > 50
    result = seen(steady("p/t", np.cumsum(intervals).tolist()))
    assert len(only(result, "gap")) < 2 * 10


def test_a_new_rhythm_is_learned() -> None:
    slow = steady("p/t", [*range(64), *range(64, 64 + 10 * 200, 10)])
    gaps = [each for each in seen(slow).incidents if each.state == "open"]
    assert 20 <= len(gaps) <= 33


def test_stale_beside_live_channels() -> None:
    """One channel dies while its machine goes on; back it closes, and the hole is not told twice."""
    rows = [(f"p/{c}", t, float(t % 5)) for t in range(300) for c in "abc" if c != "b" or not 100 <= t < 200]
    result = seen(rows)
    assert result.kinds() == [("stale", "open"), ("stale", "closed")]
    opened, closed = result.incidents
    assert (opened.channel, opened.since) == ("b", T0 + 99 * SECOND)
    # 60 s after the last reading are up at 160 s; at 161 s a second reading confirms it.
    assert opened.time == T0 + 161 * SECOND
    assert closed.time == T0 + 200 * SECOND
    assert closed.since == opened.since


def test_one_reading_that_ran_ahead_makes_nobody_stale() -> None:
    rows = [(f"p/{c}", t, float(t % 5)) for t in range(100) for c in "ab"]
    assert seen([*rows[:150], ("p/a", 10**8, 1.0), *rows[150:]]).kinds() == [("gap", "open"), ("gap", "closed")]


def test_channels_that_are_read_one_after_the_other_are_not_stale() -> None:
    rows = [(f"p/{c}", t, float(t % 5)) for c in "abc" for t in range(500)]
    assert seen(rows).kinds() == []


def test_stale_by_ticks_and_back() -> None:
    rows = steady("p/t", range(40))
    silence = [tick(second) for second in range(40, 120, 5)]
    back = readings(steady("p/t", [121, 122]), start=40)
    result = run(Validation(), [tick(0), readings(rows), *silence, back])
    assert result.kinds() == [("stale", "open"), ("stale", "closed")]
    opened, closed = result.incidents
    # What the ticks saw counts: the first 30 s at most of the step from 0 to 40, then 5 s each.
    assert opened.time == T0 + 75 * SECOND
    assert opened.cause == tick(75).id
    assert (closed.since, closed.time) == (T0 + 39 * SECOND, T0 + 121 * SECOND)


def test_a_series_that_goes_on_is_never_stale_by_ticks() -> None:
    events: list[Readings | ClockTicked] = []
    for second in range(0, 1000, 20):
        events += [readings(steady("p/t", range(second, second + 20)), start=second), tick(second + 20)]
    assert run(Validation(), events).kinds() == []


def test_nobody_is_stale_because_tocsin_stood_still() -> None:
    """After a night without ticks the first tick comes before the readings that waited."""
    rows = steady("p/t", range(40))
    night: list[Readings | ClockTicked] = [tick(30), readings(rows), tick(40), tick(40_000), tick(40_005)]
    assert run(Validation(), night).kinds() == []


def test_slow_sensors_have_their_own_freshness() -> None:
    rows = steady("p/t", range(0, 40 * 600, 600))
    ticks = [tick(second) for second in range(23_400, 23_400 + 2900, 20)]
    assert run(Validation(), [readings(rows), *ticks]).kinds() == []
    hasty = Validation(rules=(Rule(match="*/*", expected_interval_s=10),))
    assert run(hasty, [readings(rows), *ticks]).kinds()[-1] == ("stale", "open")


def lively(seconds: range) -> list[Row]:
    rng = np.random.default_rng(0)
    return [
        ("p/t", float(second), float(value))
        for second, value in zip(seconds, rng.normal(size=len(seconds)), strict=True)
    ]


def test_stuck_is_learned_from_the_series_itself() -> None:
    """A lively sensor that suddenly stands still for thirty readings; nothing is rejected."""
    rows = [*lively(range(200)), *(("p/t", float(second), 7.0) for second in range(200, 260)), ("p/t", 260.0, 1.0)]
    result = seen(rows)
    assert result.kinds() == [("stuck", "open"), ("stuck", "closed")]
    opened, closed = result.incidents
    assert (opened.since, opened.time, opened.count) == (T0 + 200 * SECOND, T0 + 229 * SECOND, 30)
    assert (closed.time, closed.count) == (T0 + 260 * SECOND, 60)
    assert result.rejected == []


def test_set_points_and_switches_are_not_stuck() -> None:
    constant: list[Row] = [("p/t", float(second), 20.0) for second in range(5000)]
    assert seen(constant).kinds() == []
    switch: list[Row] = [("p/t", float(second), float(second // 50 % 2)) for second in range(10_000)]
    assert seen([*switch, *(("p/t", float(second), 1.0) for second in range(10_000, 10_400))]).kinds() == []


@pytest.mark.parametrize(("how", "kinds"), [("report", [("stuck", "open")]), ("ignore", [])])
def test_stuck_by_rule(how: str, kinds: list[tuple[str, str]]) -> None:
    rows: list[Row] = [("p/t", float(second), 1.0) for second in range(20)]
    result = seen(rows, rules=[{"match": "p/*", "stuck_after": 10, "stuck": how}])
    assert result.kinds() == kinds
    assert result.rejected == []


def test_rejections_open_at_half_and_close_well_below() -> None:
    good, bad = steady("p/t", range(100)), [("p/t", 100.0 + k, float("nan")) for k in range(40)]
    more = steady("p/t", range(140, 240))
    result = seen([*good, *bad, *more])
    told = only(result, "rejections")
    assert [each.state for each in told] == ["open", "closed"]
    opened, closed = told
    # 32 of 64 are rejected with the 32nd bad one; fewer than 16 of 64 are left 49 good ones after the last.
    assert (opened.time, opened.count) == (T0 + 131 * SECOND, 32)
    assert "not finite" in opened.detail
    assert (closed.time, closed.count) == (T0 + 188 * SECOND, 40)


def test_a_few_rejections_are_no_incident() -> None:
    rows = [("p/t", float(t), float("nan") if t % 3 == 0 else float(t % 5)) for t in range(300)]
    result = seen(rows)
    assert only(result, "rejections") == []
    assert len(result.rejected) == 100


def test_rejections_of_a_series_without_any_good_reading() -> None:
    """A column of text is told of, at a time that can be believed as far as there is one."""
    rows = steady("p/t", range(40))
    batch = readings(rows, verdict=np.full(40, Verdict.NOT_A_NUMBER, np.uint8))
    result = run(Validation(), [batch])
    assert result.kinds() == [("rejections", "open")]
    assert result.incidents[0].time == T0 + 31 * SECOND


def test_verdicts_of_a_newer_tocsin_are_passed_on() -> None:
    batch = readings(steady("p/t", range(40)), verdict=np.full(40, 200, np.uint8))
    result = run(Validation(), [batch])
    assert {row[5] for row in result.rejected} == {200}
    assert "verdict 200" in result.incidents[0].detail


def test_series_limit_is_told_once() -> None:
    rows = [(f"p{index}/t", 0, 1.0) for index in range(10)]
    result = run(Validation(max_series=3), [readings(rows), readings(rows, start=10)])
    assert result.kinds() == [("series limit", "open")]
    assert (result.incidents[0].asset, result.incidents[0].cause) == ("p3", readings(rows).id_of(3))
    assert result.verdicts.count(Verdict.TOO_MANY_SERIES) == 14
