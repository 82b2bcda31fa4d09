"""Training computes its aggregates over a table sorted by event time, in which readings stand that had not arrived when
the model would have been asked. It learns from the future, is excellent in every test, and poor in service.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.features import Windows

SECOND = 10**9
LATENESS = 5
FEATURES = Windows.model_validate(
    {
        "windows": {"minute": {"length_s": 60}},
        "features": [{"kind": kind, "window": "minute"} for kind in ("count", "mean", "std", "min", "max")],
        "lateness_s": LATENESS,
    }
)
Columns = Any
Reduced = Callable[[Columns, Columns], dict[int, bytes]]


def arriving() -> tuple[Columns, Columns]:
    """A reading a second; every tenth comes 20 s late, with a value that nobody expects."""
    seconds = np.arange(300)
    late = seconds % 10 == 7
    order = np.argsort(seconds + 20.5 * late, kind="stable")
    values = np.where(late, 1000.0 + seconds, np.sin(seconds / 9.0))
    return seconds[order] * SECOND, values[order]


def by_time(times: Columns, values: Columns) -> dict[int, bytes]:
    state = FEATURES.start()
    FEATURES.grow(state, 1)
    found = FEATURES.reduce(state, np.zeros(len(times), np.int64), times, values, np.arange(len(times)))
    return {int(time): row.tobytes() for time, row in zip(found.times, found.features, strict=True)}


def in_order_of_arrival(times: Columns, values: Columns) -> dict[int, bytes]:
    return by_time(times, values)


def sorted_by_event_time(times: Columns, values: Columns) -> dict[int, bytes]:
    """The usual table: whatever has ever arrived, in its place."""
    order = np.argsort(times, kind="stable")
    return by_time(times[order], values[order])


def check(training: Reduced) -> None:
    """What training has for T is what serving gave as T was released; nothing that came after."""
    times, values = arriving()
    trained = training(times, values)
    served: dict[int, bytes] = {}
    for end in range(1, len(times) + 1):
        # All that had arrived by then, and not one reading more.
        for time, features in by_time(times[:end], values[:end]).items():
            served.setdefault(time, features)
    assert len(served) > 250
    differ = [time for time in served if trained.get(time) != served[time]]
    assert not differ, f"{len(differ)} of {len(served)} vectors know of readings that came later"


def test_training_knows_what_serving_knew() -> None:
    check(in_order_of_arrival)


def test_a_table_in_the_order_of_events_knows_the_future() -> None:
    with pytest.raises(AssertionError, match="know of readings that came later"):
        check(sorted_by_event_time)
