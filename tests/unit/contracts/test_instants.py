"""Instants: integers inside, ISO 8601 outside, and nothing guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.instants import EARLIEST, LATEST, SECOND, from_iso, iso


@given(st.integers(EARLIEST, LATEST))
def test_every_nanosecond_comes_back(time: int) -> None:
    assert from_iso(iso(time)) == time


@given(st.integers(EARLIEST, LATEST), st.integers(EARLIEST, LATEST))
def test_whole_seconds_sort_as_their_texts(one: int, other: int) -> None:
    one, other = one // SECOND * SECOND, other // SECOND * SECOND
    assert (one < other) == (iso(one) < iso(other))


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (EARLIEST, "1677-09-22T00:12:43.145224192Z"),
    ],
)
def test_no_more_digits_than_are_needed(time: int, text: str) -> None:
    assert iso(time) == text


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00.25-00:30", 250_000_000),
        ("1970-01-01 00:00:01Z", SECOND),
        ("19700101T000001.5Z", 1_500_000_000),
    ],
)
def test_offsets_and_forms_of_iso_are_read(text: str, time: int) -> None:
    assert from_iso(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.5",
        "1970-01-01",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00.5Z",
        "1970-01-01T00:00:00+01:00:00.5",
        "1970-01-01T00:00:00.٣Z",
        "0",
        "",
        "now",
    ],
)
def test_what_names_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the standard library's own messages vary
        from_iso(text)
