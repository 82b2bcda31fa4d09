"""Compares every series with its reference, on raw values, reading by reading."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from contracts.events import DriftDetected, Evidence, ReadingsAccepted
from contracts.instants import DAY
from contracts.readings import Readings

from ..numbering import Ints, grown, numbered, ranks
from ..parts import Context, Processor

_WAYS: dict[int, Literal["up", "down", "none"]] = {1: "up", -1: "down", 0: "none"}
#: A cadence counts as regular when so many steps are within a tenth of the median.
_REGULAR = 0.8


@dataclass
class DriftState:
    """One row per series: the readings of its reference until there are enough, then the test's own state.

    seen      readings so far
    values    the first readings, float64[series, reference_readings]
    times     their times, int64[series, reference_readings]
    origin    ordinal of the series' first reading
    adopted   whether the reference is fitted, and the test watches
    """

    test: Any
    names: dict[str, int] = field(default_factory=dict)
    seen: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    times: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    origin: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    adopted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def make_room(self, size: int) -> None:
        """A row for every series that has a number."""
        if self.values.shape[1] != size:
            self.values, self.times = np.zeros((0, size)), np.zeros((0, size), np.int64)
        for name in ("seen", "values", "times", "origin", "adopted"):
            setattr(self, name, grown(getattr(self, name), len(self.names)))


class Drift(Processor[ReadingsAccepted, DriftDetected, DriftState]):
    """One report per series: after it the series is silent until somebody says what to compare it with.

    The reference is the series' own first ``reference_readings``; it is never replaced silently.
    """

    # Evidence takes hours: a tenth of a second more does no harm, and leaves the processor to what is waited for.
    linger_s: ClassVar[float] = 0.1
    # As many series may have their references complete at once, and each takes some milliseconds to be fitted.
    most_readings: ClassVar[int] = 4_096

    false_alarms_per_year: float = Field(default=1.0, gt=0, le=1e6, description="per series, while nothing changes")
    reference_readings: int = Field(
        default=1_000, ge=50, le=20_000, description="the first readings of a series; two days or more are best"
    )

    _test: Any = PrivateAttr(default=None)
    _environment: str = PrivateAttr(default="")
    _feature_set: str = PrivateAttr(default="")

    def prepare(self, context: Context) -> None:
        from models.drift import DriftTest
        from models.environment import Environment
        from models.features import Identity

        self._test = DriftTest(false_alarms_per_year=self.false_alarms_per_year)
        self._test.warm_up()
        self._environment, self._feature_set = Environment.current().hash, Identity().hash

    def start(self) -> DriftState:
        return DriftState(self._test.start())

    def handle(self, event: ReadingsAccepted, state: DriftState) -> Iterator[DriftDetected]:
        readings = event.readings
        rows = numbered(state.names, readings)
        state.make_room(self.reference_readings)
        nth = ranks(rows)
        number = state.seen[rows] + nth
        self._collect(readings, rows, number, state)
        np.add.at(state.seen, rows, 1)
        live = np.flatnonzero((number >= self.reference_readings) & state.adopted[rows])
        alarms = self._test.update_batch(state.test, rows[live], readings.time[live], readings.value[live])
        for i in range(len(alarms)):
            yield self._report(
                readings, int(live[alarms.at[i]]), alarms.entry(i), state, int(number[live[alarms.at[i]]])
            )

    def _collect(self, readings: Readings, rows: Ints, number: Ints, state: DriftState) -> None:
        early = np.flatnonzero(number < self.reference_readings)
        if not len(early):
            return
        state.values[rows[early], number[early]] = readings.value[early]
        state.times[rows[early], number[early]] = readings.time[early]
        first = early[number[early] == 0]
        state.origin[rows[first]] = readings.first + first
        for row in np.unique(rows[early[number[early] == self.reference_readings - 1]]).tolist():
            cadence = cadence_of(state.times[row])
            reference = self._test.fit(state.values[row], cadence, state.times[row] if cadence else None)
            self._test.adopt(state.test, row, reference)
            state.adopted[row] = True

    def _report(
        self, readings: Readings, spot: int, alarm: dict[str, Any], state: DriftState, number: int
    ) -> DriftDetected:
        series = readings.series[int(readings.code[spot])]
        row, time = alarm["row"], int(readings.time[spot])
        origin, begin = int(state.origin[row]), int(state.times[row, 0])
        # The test counts readings, people want a time: by the series' mean cadence so far.
        began = min(self.reference_readings + alarm["began"], number)
        since = begin + (time - begin) * began // max(number, 1)
        return DriftDetected.of(
            cause=ReadingsAccepted.row_id(readings.id_of(spot)),
            time=time,
            asset=series.asset,
            channel=series.channel,
            detector="sequential",
            bundle="",
            feature_set=self._feature_set,
            environment=self._environment,
            evidence=Evidence(stream=ReadingsAccepted.stream, first=max(origin, 1), last=max(readings.first + spot, 1)),
            kind=alarm["kind"],
            direction=_WAYS[alarm["direction"]],
            effect=alarm["effect"],
            effect_low=alarm["low"],
            effect_high=alarm["high"],
            unit=alarm["unit"],
            since=since,
            evidence_value=alarm["evidence"],
            reference=alarm["reference"],
        )


def cadence_of(times: Ints) -> float | None:
    """Readings per day of a regular series; None where the steps differ too much for a time of day to mean a phase."""
    steps = np.diff(times)
    typical = float(np.median(steps))
    if typical <= 0 or np.mean(np.abs(steps - typical) <= 0.1 * typical) < _REGULAR:
        return None
    return DAY / typical
