"""Events as plain rows for people and other programs: one row per event, readings one by one, times in ISO 8601.

A row says nothing of how events were cut into entries, nor of the transport's ids: the same facts give the same rows.
"""

from collections.abc import Iterator
from typing import Any

from .events import AnyEvent, Event, ReadingsAcquired, ReadingsEvent
from .instants import iso
from .readings import Quality, Verdict

#: Fields that hold instants, by name, in every event.
_INSTANTS = ("time", "since")


def rows(event: AnyEvent) -> Iterator[dict[str, Any]]:
    """The rows of an event: ``type``, ``id``, ``cause``, ``asset``, ``channel``, ``time``, then its own fields."""
    if isinstance(event, ReadingsEvent):
        yield from _reading_rows(event)
    else:
        yield event_row(event)


def event_row(event: Event) -> dict[str, Any]:
    """The row of one event."""
    body = event.model_dump(mode="json")
    head = {name: body.pop(name) for name in ("id", "cause", "asset", "channel", "time")}
    row = {"type": event.type_name(), **head, **body}
    for name in _INSTANTS:
        if name in row:
            row[name] = iso(row[name])
    return row


def _reading_rows(event: ReadingsEvent) -> Iterator[dict[str, Any]]:
    readings, kind = event.readings, type(event)
    acquired = kind is ReadingsAcquired
    values, times = readings.value.tolist(), readings.time.tolist()
    positions, codes = readings.position.tolist(), readings.code.tolist()
    for row, name in enumerate(readings.ids()):
        series = readings.series[codes[row]]
        out = {
            "type": kind.__name__,
            "id": name if acquired else kind.row_id(name),
            "cause": f"{series.source}:{positions[row]}" if acquired else name,
            "asset": series.asset,
            "channel": series.channel,
            "time": iso(times[row]),
            "value": values[row] if abs(values[row]) != float("inf") and values[row] == values[row] else None,
            "quality": Quality(int(readings.quality[row])).name.lower(),
            "source": series.source,
            "position": positions[row],
            "verdict": Verdict(int(readings.verdict[row])).word,
        }
        if row in readings.notes:
            out["note"] = readings.notes[row]
        yield out
