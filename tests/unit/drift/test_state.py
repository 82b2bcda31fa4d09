"""State: bounded, copyable, and blind to how a stream was cut."""

import copy
from dataclasses import fields
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from models.drift import Alarms, DriftTest, Reference, State

from .streams import MINUTE, WEEK, autocorrelated, feed, noise, watch

SERIES = 6


@cache
def _references() -> list[Reference]:
    on = np.random.default_rng(2).random(3000) < 0.5
    streams = [
        noise(1, 3000),
        autocorrelated(2, 3000, 0.8),
        np.round(noise(3, 3000) / 5) * 5,
        np.where(on, noise(4, 3000) / 10, 90 + noise(5, 3000) / 20),
        np.full(3000, 7.5),
        noise(6, 3000) * np.repeat([1.0, 3.0], [1500, 1500])[np.random.default_rng(1).permutation(3000)],
    ]
    return [DriftTest().fit(stream, 1440) for stream in streams]


def _fleet() -> tuple[DriftTest, State]:
    test = DriftTest(false_alarms_per_sample=1e-3, epoch=1000)
    state = test.start()
    for row, reference in enumerate(_references()):
        test.adopt(state, row, reference)
    return test, state


def _readings(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Readings of all series in a random order, with gaps, repeats, infinities and changes."""
    rng = np.random.default_rng(77)
    rows = rng.integers(0, SERIES, n)
    values = 35 + 10 * rng.standard_normal(n)
    values[rng.random(n) < 0.03] = np.nan
    values[rng.random(n) < 0.001] = np.inf
    values = np.where((rows == 2) | (rows == 4), np.round(values / 5) * 5, values)
    values[n // 2 :] += 6
    times = np.cumsum(np.where(rng.random(n) < 0.005, 50, 0.1) * MINUTE).astype(np.int64)
    return rows, times, values


def _feed(cuts: list[int], rearm_at: int = 4000) -> tuple[list[tuple[object, ...]], State]:
    test, state = _fleet()
    rows, times, values = _readings(8000)
    out: list[tuple[object, ...]] = []
    for a, b in pairwise(cuts):
        out += _entries(test.update_batch(state, rows[a:b], times[a:b], values[a:b]), a)
        if b == rearm_at:
            for row in range(SERIES):
                test.rearm(state, row)
    return out, state


def _entries(alarms: Alarms, offset: int) -> list[tuple[object, ...]]:
    return [(int(alarms.at[i]) + offset, *alarms.entry(i).values()) for i in range(len(alarms))]


def _same(a: State, b: State) -> bool:
    return all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    )


def test_any_cut_of_a_batch_gives_the_same_bits() -> None:
    whole, state = _feed([0, 4000, 8000])
    assert len(whole) >= 6
    rng = np.random.default_rng(0)
    ragged = sorted({0, 4000, 8000, *rng.integers(0, 8000, 150).tolist()})
    cut, other = _feed(ragged)
    assert cut == whole
    assert _same(state, other)


def test_one_reading_at_a_time_gives_the_same_bits() -> None:
    whole, state = _feed([0, 4000, 4600])
    single, other = _feed([0, 4000, *range(4001, 4601)])
    assert single == whole
    assert _same(state, other)


def test_together_equals_alone() -> None:
    """A series must not notice which others it is processed with."""
    together, _ = _feed([0, 4000, 8000])
    rows, times, values = _readings(8000)
    for row in range(SERIES):
        test, state = _fleet()
        mine = np.flatnonzero(rows == row)
        early, late = mine[mine < 4000], mine[mine >= 4000]
        found = [
            (int(early[a[0]]), *a[1:])  # type: ignore[call-overload]  # mypy knows the entries as objects
            for a in _entries(test.update_batch(state, rows[early], times[early], values[early]), 0)
        ]
        test.rearm(state, row)
        found += [
            (int(late[a[0]]), *a[1:])  # type: ignore[call-overload]  # mypy knows the entries as objects
            for a in _entries(test.update_batch(state, rows[late], times[late], values[late]), 0)
        ]
        assert found == [a for a in together if a[1] == row]


def test_a_copy_of_the_arrays_continues_alike() -> None:
    stream = noise(12, WEEK + 3000)
    stream[WEEK + 1500 :] += 4
    test, state = watch(stream[:WEEK])
    feed(test, state, stream[WEEK : WEEK + 1600])
    blank = test.start()
    for f in fields(State):
        setattr(blank, f.name, copy.copy(getattr(state, f.name)))
    a = feed(test, state, stream[WEEK + 1600 :], first=WEEK + 1600)
    b = feed(test, blank, stream[WEEK + 1600 :], first=WEEK + 1600)
    assert a.entry(0) == b.entry(0)
    assert _same(state, blank)


def test_state_holds_arrays_and_texts_only() -> None:
    _, state = _fleet()
    for f in fields(State):
        value = getattr(state, f.name)
        if f.name == "references":
            assert all(isinstance(text, str) for text in value)
        else:
            assert isinstance(value, np.ndarray)
            assert len(value) == state.rows


def test_memory_does_not_grow_with_the_stream() -> None:
    test, state = watch(noise(1, WEEK))
    before = sum(getattr(state, f.name).nbytes for f in fields(State) if f.name != "references")
    feed(test, state, noise(2, 30_000))
    after = sum(getattr(state, f.name).nbytes for f in fields(State) if f.name != "references")
    assert before == after == state.bytes_per_series
    assert state.bytes_per_series <= 32_000


def test_rows_are_reused_afresh() -> None:
    test, state = watch(noise(1, WEEK))
    feed(test, state, noise(2, 500))
    test.adopt(state, 0, test.fit(noise(1, WEEK), 1440))
    _, fresh = watch(noise(1, WEEK))
    assert _same(state, fresh)


def test_unknown_rows_are_refused() -> None:
    test, state = watch(noise(1, WEEK))
    one = np.zeros(1, np.int64)
    for row in (-1, 5):
        with pytest.raises(ValueError, match="never adopted"):
            test.update(state, one + row, one, np.ones(1))
        with pytest.raises(ValueError, match="never adopted"):
            test.rearm(state, row)
    with pytest.raises(ValueError, match="shape"):
        test.update(state, one, one, np.ones(2))
    with pytest.raises(ValueError, match="twice"):
        test.update(state, np.zeros(2, np.int64), np.zeros(2, np.int64), np.ones(2))
