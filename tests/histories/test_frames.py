"""Every entry that a past version wrote is read as it was then; what a later one adds is not lost on the way."""

import json
from dataclasses import replace
from typing import Any

import pytest

from contracts.event import AnyEvent, Event
from contracts.events import EVENTS, ReadingsEvent
from contracts.frames import Unread, decode, decode_all, encode
from contracts.rows import rows
from tests.histories.frames import LAST, Line, entry_of, missing, recorded

LINES = recorded()


def names(line: Line) -> str:
    return str(line["rows"][0]["type"])


def kept(events: list[AnyEvent], line: Line) -> list[dict[str, Any]]:
    """The rows of events, but for fields that did not exist yet."""
    found = [row for event in events for row in rows(event)]
    assert len(found) == len(line["rows"])
    return [{name: row.get(name, "gone") for name in before} for row, before in zip(found, line["rows"], strict=True)]


def test_all_that_is_written_today_is_recorded() -> None:
    assert [names(line) for line in missing()] == [], "run python -m tests.histories.frames"
    assert set(map(names, LINES)) >= set(EVENTS)


@pytest.mark.parametrize("line", LINES, ids=names)
def test_recorded_entry_is_read_as_it_was_then(line: Line) -> None:
    entry = entry_of(line)
    assert json.loads(json.dumps(kept(decode(entry.frame(), LAST), line))) == line["rows"]
    together = [event for event in decode_all([entry]) if not isinstance(event, Unread)]
    assert kept(together, line) == line["rows"]


@pytest.mark.parametrize("line", [line for line in LINES if not line["fields"].get("c")], ids=names)
def test_fields_of_a_later_version_survive_reading_and_writing(line: Line) -> None:
    """As beside a newer Tocsin: an old agent hands on what it does not know."""
    frame, added = entry_of(line).frame(), {"added": {"later": [1, None, "ü"]}}
    later = [{**row, **added} for row in json.loads(frame.body)]
    events = decode(replace(frame, body=json.dumps(later).encode()).sealed(), LAST)
    (again,) = encode(events, frame.writer)
    found = json.loads(again.body)
    assert [row["added"] for row in found] == [added["added"]] * frame.count
    assert all(isinstance(event, Event) and next(rows(event))["added"] == added["added"] for event in events)


@pytest.mark.parametrize("line", [line for line in LINES if line["fields"].get("c")], ids=names)
def test_readings_of_a_later_version_are_read(line: Line) -> None:
    frame = entry_of(line).frame()
    header = {**json.loads(frame.body), "added": ["later"]}
    events = decode(replace(frame, body=json.dumps(header).encode()).sealed(), LAST)
    assert all(isinstance(event, ReadingsEvent) for event in events)
    assert kept(events, line) == line["rows"]
