"""The main detector: how far a reading goes beyond everything its series has shown before."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from . import blocks, nearest
from .base import Detector, Floats, Ints, Key, Scores, column

TOP = 4  # a series' scale is its fourth largest surprise so far: a few accidents do not set it
RECENT = 24


@dataclass
class RecordsState(blocks.Blocks):
    """About 15 KB a series, whatever its age."""

    seen: Ints = column()
    low: Floats = column(np.inf)
    high: Floats = column(-np.inf)
    memory: Floats = column(np.inf)
    kept: Ints = column()
    least: Floats = column(np.inf)
    most: Floats = column(-np.inf)
    recent: Floats = column()
    largest: Floats = column()
    alarm: Floats = column()
    alarm_at: Ints = column(-(1 << 40))


class Records(Detector[RecordsState], frozen=True, extra="forbid"):
    """Novelty of a reading within all its series has shown, calibrated by the series' own surprises.

    The surprise of a reading is its distance to the nearest value ever seen, over the range so far,
    plus a small part for each record that the mean, maximum or minimum of the last 16, 64 or 256
    readings sets. Only a surprise larger than those of the last 24 readings counts. It is divided by
    the fourth largest counted surprise since the warm-up, so a series that often surprises has to surprise more:
    that is what lets one threshold serve all series. An alarm silences weaker ones for 60 readings.

    The score is 0 for all other readings, and otherwise log10(10,000 / e) / 6 cut to [0, 1], where e is
    the number of alarms expected in 10,000 readings at that threshold: 0.5 is ten, and each further
    1/6 is ten times rarer. The relation e = 5 / ratio^0.8 of the calibrated surprise to e was measured
    on 29 recorded streams outside their labelled windows.

    Source: own; records and nearest-value novelty as described in docs/decisions/0005.

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> detector = Records()
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> values = np.sin(np.arange(600) * np.pi / 12)
    >>> values[500] = 4.0
    >>> scores = score_batch(detector, state, np.zeros(600, np.int64), np.arange(600), values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([500])
    >>> detector.reasons[scores.reason[500]]
    'value never seen before'
    """

    kind: ClassVar[str] = "records"
    reasons: ClassVar[tuple[str, ...]] = (
        "",
        "value never seen before",
        "average higher or lower than ever before",
        "highest values higher or lower than ever before",
        "lowest values higher or lower than ever before",
    )

    threshold: float = Field(default=0.485, ge=0, le=1)
    warmup: int = Field(default=128, ge=1)
    record_weight: float = Field(default=0.015, ge=0)
    floor: float = Field(default=0.025, gt=0)
    rearm: int = Field(default=60, ge=0)
    memory: int = Field(default=512, ge=512, le=2048, multiple_of=512)

    def start(self) -> RecordsState:
        """State for zero series."""
        flat, grid, ints = np.empty(0), np.empty((0, 3, 3)), np.empty(0, np.int64)
        return RecordsState(
            series=0, seen=ints, low=flat, high=flat, kept=ints, least=grid, most=grid,
            memory=np.empty((0, self.memory)), recent=np.empty((0, RECENT)),
            largest=np.empty((0, TOP)), alarm=flat, alarm_at=ints, **blocks.empty(),
        )  # fmt: skip

    def step(self, state: RecordsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        rows = np.arange(key.start, key.stop) if isinstance(key, slice) else key
        seen = state.seen[rows]
        parts = self._surprises(state, key, rows, seen, values)
        total = parts[:, 0] + parts[:, 1] + parts[:, 2] + parts[:, 3]
        fresh = seen == 0
        if fresh.any():
            total[fresh] = 0.0
        # The margins keep rounding from deciding between readings that are equal but for it.
        peak = total > state.recent[key].max(axis=1) * (1 + 1e-6) + 1e-9
        state.recent[rows, seen % RECENT] = total
        state.seen[rows] = seen + 1
        out = Scores(np.zeros(len(rows)), np.zeros(len(rows), np.uint8))
        at = np.flatnonzero(peak & (seen >= self.warmup))
        if len(at):
            out.score[at] = self._calibrated(state, rows[at], seen[at], total[at])
            loudest = np.argmax(parts[at], axis=1) + 1
            out.reason[at] = np.where(out.score[at] > 0, loudest, 0)
        return out

    def _surprises(self, state: RecordsState, key: Key, rows: Ints, seen: Ints, values: Floats) -> Floats:
        """float64[k, 4]: surprise by the value, and by the means, maxima and minima."""
        low, high = state.low[key], state.high[key]
        span = high - low
        fresh = seen == 0
        if fresh.any():
            state.memory[rows[fresh], 0] = -np.inf
        away = nearest.distances(state.memory, key, values)
        gap = nearest.SHARE * span
        new = np.flatnonzero(away > gap)
        if len(new):
            nearest.keep(state.memory, state.kept, rows[new], values[new], gap[new])
        parts = np.empty((len(rows), 4))
        parts[:, 0] = np.where(span > 0, away / span, 0.0)
        parts[:, 1:] = self._records(state, key, seen, values, span)
        state.low[key], state.high[key] = np.minimum(low, values), np.maximum(high, values)
        return parts

    def _records(self, state: RecordsState, key: Key, seen: Ints, values: Floats, span: Floats) -> Floats:
        """float64[k, 3]: how far the means, maxima and minima go beyond their own extremes so far."""
        now = blocks.windows(state, key, seen, values)
        least, most = state.least[key], state.most[key]
        beyond = np.maximum(np.maximum(now - most, least - now), 0.0)
        share = beyond / (beyond + ((most - least) + (0.01 * span)[:, None, None]))
        full = seen[:, None, None] >= _FULL
        share = np.where(full & (most >= least) & (span > 0)[:, None, None], share, 0.0)
        state.least[key] = np.where(full, np.minimum(least, now), least)
        state.most[key] = np.where(full, np.maximum(most, now), most)
        out: Floats = self.record_weight * (share[:, :, 0] + share[:, :, 1] + share[:, :, 2])
        return out

    def _calibrated(self, state: RecordsState, rows: Ints, seen: Ints, total: Floats) -> Floats:
        """Scores of counted surprises: over the scale of their series, re-armed, as a rate."""
        largest = state.largest[rows]
        ratio = total / (self.floor + largest[:, TOP - 1])
        state.largest[rows] = -np.sort(-np.concatenate((largest, total[:, None]), axis=1), axis=1)[:, :TOP]
        alarm, since = state.alarm[rows], seen - state.alarm_at[rows]
        heard = (since > self.rearm) | (ratio > 1.2 * alarm)
        state.alarm[rows] = np.where(heard, ratio, alarm)
        state.alarm_at[rows] = np.where(heard, seen, state.alarm_at[rows])
        return np.where(heard, as_score(ratio), 0.0)


_FULL = np.array(blocks.WIDTHS) - 1


def as_score(ratio: Floats) -> Floats:
    """Map surprise over scale to [0, 1] by the rate at which readings reach it."""
    return np.clip((4 - 0.6989700043360189 + 0.8 * 0.3010299956639812 * log2(ratio)) / 6, 0.0, 1.0)


def log2(x: Floats) -> Floats:
    """Logarithm by plain arithmetic, so that it is the same on every machine and vector width."""
    part, power = np.frexp(x)  # part in [0.5, 1)
    z = (part - 0.75) / (part + 0.75)  # ln(part / 0.75) = 2 artanh z, |z| <= 0.2
    s = z * z
    series = 1 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s / 15))))))
    out: Floats = power + (2 / 0.6931471805599453) * (z * series) - 0.4150374992788438
    return out
