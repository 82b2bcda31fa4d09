"""What an agent says depends on how readings were cut into batches: ids with a batch number, one finding per batch, a
mean over whatever came together. After a crash the cuts are others, so that a replay writes a second truth.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from agents.validation import Validation
from agents.validation.state import ValidationState
from contracts.events import (
    AnyEvent,
    ClockTicked,
    DataQualityIncident,
    ReadingsAccepted,
    ReadingsAcquired,
    ReadingsEvent,
    ReadingsRejected,
)
from contracts.readings import Readings, Series
from tests.unit.runtime.counting import told

Out = ReadingsAccepted | ReadingsRejected | DataQualityIncident


class PerBatch(Validation):
    """Says once per batch that there were bad values in it."""

    def handle(self, event: ReadingsAcquired | ClockTicked, state: ValidationState) -> Iterator[Out]:
        yield from super().handle(event, state)
        if isinstance(event, ReadingsAcquired) and (bad := np.flatnonzero(np.isnan(event.readings.value))).size:
            row = int(bad[0])
            yield DataQualityIncident.of(
                cause=event.readings.id_of(row), time=int(event.readings.time[row]), asset="m0", kind="rejections",
                state="open", detail="bad values in a batch", since=1, count=len(bad),
            )  # fmt: skip


def plant() -> Readings:
    """Three machines, with values missing here and there and a time without readings."""
    rows = np.arange(600, dtype=np.int64)
    values = np.where(rows % 41 < 3, np.nan, np.sin(rows * 0.1))
    time = (rows + np.where(rows > 300, 5000, 0)) * 1_000_000_000
    return Readings.of([Series("plant", f"m{number}", "t") for number in range(3)], rows % 3, time, values, rows)


def said(validation: Validation, size: int) -> list[str]:
    """Everything that comes out, readings one by one."""
    state, out = validation.start(), list[str]()
    for part in plant().cut(size):
        for event in validation.handle(ReadingsAcquired(part), state):
            singly: list[AnyEvent] = [event]
            if isinstance(event, ReadingsEvent):
                singly = [type(event)(one) for one in event.readings.cut(1)]
            out += map(told, singly)
    return out


def check(validation: Validation) -> None:
    whole = said(validation, 1000)
    assert any("DataQualityIncident" in line for line in whole)
    for size in (1, 7, 64):
        assert sorted(said(validation, size)) == sorted(whole), f"cut by {size}"


def test_what_is_said_does_not_depend_on_batches() -> None:
    check(Validation())


def test_one_finding_per_batch_depends_on_them() -> None:
    with pytest.raises(AssertionError, match="cut by 1"):
        check(PerBatch())
