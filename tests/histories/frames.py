"""Entries as past versions wrote them: whatever comes later must read the same events from them.

One line of ``frames.jsonl`` is an entry with an event of one type and version, and its rows as they were then. Lines
are never changed and never removed. After a new type, a new version or a new field of an event, record what is new:

    python -m tests.histories.frames
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel

from bus.protocol import Entry
from contracts.events import EVENTS, AnyEvent, Event, ReadingsEvent
from contracts.frame import Frame
from contracts.frames import encode
from contracts.readings import Readings, Series, Verdict
from contracts.rows import rows

FILE = Path(__file__).with_name("frames.jsonl")
TIME = 1_767_225_600_123_456_789
#: Ordinal of the last event of every recorded entry.
LAST = 1000
Line = dict[str, Any]
#: Numbers that have a largest value.
_BOUNDED = ("score", "share", "score_shift", "precision", "alert_ratio", "latency_ratio")


def sample(kind: type[Event] | type[ReadingsEvent]) -> list[AnyEvent]:
    """Events of a type in which every field says something; twice, with the numbers that JSON has no words for."""
    if issubclass(kind, ReadingsEvent):
        return [kind(_readings())]
    return [
        kind.model_validate({name: value for name, value in _body(kind, number) if name not in ("model_config",)})
        for number in (1, 2)
    ]


def _readings() -> Readings:
    series = [Series("plant", "pump 1", "temp"), Series("plant", "Pumpe ü", "druck/bar")]
    values = np.array([0.1, -1e300, np.nan, np.inf, 5e-324])
    return Readings.of(
        series,
        np.array([0, 1, 0, 1, 1]),
        np.arange(5, dtype=np.int64) * 1_000_000_007 + TIME,
        values,
        np.array([1, 2, 2**40, 4, 5], np.int64),
        quality=np.array([0, 1, 2, 0, 0], np.uint8),
        verdict=np.array([0, 0, Verdict.NOT_A_NUMBER, Verdict.NOT_FINITE, Verdict.LATE], np.uint8),
        notes={2: "<12,5> °C\n"},
    )


def _body(kind: type[BaseModel], number: int) -> Iterator[tuple[str, Any]]:
    for name, field in kind.model_fields.items():
        yield name, _value(name, field.annotation, number)


def _value(name: str, kind: Any, number: int) -> Any:
    plain: dict[Any, Any] = {
        str: f'{name} {number} ü\n\u2028"',
        bool: number == 1,
        int: TIME if name in ("time", "since") else 2**53 + number,
        Any: f"{name} {number}",
        float: 0.1 if number == 1 or name in _BOUNDED else float("inf"),
    }
    if kind in plain:
        return plain[kind]
    if get_origin(kind) is Literal:
        return get_args(kind)[number % len(get_args(kind))]
    if get_origin(kind) is tuple:
        return tuple(_value(name, get_args(kind)[0], each) for each in (number, number + 1))
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
        return {f"{name}/{key}": _value(name, inner, number) for key in "ab"}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return dict(_body(kind, number))
    if NoneType in get_args(kind):
        return _value(name, get_args(kind)[0], number)
    raise TypeError(f"{name}: say here what {kind} looks like")


def line_of(frame: Frame, events: list[AnyEvent]) -> Line:
    """An entry and what is in it."""
    fields = {name.decode(): b64encode(value).decode() for name, value in frame.fields().items()}
    return {"count": frame.count, "fields": fields, "rows": [row for event in events for row in rows(event)]}


def entry_of(line: Line) -> Entry:
    """The entry of a line, as a stream holds it."""
    fields = {name.encode(): b64decode(value) for name, value in line["fields"].items()}
    return Entry(LAST, line["count"], fields)


def recorded() -> list[Line]:
    """All lines."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").split("\n") if line] if FILE.exists() else []


def missing() -> list[Line]:
    """What this version writes and no line holds: a type, a version, or a field."""
    known = {(line["fields"]["t"], *sorted(line["rows"][0])) for line in recorded()}
    lines = []
    for _, kind in sorted(EVENTS.items()):
        events = sample(kind)
        # One that stands alone is in a frame by itself.
        frame, *_ = encode(events, "task<stream")
        line = line_of(frame, events[: frame.count])
        if (line["fields"]["t"], *sorted(line["rows"][0])) not in known:
            lines.append(line)
    return lines


if __name__ == "__main__":
    with FILE.open("a", encoding="utf-8") as file:
        for line in missing():
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
