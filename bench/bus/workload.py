"""What is sent: the same small events, the same JSON and the same readings for everybody."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from contracts.events import NotificationSent, ReadingsAcquired
from contracts.readings import Readings, Series

#: Commands in a pipeline, entries in a read.
PIPE = 500
#: Events in an entry where several share one; readings in an entry of columns.
PACKED, ROWS = 100, 256


def event(number: int) -> NotificationSent:
    """A small typed event: eight fields, 165 bytes of JSON."""
    return NotificationSent.of(
        cause=f"{number:032x}", time=number, asset="pump-1", subscriber="file", key=f"{number:x}", attempt=1
    )


@cache
def events(count: int) -> Sequence[NotificationSent]:
    return [event(number) for number in range(count)]


@cache
def bodies(count: int) -> Sequence[bytes]:
    """The events as JSON."""
    return [item.model_dump_json().encode() for item in events(count)]


@cache
def batches(count: int) -> Sequence[ReadingsAcquired]:
    """Batches of readings, each with its own values."""
    random = np.random.default_rng(1)
    code, row = np.zeros(ROWS, np.int32), np.arange(ROWS, dtype=np.int64)
    series = [Series("plc", "pump-1", "temperature")]
    return [
        ReadingsAcquired(Readings.of(series, code, row + number * ROWS, random.random(ROWS), row + number * ROWS))
        for number in range(count)
    ]
