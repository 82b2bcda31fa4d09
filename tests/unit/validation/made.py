"""Readings for the tests of validation, and what comes out of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents.validation import Validation
from agents.validation.state import ValidationState
from contracts.events import ClockTicked, DataQualityIncident, ReadingsAccepted, ReadingsAcquired, ReadingsRejected
from contracts.instants import SECOND
from contracts.readings import Readings, Series, Verdict

#: 2023-11-14T22:13:20Z
T0 = 1_700_000_000 * SECOND

Row = tuple[str, float, float]
"""series name, seconds after T0, value"""


@dataclass
class Seen:
    """Everything that came out, per stream and in order; what happened to each position of the input."""

    accepted: list[tuple[Any, ...]] = field(default_factory=list)
    rejected: list[tuple[Any, ...]] = field(default_factory=list)
    incidents: list[DataQualityIncident] = field(default_factory=list)

    def take(self, event: object) -> None:
        if isinstance(event, DataQualityIncident):
            self.incidents.append(event)
            return
        assert isinstance(event, ReadingsAccepted | ReadingsRejected)
        r = event.readings
        rows = zip(
            [r.series[code] for code in r.code.tolist()],
            r.time.tolist(),
            r.value.view(np.int64).tolist(),
            r.quality.tolist(),
            r.position.tolist(),
            r.verdict.tolist(),
            [r.notes.get(row, "") for row in range(len(r))],
            strict=True,
        )
        (self.accepted if isinstance(event, ReadingsAccepted) else self.rejected).extend(rows)

    @property
    def verdicts(self) -> list[Verdict]:
        """Per reading, in order of position."""
        rows = sorted(self.accepted + self.rejected, key=lambda row: row[4])
        return [Verdict(row[5]) for row in rows]

    def kinds(self) -> list[tuple[str, str]]:
        return [(each.kind, each.state) for each in self.incidents]


def readings(rows: Sequence[Row], *, source: str = "src", start: int = 0, **columns: Any) -> Readings:
    """A batch; a row's position is its place in the input."""
    names = list(dict.fromkeys(name for name, _, _ in rows))
    return Readings.of(
        [Series(source, *name.split("/")) for name in names],
        np.array([names.index(name) for name, _, _ in rows], np.int32),
        np.array([T0 + round(second * SECOND) for _, second, _ in rows], np.int64),
        np.array([value for _, _, value in rows], np.float64),
        np.arange(start, start + len(rows), dtype=np.int64),
        **columns,
    )


def tick(second: float) -> ClockTicked:
    return ClockTicked.of(cause=f"tick {second}", time=T0 + round(second * SECOND), asset="acquisition")


def run(validation: Validation, events: Iterable[Readings | ClockTicked], state: ValidationState | None = None) -> Seen:
    """Feed events to validation and collect what comes out."""
    state = validation.start() if state is None else state
    seen = Seen()
    for each in events:
        event = ReadingsAcquired(each) if isinstance(each, Readings) else each
        for out in validation.handle(event, state):
            seen.take(out)
    return seen


def steady(name: str, seconds: Iterable[float], wave: float = 1.0) -> list[Row]:
    """A series that never repeats a value at once."""
    return [(name, second, wave * (index % 7)) for index, second in enumerate(seconds)]
