"""Readings: how they are cut means nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import ReadingsAcquired
from contracts.readings import Readings, Series, Verdict, joined
from tests.unit.contracts.columns import batches


def same(a: Readings, b: Readings) -> bool:
    return ReadingsAcquired(a).same_as(ReadingsAcquired(b))


@given(batches(min_size=1), st.integers(1, 45))
def test_cut_and_joined_are_the_same_readings(readings: Readings, size: int) -> None:
    parts = list(readings.cut(size))
    assert all(1 <= len(part) <= size for part in parts)
    assert same(joined(parts), readings)
    assert [name for part in parts for name in part.ids()] == readings.ids()


@given(batches(min_size=1), st.data())
def test_taken_rows_keep_everything_that_belongs_to_them(readings: Readings, data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(readings) - 1), max_size=10)), np.intp)
    taken = readings.take(rows)
    assert taken.ids() == [readings.id_of(row) for row in rows.tolist()]
    assert taken.value.tobytes() == readings.value[rows].tobytes()
    assert [taken.notes.get(i) for i in range(len(taken))] == [readings.notes.get(row) for row in rows.tolist()]
    assert {taken.series[i] for i in taken.code.tolist()} == set(taken.series), "no series that no row uses"


@given(batches(min_size=1))
def test_ids_agree_with_the_id_of_each_row(readings: Readings) -> None:
    assert readings.ids() == [readings.id_of(row) for row in range(len(readings))]


def test_slices_know_their_ordinals_and_picks_do_not() -> None:
    rows, small = np.arange(5), np.arange(5, dtype=np.uint8)
    code, value = np.zeros(5, np.int32), np.zeros(5)
    readings = Readings((Series("s", "a", "c"),), code, rows, value, small, rows, small, first=11)
    assert [(part.first, part.last) for part in readings.cut(2)] == [(11, 12), (13, 14), (15, 15)]
    assert readings.take(np.array([3, 1])).first == 0
    assert readings.take(slice(9, 12)).first == 0


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Readings.of([Series("s", "a", "c")], np.zeros(2, np.int32), np.arange(3), np.zeros(2), np.arange(2))


def test_marked_changes_the_verdicts_only() -> None:
    rows = np.arange(2)
    readings = Readings.of(
        [Series("s", "a", "c")], np.zeros(2, np.int32), rows, rows.astype(np.float64), rows, notes={1: "x"}
    )
    marked = readings.marked(np.array([Verdict.OK, Verdict.LATE], np.uint8))
    assert marked.verdict.tolist() == [0, 27]
    assert same(marked.marked(readings.verdict), readings)
    assert not same(marked, readings)


def test_verdict_numbers_are_the_ones_that_logs_hold() -> None:
    assert {verdict.name: verdict.value for verdict in Verdict} == {
        "OK": 0, "MALFORMED_ROW": 1, "NOT_A_NUMBER": 2, "NOT_FINITE": 3, "MISSING": 4, "BAD_TIME": 5, "NAIVE_TIME": 6,
        "BAD_NAME": 7, "TOO_LONG": 8, "BAD_ENCODING": 9, "WRONG_UNIT": 10, "TOO_MANY_SERIES": 11, "UNKNOWN_SERIES": 20,
        "BAD_QUALITY": 21, "OUT_OF_RANGE": 22, "RATE_OF_CHANGE": 23, "STUCK": 24, "DUPLICATE": 25, "CONFLICT": 26,
        "LATE": 27, "FUTURE": 28,
    }  # fmt: skip
    assert Verdict.OUT_OF_RANGE.word == "out of range"
