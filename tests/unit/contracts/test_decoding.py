"""Many entries at a time come out as one by one, and what is damaged stands alone."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.protocol import Entry
from contracts.errors import CorruptEvent, FutureVersion, UnreadableEvent
from contracts.events import AnyEvent, ClockTicked, NotificationSent, ReadingsAccepted, ReadingsAcquired, ReadingsEvent
from contracts.frames import Frame, Unread, decode, decode_all, encode
from contracts.readings import Readings, Series, joined


def sent(value: int) -> NotificationSent:
    return NotificationSent.of(cause="c", time=value, asset="a", subscriber="a", key="o", attempt=value)


def readings(count: int, *names: str, note: bool = False) -> Readings:
    rows = np.arange(count, dtype=np.int64)
    series = [Series("s", name, "c") for name in names or ("a",)]
    code = (rows % len(series)).astype(np.int32)
    return Readings.of(series, code, rows, rows / 7, rows, notes={0: "n"} if note else None)


def entries(found: Sequence[Frame], after: int = 0) -> list[Entry]:
    out = []
    for frame in found:
        after += frame.count
        out.append(Entry(after, frame.count, frame.fields()))
    return out


def one_by_one(found: Sequence[Entry]) -> list[AnyEvent]:
    return [event for entry in found for event in decode(entry.frame(), entry.last)]


def flat(events: Sequence[AnyEvent | Unread]) -> list[object]:
    """Readings row by row with their ordinals, so that it does not matter how they are cut."""
    out: list[object] = []
    for event in events:
        if not isinstance(event, ReadingsEvent):
            out.append(event)
            continue
        rows = event.readings
        for row in range(len(rows)):
            series = rows.series[int(rows.code[row])]
            out.append((type(event), series, rows.first + row, float(rows.value[row]), rows.notes.get(row)))
    return out


EVENTS = st.one_of(
    st.integers(0, 5).map(sent),
    st.integers(0, 5).map(lambda time: ClockTicked.of(cause="c", time=time, asset="a")),
    st.builds(
        lambda kind, count, names, note: kind(readings(count, *names, note=note)),
        st.sampled_from([ReadingsAcquired, ReadingsAccepted]),
        st.integers(1, 4),
        st.sampled_from([("a",), ("a", "b"), ("c",)]),
        st.booleans(),
    ),
)


@settings(max_examples=200)
@given(st.lists(st.lists(EVENTS, min_size=1, max_size=3), max_size=6))
def test_many_at_a_time_are_the_same_as_one_by_one(commits: list[list[AnyEvent]]) -> None:
    found = entries([frame for events in commits for frame in encode(events, "w")])
    assert flat(decode_all(found)) == flat(one_by_one(found))


def test_readings_of_the_same_series_come_as_one_batch() -> None:
    parts = [readings(3, "a", "b"), readings(2, "a", "b")]
    found = entries([frame for part in parts for frame in encode([ReadingsAcquired(part)], "w")])
    (event,) = decode_all(found)
    assert isinstance(event, ReadingsEvent)
    assert event.same_as(ReadingsAcquired(joined(parts)))
    assert (event.readings.first, event.readings.last) == (1, 5)


def test_readings_behind_a_hole_are_a_batch_of_their_own() -> None:
    found = entries([frame for _ in range(3) for frame in encode([ReadingsAcquired(readings(2))], "w")])
    events = decode_all([found[0], found[2]])
    assert [event.readings.first for event in events if isinstance(event, ReadingsEvent)] == [1, 5]


def damaged(entry: Entry) -> Entry:
    """One bit of a value is another one: it still reads well."""
    if columns := entry.fields.get(b"c"):
        at = columns.index(np.float64(1 / 7).tobytes())
        changed = {b"c": columns[:at] + bytes([columns[at] ^ 1]) + columns[at + 1 :]}
    else:
        changed = {b"b": entry.fields[b"b"].replace(b'"attempt":2', b'"attempt":3')}
    assert changed.items().isdisjoint(entry.fields.items())
    return replace(entry, fields={**entry.fields, **changed})


@pytest.mark.parametrize("kind", ["events", "readings"])
def test_only_the_damaged_entry_is_unread_and_it_stays_in_its_place(kind: str) -> None:
    events = [sent(number) if kind == "events" else ReadingsAcquired(readings(2)) for number in range(5)]
    found = entries([frame for event in events for frame in encode([event], "w")])
    whole = one_by_one(found)
    found[2] = damaged(found[2])
    out = decode_all(found)
    (bad,) = [event for event in out if isinstance(event, Unread)]
    assert bad.entry is found[2]
    assert isinstance(bad.error, CorruptEvent)
    assert flat([event for event in out if event is not bad]) == flat(whole[:2] + whole[3:])
    assert flat(out[: out.index(bad)]) == flat(whole[:2])


def test_deleted_entry_is_unread() -> None:
    found = entries([frame for number in range(3) for frame in encode([sent(number)], "w")])
    found[1] = replace(found[1], fields={})
    kinds = [type(event) for event in decode_all(found)]
    assert kinds == [NotificationSent, Unread, NotificationSent]


def test_newer_version_among_others_is_unread() -> None:
    (frame,) = encode([sent(1)], "w")
    newer = replace(frame, version=2).sealed()
    out = decode_all(entries([frame, newer, newer, frame]))
    assert [type(event) for event in out] == [NotificationSent, Unread, Unread, NotificationSent]
    assert all(isinstance(event.error, FutureVersion) for event in out if isinstance(event, Unread))


@pytest.mark.parametrize("body", [b"[]", b"[{},{}]", b'[{"id":"a"},', b"", b"]["])
def test_bodies_that_only_fit_together_with_others_are_unread(body: bytes) -> None:
    (frame,) = encode([sent(1)], "w")
    odd = replace(frame, body=body).sealed()
    out = decode_all(entries([frame, odd, frame]))
    assert [type(event) for event in out] == [NotificationSent, Unread, NotificationSent]


def test_another_number_of_events_than_said_is_refused() -> None:
    (frame,) = encode([sent(1), sent(2)], "w")
    wrong = replace(frame, count=3).sealed()
    with pytest.raises(UnreadableEvent, match="2 events, expected 3"):
        decode(wrong)
    assert [type(event) for event in decode_all(entries([frame, wrong]))] == [NotificationSent] * 2 + [Unread]


@pytest.mark.parametrize("event", [sent(1), ReadingsAcquired(readings(2))], ids=["events", "readings"])
def test_digest_covers_the_number_of_events(event: AnyEvent) -> None:
    (frame,) = encode([event], "w")
    assert Frame.parse(frame.fields(), frame.count) == frame
    for count in (0, frame.count + 1, frame.count + 2**20):
        with pytest.raises(CorruptEvent):
            Frame.parse(frame.fields(), count)


def test_trace_travels_beside_the_digest() -> None:
    (plain,), (traced,) = encode([sent(1)], "w"), encode([sent(1)], "w", trace="00-ab-cd-01")
    assert plain.digest == traced.digest
    assert traced.fields() == {**plain.fields(), b"x": b"00-ab-cd-01"}
    assert Frame.parse(traced.fields(), 1) == traced
    (large, other) = encode([ReadingsAcquired(readings(1)), sent(1)], "w", trace="t")
    assert (large.trace, other.trace) == ("t", "t")


def test_header_that_came_before_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = entries([frame for _ in range(3) for frame in encode([ReadingsAcquired(readings(2, "cached"))], "w")])
    decode_all(found)
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("parsed again"))
    (event,) = decode_all(found)
    assert isinstance(event, ReadingsEvent)
    assert event.readings.series == (Series("s", "cached", "c"),)
