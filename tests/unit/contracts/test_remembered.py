"""What follows from a tuple of series is remembered for that very tuple, and for a bounded number of them."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np

from contracts.events import ReadingsAcquired
from contracts.frames import decode, encode
from contracts.readings import Readings, Series
from contracts.remembered import Remembered


def names(number: int, first: int = 0) -> tuple[Series, ...]:
    return tuple(Series("s", f"m{each}", "c") for each in range(first, first + number))


def test_a_value_is_made_once_for_a_tuple_and_not_for_an_equal_one() -> None:
    """Equal tuples are not compared, so the second one has a value of its own, which says the same."""
    memory, series, numbers = Remembered[int](), names(3), count(1)
    assert [memory.of(series, lambda _: next(numbers)) for _ in range(3)] == [1, 1, 1]
    assert memory.of(names(3), lambda _: next(numbers)) == 2
    assert memory.get(names(3)) is None


def test_a_tuple_that_is_gone_is_not_mistaken_for_another_at_its_address() -> None:
    """What is remembered lives, so that no other tuple gets its number."""
    memory = Remembered[str]()
    for number in range(2_000):
        series = names(1, number)
        assert memory.get(series) is None
        memory.put(series, series[0].asset)
        assert memory.get(series) == f"m{number}"


def test_the_memory_has_an_end() -> None:
    """The oldest goes first; one that is too long is not kept at all."""
    memory, kept = Remembered[int](), [names(8_000, number) for number in range(6)]
    for number, series in enumerate(kept):
        memory.put(series, number)
    assert [memory.get(series) for series in kept] == [None, None, 2, 3, 4, 5]
    long = names(9_000)
    assert memory.put(long, 7) == 7
    assert memory.get(long) is None
    assert memory.get(kept[-1]) == 5


def test_threads_may_remember_at_the_same_time() -> None:
    """Lanes work in threads: nobody stumbles over what another one just forgot."""
    memory = Remembered[int]()
    tuples = [names(4_000, number) for number in range(40)]

    def work(turn: int) -> bool:
        return all(memory.of(series, len) == 4_000 for series in tuples[turn:] + tuples[:turn])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))


def test_batches_that_are_parted_alike_have_the_same_series() -> None:
    """The very same tuple, so that what follows from it is remembered; and other parts have others."""
    series, rows = names(6), np.arange(12)
    batch = Readings.of(series, rows % 6, rows, rows.astype(np.float64), rows)
    even, odd = np.flatnonzero(rows % 2 == 0), np.flatnonzero(rows % 2)
    assert batch.take(even).series is batch.take(even[:3]).series
    assert [each.asset for each in batch.take(even).series] == ["m0", "m2", "m4"]
    assert [each.asset for each in batch.take(odd).series] == ["m1", "m3", "m5"]
    assert batch.take(rows).series is series


def test_frames_of_remembered_series_hold_the_same_bytes() -> None:
    """With notes, which differ from batch to batch, nothing is remembered."""
    series, rows = names(2), np.arange(2)
    plain = Readings.of(series, rows, rows, rows.astype(np.float64), rows)
    noted = Readings.of(series, rows, rows, rows.astype(np.float64), rows, notes={1: "four"})
    first, again, other = (next(encode([ReadingsAcquired(it)], "w")) for it in (plain, plain, noted))
    afresh = Readings.of(names(2), rows, rows, rows.astype(np.float64), rows)
    assert first.body == again.body == next(encode([ReadingsAcquired(afresh)], "w")).body
    assert b"notes" not in first.body
    assert b"four" in other.body
    assert decode(other)[0].readings.notes == {1: "four"}  # type: ignore[union-attr] # readings
