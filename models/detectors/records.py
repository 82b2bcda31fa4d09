"""The main detector: how far a reading goes beyond everything its series has shown before."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from . import blocks, nearest
from .base import Detector, Flags, Floats, Ints, Key, Scores, as_rows, column, silence
from .exact import log2

RECENT = 24  # a surprise counts when it is the largest of so many readings
TOP = 5  # a voice's scale is its fifth largest surprise: a few accidents do not set it
RECORD = 0.015  # what one full record adds to the surprise; a value counts by its share of the range
CLIP = 2.0  # ranges beyond the range so far at which a reading enters the windows

# Three voices, each calibrated by its own past: values and records of any kind; highs that stay away;
# lows that stay away. Its floor is the scale of a voice that has never spoken.
FLOOR = np.array([0.025, 0.05, 0.3])
WEIGHT = np.array([1.0, 0.8, 0.4])
_FULL = np.array(blocks.WIDTHS) - 1


@dataclass
class RecordsState(blocks.Blocks):
    """About 15 KB a series, whatever its age."""

    seen: Ints = column()
    low: Floats = column()
    high: Floats = column()
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
    readings sets. Two more voices speak when the maximum of the last 16 readings is lower, or their
    minimum higher, than ever: a pattern that fails to come.

    Only a surprise larger than those of the voice's last 24 readings counts. It is divided by the
    fifth largest counted since the warm-up, so a series that often surprises has to surprise more:
    that is what lets one threshold serve all series. The loudest voice is heard. For 80 readings after
    an alarm only one a fifth larger is.

    The score is 0 for all other readings, and otherwise log10(10,000 / e) / 6 cut to [0, 1], where e is
    the number of alarms expected in 10,000 readings with the threshold there: 0.5 is ten, and each
    further 1/6 is ten times rarer. The relation e = 6 / ratio^0.7 of the calibrated surprise to e was
    measured on 29 recorded streams outside their labelled windows.

    Source: own; docs/decisions/0005-univariate-detector.md says what was tried.

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
        "highs stay away longer than ever before",
        "lows stay away longer than ever before",
        "flat line",
    )

    threshold: float = Field(default=0.476, ge=0, le=1, description="about 14 alarms in 10,000 readings")
    warmup: int = Field(default=128, ge=1, description="readings of a series before its first score")
    rearm: int = Field(default=80, ge=0, description="readings for which an alarm silences weaker ones")

    def start(self) -> RecordsState:
        """State for zero series."""
        flat, grid, ints = np.empty(0), np.empty((0, 3, 3)), np.empty(0, np.int64)
        return RecordsState(
            series=0, seen=ints, low=flat, high=flat, memory=np.empty((0, nearest.ROOM)), kept=ints,
            least=grid, most=grid, recent=np.empty((0, 3, RECENT)), largest=np.empty((0, 3, TOP)),
            alarm=flat, alarm_at=ints, **blocks.empty(),
        )  # fmt: skip

    def step(self, state: RecordsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        rows = as_rows(key)
        seen = state.seen[rows]
        parts, voices, level = _surprises(state, key, rows, seen, values)
        out = silence(len(rows))
        # The margins keep rounding from deciding between readings that are equal but for it.
        peak = np.empty(voices.shape, np.bool_)
        peak[:, 0] = voices[:, 0] > state.recent[key, 0].max(axis=1) * (1 + 1e-6) + 1e-9
        peak[:, 1:] = False
        rare = np.flatnonzero(voices[:, 1:].max(axis=1) > 1e-9)
        if len(rare):
            before = state.recent[rows[rare], 1:].max(axis=2)
            peak[rare, 1:] = voices[rare, 1:] > before * (1 + 1e-6) + 1e-9
        state.recent[rows, :, seen % RECENT] = voices
        state.seen[rows] = seen + 1
        at = np.flatnonzero(peak.any(axis=1) & (seen >= self.warmup))
        if len(at):
            ratio, voice = _calibrated(state, rows[at], peak[at], voices[at])
            out.score[at] = self._rearmed(state, rows[at], seen[at], ratio)
            reason = np.where(voice == 0, 1 + np.argmax(parts[at], axis=1), 4 + voice)
            still = (voice > 0) & (level[at, 0] == level[at, 1])
            out.reason[at] = np.where(out.score[at] > 0, np.where(still, 7, reason), 0)
        return out

    def _rearmed(self, state: RecordsState, rows: Ints, seen: Ints, ratio: Floats) -> Floats:
        """Scores; 0 for those that an earlier, hardly weaker alarm silences."""
        alarm, at = state.alarm[rows], state.alarm_at[rows]
        heard = (seen - at > self.rearm) | (ratio > 1.2 * alarm)
        state.alarm[rows] = np.where(heard, ratio, alarm)
        state.alarm_at[rows] = np.where(heard, seen, at)
        return np.where(heard, as_score(ratio), 0.0)


def _surprises(state: RecordsState, key: Key, rows: Ints, seen: Ints, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Parts of the first voice float64[k, 4], the voices float64[k, 3], the last 16's maximum and minimum."""
    low, high = state.low[key].copy(), state.high[key].copy()
    span = high - low
    gap = nearest.SHARE * span
    away = nearest.distances(state.memory, key, values, seen)
    new = np.flatnonzero(away > gap)
    if len(new):
        nearest.keep(state.memory, state.kept, rows[new], values[new], gap[new])
        state.low[rows[new]], state.high[rows[new]] = nearest.span(state.memory, state.kept, rows[new])
    known = span > 0
    # One absurd reading must not widen the extremes of all windows that hold it beyond use.
    kept = np.where(known, np.minimum(np.maximum(values, low - CLIP * span), high + CLIP * span), values)
    share, now = _records(state, key, seen, kept, span)
    parts = np.empty((len(rows), 4))
    parts[:, 0] = np.where(known, away / span, 0.0)
    size = np.abs(share)
    parts[:, 1:] = RECORD * (size[:, :, 0] + size[:, :, 1] + size[:, :, 2])
    voices = np.empty((len(rows), 3))
    voices[:, 0] = parts[:, 0] + parts[:, 1] + parts[:, 2] + parts[:, 3]
    voices[:, 1] = np.maximum(-share[:, 1, 0], 0.0)
    voices[:, 2] = np.maximum(share[:, 2, 0], 0.0)
    return parts, voices, now[:, 1:, 0]


def _records(state: RecordsState, key: Key, seen: Ints, values: Floats, span: Floats) -> tuple[Floats, Floats]:
    """How far window means, maxima and minima go beyond their own extremes: float64[k, 3, 3] in (-1, 1).

    Positive above the highest, negative below the lowest so far, as x / (x + range so far). Also the
    window values themselves.
    """
    now = blocks.windows(state, key, seen, values)
    least, most = state.least[key], state.most[key]
    beyond = np.maximum(now - most, 0.0) - np.maximum(least - now, 0.0)
    share = beyond / (np.abs(beyond) + ((most - least) + (0.01 * span)[:, None, None]))
    full = seen[:, None, None] >= _FULL
    share = np.where(full & (most >= least) & (span > 0)[:, None, None], share, 0.0)
    state.least[key] = np.where(full, np.minimum(least, now), least)
    state.most[key] = np.where(full, np.maximum(most, now), most)
    return share, now


def _calibrated(state: RecordsState, rows: Ints, peak: Flags, voices: Floats) -> tuple[Floats, Ints]:
    """The loudest voice over its own scale, and which it is; the scales learn from it."""
    ratio = np.zeros(voices.shape)
    i, voice = np.nonzero(peak)
    largest = state.largest[rows[i], voice]
    told = voices[i, voice]
    ratio[i, voice] = WEIGHT[voice] * told / (FLOOR[voice] + largest[:, TOP - 1])
    ranked = -np.sort(-np.concatenate((largest, told[:, None]), axis=1), axis=1)
    state.largest[rows[i], voice] = ranked[:, :TOP]
    return ratio.max(axis=1), np.argmax(ratio, axis=1)


def as_score(ratio: Floats) -> Floats:
    """Map a calibrated surprise to [0, 1] by the rate e = 6 / ratio^0.7 of alarms in 10,000 readings."""
    return np.clip((4 - 0.7781512503836436 + 0.7 * 0.3010299956639812 * log2(ratio)) / 6, 0.0, 1.0)
