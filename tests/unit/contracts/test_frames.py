"""Frames: what is written is what is read, and nothing else is ever taken for it."""

import json
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.errors import CorruptEvent, FutureVersion, TooLarge, UnknownEvent, UnreadableEvent
from contracts.events import (
    EVENTS,
    AnomalyDetected,
    AnyEvent,
    DeadLettered,
    Event,
    Evidence,
    NotificationSent,
    ReadingsAccepted,
    ReadingsAcquired,
    ReadingsEvent,
    ReadingsRejected,
)
from contracts.frames import MAX_FRAME_BYTES, MAX_FRAME_EVENTS, MAX_FRAME_READINGS, UPCASTERS, Frame, decode, encode
from contracts.readings import Readings, Series, joined
from tests.unit.contracts.columns import batches

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def started(value: int, **extra: Any) -> NotificationSent:
    return NotificationSent.of(cause="c", time=value, asset="a", subscriber="a", key="o", attempt=value, **extra)


def plain(count: int) -> Readings:
    rows = np.arange(count, dtype=np.int64)
    return Readings.of([Series("s", "a", "c")], np.zeros(count, np.int32), rows, rows / 7, rows)


def stored(frame: Frame, **changed: Any) -> Frame:
    """The frame as its fields say it, with some parts written differently, and the digest right."""
    return replace(frame, **changed).sealed()


@given(batches(), st.sampled_from([ReadingsAcquired, ReadingsAccepted, ReadingsRejected]), TEXT)
def test_readings_come_back_bit_for_bit(readings: Readings, kind: type[ReadingsEvent], writer: str) -> None:
    event = kind(readings)
    found = [
        back
        for frame in encode([event], writer)
        for back in decode(Frame.parse(frame.fields(), frame.count), frame.count)
    ]
    if not len(readings):
        assert found == []
        return
    (back,) = found
    assert isinstance(back, kind)
    assert back.same_as(event)
    assert back.readings.series == readings.series
    assert (back.readings.first, back.readings.last) == (1, len(readings))


@given(batches(min_size=1), st.integers(1, 45))
def test_cuts_come_back_joined(readings: Readings, size: int) -> None:
    parts = list(replace(readings, first=100).cut(size))
    found: list[Readings] = []
    for part in parts:
        for frame in encode([ReadingsAcquired(part)], "w"):
            (back,) = decode(frame, part.last)
            assert isinstance(back, ReadingsEvent)
            found.append(back.readings)
    whole = joined(found)
    assert ReadingsAcquired(whole).same_as(ReadingsAcquired(readings))
    assert (whole.first, whole.ids()) == (100, readings.ids())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@given(
    st.lists(st.tuples(TEXT, TEXT, st.integers(-(2**63), 2**63), st.integers()), max_size=5),
    st.dictionaries(TEXT.map("x_".__add__), JSON, max_size=3),
)
def test_events_come_back_equal_with_fields_that_we_do_not_know(rows: list[Any], extra: dict[str, Any]) -> None:
    events = [
        NotificationSent.of(cause=cause, time=time, asset=asset, subscriber="a", key="o", attempt=token, **extra)
        for cause, asset, time, token in rows
    ]
    found = [back for frame in encode(events, "w") for back in decode(Frame.parse(frame.fields(), frame.count))]
    assert found == events
    assert all(isinstance(back, Event) and (back.model_extra or {}) == extra for back in found)


@given(st.floats())
@example(float("inf"))
@example(float("-inf"))
@example(float("nan"))
def test_floats_of_events_come_back_exactly(value: float) -> None:
    event = AnomalyDetected.of(
        cause="c", time=1, asset="a", detector="d", bundle="b", feature_set="f", environment="e",
        evidence=Evidence(stream="s", first=1, last=2), score=0.5, threshold=value, reason="r", value=value,
    )  # fmt: skip
    (frame,) = encode([event], "w")
    (back,) = decode(frame)
    assert isinstance(back, AnomalyDetected)
    assert repr((back.value, back.threshold)) == repr((value, value))


def test_neighbours_of_one_type_share_a_frame_in_their_order() -> None:
    events: list[AnyEvent] = [started(1), started(2), ReadingsAcquired(plain(3)), started(3)]
    found = list(encode(events, "w"))
    assert [(frame.type, frame.count) for frame in found] == [
        ("NotificationSent", 2), ("ReadingsAcquired", 3), ("NotificationSent", 1),
    ]  # fmt: skip


def test_many_events_are_spread_over_frames() -> None:
    events = [started(i) for i in range(2 * MAX_FRAME_EVENTS + 1)]
    found = list(encode(events, "w"))
    assert [frame.count for frame in found] == [MAX_FRAME_EVENTS, MAX_FRAME_EVENTS, 1]
    assert [event for frame in found for event in decode(frame)] == events


def test_many_readings_are_spread_over_frames() -> None:
    found = list(encode([ReadingsAcquired(plain(MAX_FRAME_READINGS + 1))], "w"))
    assert [frame.count for frame in found] == [MAX_FRAME_READINGS, 1]


def test_frames_over_the_limit_are_halved() -> None:
    events = [started(i, note="x" * (MAX_FRAME_BYTES // 3)) for i in range(4)]
    found = list(encode(events, "w"))
    assert [frame.count for frame in found] == [2, 2]
    assert all(frame.size <= MAX_FRAME_BYTES for frame in found)
    readings = replace(plain(4), notes=dict.fromkeys(range(4), "x" * (MAX_FRAME_BYTES // 3)))
    halves = list(encode([ReadingsRejected(readings)], "w"))
    assert [frame.count for frame in halves] == [2, 2]
    assert all(frame.size <= MAX_FRAME_BYTES for frame in halves)


def test_one_event_over_the_limit_is_refused_with_its_id() -> None:
    large = started(1, note="x" * MAX_FRAME_BYTES)
    with pytest.raises(TooLarge, match=large.id):
        list(encode([large], "w"))
    readings = replace(plain(1), notes={0: "x" * MAX_FRAME_BYTES})
    with pytest.raises(TooLarge, match=readings.id_of(0)):
        list(encode([ReadingsRejected(readings)], "w"))


def test_a_dead_letter_holds_the_largest_frame() -> None:
    """Base64 makes it a third larger; refusing it would stop the partition for good."""
    letter = DeadLettered.of(
        cause="c", time=1, asset="a", agent="a", origin="s", position=1, reason="r" * 1000, trace="t" * 4000,
        frame={"b": "x" * (4 * MAX_FRAME_BYTES // 3 + 4)},
    )  # fmt: skip
    (frame,) = encode([letter], "w")
    assert decode(frame) == [letter]


# ---------------------------------------------------------------- damage


def small_frames() -> list[Frame]:
    readings = replace(plain(2), notes={1: "x"})
    return [next(encode([started(1)], "w")), next(encode([ReadingsAcquired(readings)], "w"))]


@pytest.mark.parametrize("frame", small_frames(), ids=lambda frame: frame.type)
def test_every_flipped_byte_is_detected(frame: Frame) -> None:
    fields = frame.fields()
    tried = 0
    for name, data in fields.items():
        for at in range(len(data)):
            for bit in (0x01, 0x80):
                damaged = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
                with pytest.raises(CorruptEvent):
                    Frame.parse({**fields, name: damaged}, frame.count)
                tried += 1
    assert tried == 2 * sum(map(len, fields.values())) > 200


@pytest.mark.parametrize("frame", small_frames(), ids=lambda frame: frame.type)
def test_every_missing_or_cut_field_is_detected(frame: Frame) -> None:
    fields = frame.fields()
    for name, data in fields.items():
        with pytest.raises(CorruptEvent):
            Frame.parse({key: value for key, value in fields.items() if key != name}, frame.count)
        with pytest.raises(CorruptEvent):
            Frame.parse({**fields, name: data[:-1]}, frame.count)


def test_columns_added_to_a_frame_without_are_detected() -> None:
    with pytest.raises(CorruptEvent):
        Frame.parse({**small_frames()[0].fields(), b"c": b"x"}, 1)


# ---------------------------------------------------------------- versions


class Reworded(Event):
    """Version 3 of an event; ``text`` was ``word`` in version 1, and had no case in version 2."""

    stream: ClassVar[str] = "words"
    version: ClassVar[int] = 3
    text: str


@pytest.fixture
def reworded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVENTS, "Reworded", Reworded)
    monkeypatch.setitem(UPCASTERS, ("Reworded", 1), lambda row: {**row, "text": row["word"]})
    monkeypatch.setitem(UPCASTERS, ("Reworded", 2), lambda row: {**row, "text": row["text"].upper()})


def written_as(version: int, **body: Any) -> Frame:
    row = {"id": "i", "cause": "c", "time": 1, "asset": "a", **body}
    (frame,) = encode([started(1)], "w")
    return stored(frame, type="Reworded", version=version, body=json.dumps([row, row]).encode(), count=2)


@pytest.mark.usefixtures("reworded")
def test_older_versions_are_lifted_step_by_step() -> None:
    for frame, text in (
        (written_as(1, word="one"), "ONE"), (written_as(2, text="two"), "TWO"), (written_as(3, text="three"), "three"),
    ):  # fmt: skip
        found = decode(frame)
        assert [event.text for event in found if isinstance(event, Reworded)] == [text, text]


@pytest.mark.usefixtures("reworded")
def test_older_version_without_an_upcaster_is_unreadable() -> None:
    with pytest.raises(UnreadableEvent, match="no upcaster from Reworded version 0"):
        decode(written_as(0, word="none"))


@pytest.mark.usefixtures("reworded")
def test_upcaster_that_fails_makes_it_unreadable() -> None:
    with pytest.raises(UnreadableEvent, match="Reworded/1 does not fit"):
        decode(written_as(1, other="x"))


@pytest.mark.usefixtures("reworded")
def test_newer_version_is_told_apart() -> None:
    with pytest.raises(FutureVersion, match=r"Reworded version 4 .* reads up to 3"):
        decode(written_as(4, text="x"))


def test_newer_readings_are_told_apart() -> None:
    with pytest.raises(FutureVersion):
        decode(stored(small_frames()[1], version=2))


def test_unknown_type_is_told_apart() -> None:
    with pytest.raises(UnknownEvent, match="'Nonsense'"):
        decode(stored(small_frames()[0], type="Nonsense"))


def test_row_of_a_series_that_is_not_listed_is_unreadable() -> None:
    frame = small_frames()[1]
    with pytest.raises(UnreadableEvent, match="not listed"):
        decode(stored(frame, body=b'{"series":[]}'))


def test_other_columns_are_unreadable() -> None:
    with pytest.raises(UnreadableEvent):
        decode(stored(small_frames()[1], columns=b"no arrow"))


BODIES = (
    st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [b"[" * 100_000, b"{}", b'{"series":[["s","a","c"]],"notes":[]}', b'{"series":[["s","a","c"]],"notes":{"x":1}}']
    )
)


@settings(max_examples=300)
@given(BODIES, st.binary(max_size=60) | st.just(small_frames()[1].columns), st.sampled_from(sorted(EVENTS)))
def test_whatever_is_in_a_frame_only_declared_errors_come_out(body: bytes, columns: bytes, kind: str) -> None:
    frame = stored(small_frames()[0], type=kind, body=body, columns=columns)
    try:
        found = decode(frame)
    except UnreadableEvent:
        return
    assert all(type(event).__name__ == kind for event in found)
