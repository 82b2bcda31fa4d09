"""One test per verdict, and one per way to be just inside."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.validation import Rule, Validation
from contracts.events import ReadingsAcquired, ReadingsEvent
from contracts.instants import DAY, EARLIEST, LATEST
from contracts.readings import Quality, Readings, Series, Verdict
from tests.unit.validation.made import T0, Row, Seen, readings, run, steady, tick

OK = Verdict.OK


def judged(rows: Sequence[Row], *, quality: Any = None, **settings: Any) -> list[Verdict]:
    columns: dict[str, Any] = {} if quality is None else {"quality": np.array(quality, np.uint8)}
    return run(Validation(**settings), [readings(rows, **columns)]).verdicts


def at(times: list[int]) -> Seen:
    """One series with a reading at each of the instants."""
    count = len(times)
    batch = Readings.of(
        [Series("src", "p", "t")],
        np.zeros(count, np.int32),
        np.array(times),
        np.arange(count, dtype=np.float64),
        np.arange(count),
    )
    return run(Validation(), [batch])


def test_verdicts_of_acquisition_stand() -> None:
    """What could not be read stays what it was called, even where a later check would object too."""
    given = np.array([Verdict.NOT_A_NUMBER, Verdict.MALFORMED_ROW, OK, Verdict.NAIVE_TIME], np.uint8)
    batch = readings([("p/t", second, float("nan") if second in (0, 1) else 1.0) for second in range(4)], verdict=given)
    assert run(Validation(), [batch]).verdicts == given.tolist()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_not_finite(value: float) -> None:
    assert judged([("p/t", 0, 1.0), ("p/t", 1, value), ("p/t", 2, 1.5)]) == [OK, Verdict.NOT_FINITE, OK]


def test_bad_quality() -> None:
    """The device's own BAD is believed; UNCERTAIN is a reading."""
    rows = steady("p/t", range(3))
    quality = [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]
    assert judged(rows, quality=quality) == [OK, OK, Verdict.BAD_QUALITY]


def test_unknown_series_only_where_the_rules_are_the_list() -> None:
    rows = [("p/t", 0, 1.0), ("q/t", 0, 1.0)]
    assert judged(rows, rules=[Rule(match="p/*")], unknown="reject") == [OK, Verdict.UNKNOWN_SERIES]
    assert judged(rows, rules=[Rule(match="p/*")]) == [OK, OK]


def test_out_of_range_includes_its_ends() -> None:
    rows = [("p/t", second, value) for second, value in enumerate([-1.0, 5.0, -1.001, 5.001])]
    out = Verdict.OUT_OF_RANGE
    assert judged(rows, rules=[Rule(match="p/t", min=-1, max=5)]) == [OK, OK, out, out]
    assert judged(rows, rules=[Rule(match="q/t", min=-1, max=5)]) == [OK] * 4


def test_rate_of_change_counts_from_the_last_accepted_reading() -> None:
    """A spike is rejected and its way back is not; a lasting new level is taken once it had time to be reached."""
    spike = [("p/t", 0, 0.0), ("p/t", 1, 100.0), ("p/t", 2, 1.0)]
    rules = [Rule(match="*/t", max_per_s=10)]
    assert judged(spike, rules=rules) == [OK, Verdict.RATE_OF_CHANGE, OK]
    level = [("p/t", 0, 0.0), *(("p/t", second, 30.0) for second in (1, 2, 3))]
    assert judged(level, rules=rules) == [OK, Verdict.RATE_OF_CHANGE, Verdict.RATE_OF_CHANGE, OK]


def test_rate_of_change_holds_for_readings_out_of_order_too() -> None:
    rows = [("p/t", 0, 0.0), ("p/t", 10, 1.0), ("p/t", 9, 500.0), ("p/t", 8, 2.0)]
    assert judged(rows, rules=[Rule(match="*/*", max_per_s=10)]) == [OK, OK, Verdict.RATE_OF_CHANGE, OK]


def test_stuck_values_are_rejected_on_request() -> None:
    rows = [("p/t", second, 1.0 if second < 5 else 2.0) for second in range(7)]
    rule = {"match": "p/t", "stuck_after": 3}
    assert judged(rows, rules=[{**rule, "stuck": "reject"}]) == [OK, OK, *[Verdict.STUCK] * 3, OK, OK]
    assert judged(rows, rules=[rule]) == [OK] * 7


def test_stuck_by_time() -> None:
    rows = [("p/t", second, 1.0) for second in (0, 5, 9, 10, 11)]
    rule = Rule(match="p/t", stuck_after_s=10, stuck="reject")
    assert judged(rows, rules=[rule]) == [OK, OK, OK, Verdict.STUCK, Verdict.STUCK]


def test_duplicate_and_conflict() -> None:
    """The same time again: with the same value it is a repetition, with another one of the two is wrong."""
    rows = [("p/t", 0, 1.0), ("p/t", 1, 2.0), ("p/t", 0, 1.0), ("p/t", 1, 2.5), ("p/t", 1, 2.0), ("q/t", 0, 1.0)]
    again, conflict = Verdict.DUPLICATE, Verdict.CONFLICT
    assert judged(rows) == [OK, OK, again, conflict, again, OK]


def test_a_rejected_reading_makes_nobody_a_duplicate() -> None:
    rows = [("p/t", 0, 1.0), ("p/t", 1, 99.0), ("p/t", 1, 2.0)]
    assert judged(rows, rules=[Rule(match="*/*", max=10)]) == [OK, Verdict.OUT_OF_RANGE, OK]


def test_the_same_series_from_another_source_is_the_same_series() -> None:
    """Two gateways that tell of one sensor do not double its readings."""
    first, second = readings(steady("p/t", range(3))), readings(steady("p/t", range(3)), source="b", start=3)
    assert run(Validation(), [first, second]).verdicts == [OK] * 3 + [Verdict.DUPLICATE] * 3


def test_late_beyond_lateness_and_taken_within() -> None:
    rows = [("p/t", 98, 0.0), ("p/t", 99, 1.0), ("p/t", 100, 2.0), ("p/t", 40, 3.0), ("p/t", 39.9, 4.0)]
    assert judged(rows) == [OK, OK, OK, OK, Verdict.LATE]
    assert judged(rows, lateness_s=0) == [OK, OK, OK, Verdict.LATE, Verdict.LATE]


def test_what_is_older_than_everything_remembered_is_late() -> None:
    """A repeated minute of a fast sensor is rejected to the last reading, remembered or not."""
    rows = steady("p/t", [k / 10 for k in range(300)])
    again = run(Validation(), [readings(rows), readings(rows, start=300)]).verdicts[300:]
    assert again == [Verdict.LATE] * 236 + [Verdict.DUPLICATE] * 64


def test_one_reading_that_ran_ahead_does_not_silence_its_series() -> None:
    """A typing mistake in one year must not make the rest of the file late."""
    rows = [*steady("p/t", range(10)), ("p/t", 10**8, 0.5), *steady("p/t", range(10, 20))]
    assert judged(rows) == [OK] * 11 + [Verdict.LATE] * 2 + [OK] * 8


def test_late_readings_are_counted_anew_after_one_in_order() -> None:
    """Two late ones, one in order, two late ones: nothing has shown yet that the newest is wrong."""
    far = 10**8
    first = [*steady("p/t", range(10)), ("p/t", far, 0.5), ("p/t", 11, 1.0), ("p/t", 12, 2.0)]
    second = steady("p/t", [far + 1, 2 * far])
    third = steady("p/t", [far + 2, far + 3, far + 4])
    batches = [readings(first), readings(second, start=13), readings(third, start=15)]
    late = Verdict.LATE
    assert run(Validation(), batches).verdicts == [OK] * 11 + [late, late, OK, OK, late, late, OK]


def test_late_readings_that_follow_two_confirmed_ones_stay_late() -> None:
    rows = [*steady("p/t", range(10)), *steady("p/t", [10**8, 10**8 + 1]), *steady("p/t", range(10, 20))]
    assert judged(rows) == [OK] * 12 + [Verdict.LATE] * 10


def test_future_only_against_ticks() -> None:
    """Without ticks nobody knows the time: history is read at its own pace."""
    ahead = [("p/t", 300, 1.0), ("p/t", 300.5, 2.0), ("p/t", 10**8, 3.0)]
    assert judged(ahead) == [OK] * 3
    future = Verdict.FUTURE
    assert run(Validation(), [tick(0), readings(ahead)]).verdicts == [OK, future, future]
    assert run(Validation(), [tick(0), tick(1), readings(ahead)]).verdicts == [OK, OK, future]


def test_what_comes_out_has_no_place_in_the_log_yet() -> None:
    """The ordinals of the acquired stream are not those of the accepted and rejected ones."""
    batch = replace(readings([("p/t", 0, 1.0), ("p/t", 1, float("nan"))]), first=77)
    validation = Validation()
    for part in (batch, batch.take(slice(0, 1))):
        outs = list(validation.handle(ReadingsAcquired(part), validation.start()))
        assert [out.readings.first for out in outs if isinstance(out, ReadingsEvent)] == [0] * len(part)


def test_impossible_times() -> None:
    """What the log could not add a day to is no time, and the extremes in range break nothing."""
    times = [-(2**63), EARLIEST, T0, LATEST, 2**63 - 1, LATEST - 30 * 10**9]
    assert at(times).verdicts == [Verdict.BAD_TIME, OK, OK, OK, Verdict.BAD_TIME, OK]


def test_times_before_1970_are_times() -> None:
    assert at([-DAY, -DAY + 10**9, 0]).verdicts == [OK] * 3


def test_too_many_series() -> None:
    rows = [(f"p/{index}", second, 1.0) for second, index in enumerate([1, 2, 3, 1, 4, 2])]
    many = Verdict.TOO_MANY_SERIES
    assert judged(rows, max_series=2) == [OK, OK, many, OK, many, OK]


def test_unreadable_names_do_not_take_up_room() -> None:
    """A name that acquisition refused is no series, however many there are of them."""
    bad = readings([(f"p/{index}", 0, 1.0) for index in range(5)], verdict=np.full(5, Verdict.BAD_NAME, np.uint8))
    validation = Validation(max_series=1)
    assert run(validation, [bad, readings([("p/t", 0, 1.0)], start=5)]).verdicts[-1] == OK
