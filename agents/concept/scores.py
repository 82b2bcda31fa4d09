"""Compares what bundles make of readings with what they made of the first ones that they scored."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from contracts.events import ModelMeasured, ScoresDrifted

from ..numbering import Ints, grown
from ..parts import Context, Processor

Statistic = Literal["mean score", "high scores"]
STATISTICS: tuple[Statistic, ...] = ("mean score", "high scores")
#: Stretches of fewer readings, as where a model was changed, say too little.
_LEAST_READINGS = 500
_Z95 = 1.959963984540054
_WAYS: dict[int, Literal["up", "down", "none"]] = {1: "up", -1: "down", 0: "none"}


@dataclass
class ScoreState:
    """One row per agent, bundle and statistic, as ``names`` numbers them.

    seen      stretches so far
    values    statistics of the first stretches, float64[rows, reference_stretches]
    times     event times of their last readings, int64[rows, reference_stretches]
    adopted   whether the reference is fitted, and the test watches
    """

    test: Any
    names: dict[str, int] = field(default_factory=dict)
    seen: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    times: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    adopted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def make_room(self, size: int) -> None:
        """A row for everything that has a number."""
        if self.values.shape[1] != size:
            self.values, self.times = np.zeros((0, size)), np.zeros((0, size), np.int64)
        for name in ("seen", "values", "times", "adopted"):
            setattr(self, name, grown(getattr(self, name), len(self.names)))


class ScoreWatch(Processor[ModelMeasured, ScoresDrifted, ScoreState]):
    """One report per bundle, partition and statistic; the next bundle begins with a reference of its own.

    The test is the one for sensors, on one number per stretch of readings: autocorrelation of scores within a stretch
    does not matter to it, that between stretches is in its model.
    """

    reference_stretches: int = Field(default=60, ge=50, le=5_000)
    false_alarms_per_1000: float = Field(default=1.0, gt=0, le=100)

    _test: Any = PrivateAttr(default=None)

    def prepare(self, context: Context) -> None:
        from models.drift import DriftTest

        # The statistics of a bundle share what is tolerated.
        self._test = DriftTest(false_alarms_per_sample=self.false_alarms_per_1000 / 1000 / len(STATISTICS))

    def start(self) -> ScoreState:
        return ScoreState(self._test.start())

    def handle(self, event: ModelMeasured, state: ScoreState) -> Iterator[ScoresDrifted]:
        if event.readings < _LEAST_READINGS or sum(event.scores) < _LEAST_READINGS:
            return
        values = statistics(event.scores)
        for statistic in STATISTICS:
            row = state.names.setdefault(f"{event.agent}\n{event.bundle}\n{statistic}", len(state.names))
            state.make_room(self.reference_stretches)
            number = int(state.seen[row])
            state.seen[row] += 1
            if number < self.reference_stretches:
                self._collect(row, number, event.time, values[statistic], state)
            elif state.adopted[row]:
                at = np.array([row], np.int64), np.array([event.time], np.int64), np.array([values[statistic]])
                found = self._test.update(state.test, *at)
                if found:
                    yield self._report(event, statistic, found.entry(0), state)

    def _collect(self, row: int, number: int, time: int, value: float, state: ScoreState) -> None:
        state.values[row, number], state.times[row, number] = value, time
        if number == self.reference_stretches - 1:
            self._test.adopt(state.test, row, self._test.fit(state.values[row], None))
            state.adopted[row] = True

    def _report(
        self, event: ModelMeasured, statistic: Statistic, alarm: dict[str, Any], state: ScoreState
    ) -> ScoresDrifted:
        row, number = alarm["row"], int(state.seen[alarm["row"]]) - 1
        # The test counts stretches, people want a time: by their mean length since the reference.
        alarm = _about_scores(alarm, statistics(event.scores)[statistic], state.values[row])
        last = int(state.times[row, -1])
        since = last + (event.time - last) * alarm["began"] // max(number - self.reference_stretches + 1, 1)
        return ScoresDrifted.of(
            cause=event.id,
            time=event.time,
            asset=event.asset,
            discriminator=statistic,
            agent=event.agent,
            bundle=event.bundle,
            statistic=statistic,
            kind=alarm["kind"],
            direction=_WAYS[alarm["direction"]],
            effect=alarm["effect"],
            effect_low=alarm["low"],
            effect_high=alarm["high"],
            unit=alarm["unit"],
            since=min(since, event.time),
            evidence_value=alarm["evidence"],
        )


def _about_scores(alarm: dict[str, Any], value: float, reference: NDArray[np.float64]) -> dict[str, Any]:
    """An alarm in words that fit scores: what would be a fault of a sensor is an abrupt change here.

    Its size is that of the last stretch, whose own noise is the interval.
    """
    from models.drift import DRIFTS

    if alarm["kind"] in DRIFTS:
        return alarm
    sd = float(reference.std()) or 1.0
    away = (value - float(reference.mean())) / sd
    size = {"effect": away, "low": away - _Z95, "high": away + _Z95, "unit": "sd"}
    return {**alarm, **size, "kind": "abrupt", "direction": int(np.sign(away))}


def statistics(scores: tuple[int, ...]) -> dict[Statistic, float]:
    """Of readings by score, in equal bins from 0 to 1: mean score, and mean cube, which high scores make."""
    counts = np.array(scores, np.float64)
    middle = (np.arange(len(counts)) + 0.5) / len(counts)
    total = counts.sum()
    return {
        "mean score": float((counts * middle).sum() / total),
        "high scores": float((counts * middle**3).sum() / total),
    }
