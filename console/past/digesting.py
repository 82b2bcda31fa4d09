"""A digest of events that does not depend on how they were cut into entries, nor on who came first of several writers.

Two lists of events have the same one only where they are the same, byte for byte and in order, writer by writer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from bus.protocol import Place
from contracts.events import AnyEvent, ReadingsEvent
from contracts.readings import Readings, Series

_COLUMNS = ("time", "value", "quality", "position", "verdict")
#: Each has a state for itself: then it does not show how many readings were taken at once.
_PARTS = ("code", *_COLUMNS, "series", "notes", "events")
_SIZE = 32


@dataclass
class Digest:
    """Takes events in any portions, each writer's in their order."""

    _writers: dict[tuple[Place, str], "_Writer"] = field(default_factory=dict)

    def take(self, place: Place, writer: str, events: Iterable[AnyEvent]) -> None:
        """Events that a task wrote to a place."""
        found = self._writers.setdefault((place, writer), _Writer())
        for event in events:
            found.take(event)

    def hex(self) -> str:
        """BLAKE2b, 64 hex digits."""
        state = blake2b(digest_size=_SIZE)
        for (place, writer), found in sorted(self._writers.items(), key=lambda item: (*_key(item[0][0]), item[0][1])):
            state.update(f"{place.partition}\n{place.stream}\n{writer}\n".encode() + found.digest())
        return state.hexdigest()


@dataclass
class _Writer:
    """What one task wrote to one place: readings column by column, so that no cut shows, and all else as JSON."""

    count: int = 0
    _numbers: dict[Series, int] = field(default_factory=dict)
    _states: dict[str, Any] = field(default_factory=lambda: {name: blake2b(digest_size=_SIZE) for name in _PARTS})

    def take(self, event: AnyEvent) -> None:
        if isinstance(event, ReadingsEvent):
            if not self.count:
                self._add("series", event.type_name())
            self._readings(event.readings)
        else:
            # Where it stands among the readings belongs to it.
            self._add("events", f"{self.count} {event.type_name()} {event.model_dump_json()}")

    def _readings(self, readings: Readings) -> None:
        used, first = np.unique(readings.code, return_index=True)
        table = np.zeros(len(readings.series), np.int64)
        for code in used[np.argsort(first)].tolist():
            series = readings.series[code]
            if series not in self._numbers:
                self._numbers[series] = len(self._numbers)
                self._add("series", repr(series))
            table[code] = self._numbers[series]
        self._states["code"].update(table[readings.code].tobytes())
        for name in _COLUMNS:
            self._states[name].update(np.ascontiguousarray(getattr(readings, name)).tobytes())
        for row in sorted(readings.notes):
            self._add("notes", f"{self.count + row} {readings.notes[row]!r}")
        self.count += len(readings)

    def _add(self, part: str, text: str) -> None:
        self._states[part].update(f"{text}\n".encode())

    def digest(self) -> bytes:
        return b"".join(state.digest() for state in self._states.values())


def _key(place: Place) -> tuple[int, str]:
    return place.partition, place.stream
