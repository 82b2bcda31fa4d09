"""A digest says whether two lists of events are the same, byte for byte, however they were cut."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.protocol import Place
from console.past.digesting import Digest
from contracts.events import AnyEvent, ClockTicked, DataQualityIncident, ReadingsAccepted
from contracts.readings import Readings, Series

PLACE = Place("readings.accepted", 0)
SERIES = (Series("s", "m", "a"), Series("s", "m", "b"), Series("s", "n", "a"))


def readings(count: int = 12) -> Readings:
    position = np.arange(count, dtype=np.int64)
    values = np.where(position % 5 == 0, np.nan, position / 3)
    return Readings.of(SERIES, position * 7 % 3, position * 10**9, values, position, notes={4: "n/a", 7: "?"})


def digest(events: Sequence[AnyEvent], place: Place = PLACE, writer: str = "w") -> str:
    found = Digest()
    found.take(place, writer, events)
    return found.hex()


def ticked(time: int) -> ClockTicked:
    return ClockTicked.of(cause="c", time=time, asset="clock")


WHOLE = digest([ReadingsAccepted(readings())])


@settings(max_examples=40)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_no_cut_changes_it(sizes: list[int]) -> None:
    left, parts = readings(), list[AnyEvent]()
    for size in sizes:
        if size >= len(left):
            break
        parts.append(ReadingsAccepted(left.take(slice(0, size))))
        left = left.take(slice(size, len(left)))
    assert digest([*parts, ReadingsAccepted(left)]) == WHOLE


@pytest.mark.parametrize("column", ["time", "value", "quality", "position", "verdict", "code"])
def test_one_bit_of_one_reading_changes_it(column: str) -> None:
    other = readings()
    changed = getattr(other, column).copy()
    changed.view(np.uint8)[9 * changed.itemsize] ^= 1
    assert digest([ReadingsAccepted(replace(other, **{column: changed}))]) != WHOLE


def test_notes_names_zeros_and_the_payload_of_nan_count() -> None:
    same = readings()
    zero, minus = (digest([ReadingsAccepted(replace(same, value=np.full(12, value)))]) for value in (0.0, -0.0))
    nan = same.value.copy()
    nan.view(np.int64)[0] += 1
    others = [
        digest([ReadingsAccepted(replace(same, notes={4: "n/a", 7: "!"}))]),
        digest([ReadingsAccepted(replace(same, notes={4: "n/a", 8: "?"}))]),
        digest([ReadingsAccepted(replace(same, series=(*SERIES[:2], Series("s", "n", "c"))))]),
        digest([ReadingsAccepted(replace(same, value=nan))]),
        *(zero, minus),
    ]
    assert len({WHOLE, *others}) == len(others) + 1


def test_the_order_of_series_in_a_batch_does_not_count_but_that_of_readings_does() -> None:
    same = readings()
    table = np.array([2, 0, 1], np.int32)
    renumbered = replace(same, series=(SERIES[1], SERIES[2], SERIES[0]), code=table[same.code])
    assert digest([ReadingsAccepted(renumbered)]) == WHOLE
    swapped = same.take(np.array([1, 0, *range(2, 12)]))
    assert digest([ReadingsAccepted(swapped)]) != WHOLE


def test_an_event_among_readings_counts_with_its_place() -> None:
    first, last = ReadingsAccepted(readings().take(slice(0, 6))), ReadingsAccepted(readings().take(slice(6, 12)))
    places: list[list[AnyEvent]] = [
        [ticked(1), first, last],
        [first, ticked(1), last],
        [first, last, ticked(1)],
        [first, ticked(2), last],
    ]
    assert len({WHOLE, *map(digest, places)}) == len(places) + 1


def test_writers_and_places_are_told_apart_in_any_order_of_taking() -> None:
    event = DataQualityIncident.of(cause="c", time=1, asset="m", kind="gap", state="open", detail="", since=0)
    both, swapped, moved = Digest(), Digest(), Digest()
    both.take(PLACE, "v", [event])
    both.take(PLACE, "w", [ReadingsAccepted(readings())])
    swapped.take(PLACE, "w", [ReadingsAccepted(readings())])
    swapped.take(PLACE, "v", [event])
    moved.take(Place(PLACE.stream, 1), "v", [event])
    moved.take(PLACE, "w", [ReadingsAccepted(readings())])
    assert both.hex() == swapped.hex() != moved.hex()
    assert digest([event]) != digest([event], writer="v") != digest([event], Place("incidents", 0), "v")
