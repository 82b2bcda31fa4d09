"""Rejected readings of a series as marks: each one while they are few, then one for each step of time."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.events import AnyEvent, ReadingsRejected
from contracts.readings import Readings, verdict_word

from .marks import Mark
from .scanning import Rows, Span

#: Steps of time, and so the most marks.
STEPS = 200


@dataclass
class Step:
    """What was rejected in one step: how much, since when, why, and what the first of them said."""

    count: int
    first: int
    last: int
    value: float
    said: str
    reasons: Counter[int]


@dataclass
class Rejected:
    """Takes in the stream of rejected readings."""

    rows: Rows
    span: Span
    steps: dict[int, Step] = field(default_factory=dict)
    count: int = 0

    def take(self, event: AnyEvent) -> None:
        """One event of the stream."""
        if not isinstance(event, ReadingsRejected) or (mine := self.rows.of(event.readings)) is None:
            return
        readings = event.readings
        mine &= (readings.time >= self.span[0]) & (readings.time <= self.span[1])
        width = (self.span[1] - self.span[0]) // STEPS + 1
        rows = np.flatnonzero(mine)
        at = (readings.time[rows] - self.span[0]) // width
        for number in np.unique(at).tolist():
            self._step(number, readings, rows[at == number])

    def _step(self, number: int, readings: Readings, rows: NDArray[np.intp]) -> None:
        times = readings.time[rows]
        row = int(rows[times.argmin()])
        first, last = int(times.min()), int(times.max())
        step = self.steps.get(number)
        if step is None:
            step = self.steps[number] = Step(0, first, last, math.nan, "", Counter())
        if step.count == 0 or first < step.first:
            step.first, step.value, step.said = first, float(readings.value[row]), readings.notes.get(row, "")
        step.last = max(step.last, last)
        step.count += len(rows)
        self.count += len(rows)
        kinds, counts = np.unique(readings.verdict[rows], return_counts=True)
        step.reasons.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))

    def marks(self) -> list[Mark]:
        """In the order of time."""
        return [_mark(self.steps[number]) for number in sorted(self.steps)]


def _mark(step: Step) -> Mark:
    many, why = step.count > 1, step.reasons.most_common(3)
    reasons = ", ".join(f"{verdict_word(one)} ({count:,})" if many else verdict_word(one) for one, count in why)
    value = step.value if math.isfinite(step.value) else None
    said = ["" if value is None else f"value {value:.6g}", f"the input said {step.said!r}" if step.said else ""]
    details = ", ".join(filter(None, said))
    text = f"{step.count:,} readings rejected: {reasons}" if many else f"rejected: {reasons}"
    if details:
        text = f"{text}; {'the first: ' if many else ''}{details}"
    until = step.last if many else None
    what = verdict_word(why[0][0])
    return Mark("rejected", step.first, what, text, until=until, value=value, count=step.count)
