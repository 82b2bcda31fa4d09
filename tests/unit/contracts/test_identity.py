"""Names: the same wherever and whenever they are computed. A change here orphans every log that exists."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import AgentStarted, ReadingsAccepted
from contracts.identity import NAME_LENGTH, digest, event_id, is_name, partition_of, reading_ids

TEXTS = st.text(st.characters(codec="utf-8"))


def test_digests_are_the_ones_that_logs_hold() -> None:
    assert digest() == "cae66941d9efbd404e4d88758ea67670"
    assert digest("a", "bc") == "a4d2502de3aca3ac159bba2d99ea81a8"
    assert digest("ab", "c") == digest(b"ab", b"c") == "709cf327ef95531b685902e50b513a88"


def test_event_ids_are_the_ones_that_logs_hold() -> None:
    assert event_id("AnomalyDetected", "cause", "asset", "channel", 123, "") == "8af153512dce409b128e57df9a5eb14f"
    event = AgentStarted.of(cause="c", time=5, asset="a", agent="a", owner="o")
    assert event.id == "74f3bbab75d2102738eeb8d6d509a62b"
    assert ReadingsAccepted.row_id("0" * 32) == "b1bff3bdc1591653e13402438973e96c"


def test_reading_ids_are_the_ones_that_logs_hold() -> None:
    assert reading_ids("source", "asset", "channel", [0, 1, -5, 2**62]) == [
        "a81840d0dc730354183578e162da42d5",
        "4e6255f9a5d61ed5313c75fc15fad944",
        "b61860569899577a09c6a6777b69f0e0",
        "50578afacec021aea53f4bb08dd55f85",
    ]


@pytest.mark.parametrize(
    ("asset", "partitions", "expected"),
    [("pump", 8, 4), ("pump", 16, 12), ("Fräse 7", 8, 6), ("a", 1, 0), ("a", 4096, 559), ("", 8, 4)],
)
def test_partitions_are_the_ones_that_logs_have(asset: str, partitions: int, expected: int) -> None:
    assert partition_of(asset, partitions) == expected


def test_assets_spread_over_all_partitions() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[partition_of(f"machine {number}", 8)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_no_two_lists_of_parts_share_a_digest(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_everything_in_an_events_cause_changes_its_id() -> None:
    about: dict[str, Any] = {"cause": "c", "time": 5, "asset": "a", "channel": "x", "discriminator": "d"}
    body: dict[str, Any] = {"agent": "a", "owner": "o", "token": 1}
    changes: list[dict[str, Any]] = [
        {},
        {"cause": "C"},
        {"time": 6},
        {"asset": "A"},
        {"channel": "y"},
        {"discriminator": "e"},
    ]
    ids = {AgentStarted.of(**{**about, **change}, **body).id for change in changes}
    assert len(ids) == len(changes)
    assert AgentStarted.of(**about, **{**body, "token": 2}).id in ids, "the body is not part of it"


@given(TEXTS, TEXTS, TEXTS, st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=10))
def test_readings_of_one_series_have_ids_of_their_own(source: str, asset: str, channel: str, at: list[int]) -> None:
    ids = reading_ids(source, asset, channel, at)
    assert len(set(ids)) == len(at)
    assert [reading_ids(source, asset, channel, [position])[0] for position in at] == ids


@pytest.mark.parametrize("text", ["pump", "Fräse 7", "a:b", "温度", "x" * NAME_LENGTH, "0", "-"])
def test_names_may_be_any_printable_text(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    ["", " a", "a ", "a/b", "{a", "a}", "a\nb", "a\x00", "a\x1b[31m", "\u202eabc", "x" * (NAME_LENGTH + 1), "\ud800"],
)
def test_names_hold_nothing_that_reads_as_something_else(text: str) -> None:
    assert not is_name(text)
