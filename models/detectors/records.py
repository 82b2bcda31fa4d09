"""The main detector: how far a reading goes beyond everything its series has shown before."""

from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
from pydantic import Field

from . import blocks, nearest
from .base import Detector, Flags, Floats, Ints, Key, Scores, as_rows, column, rectangles
from .exact import log2

RECENT = 24  # a surprise counts when it is the largest of so many readings
TOP = 5  # a voice's scale is its fifth largest surprise: a few accidents do not set it
YOUNG = 300.0  # a record is likely in a short past: at this age one counts for seven tenths
RECORD = 0.015  # what one full record adds to the surprise; a value counts by its share of the range
CLIP = 0.5  # ranges beyond the range so far at which a reading enters the windows

# Three voices, each calibrated by its own past: values and records of any kind; highs that stay away;
# lows that stay away. Its floor is the scale of a voice that has never spoken.
FLOOR = np.array([0.025, 0.05, 0.3])
WEIGHT = np.array([1.0, 0.8, 0.4])
_FULL = np.array(blocks.WIDTHS) - 1


@dataclass
class RecordsState(blocks.Blocks, nearest.Net):
    """About 12 KB a series, whatever its age."""

    seen: Ints = column()
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
    that is what lets one threshold serve all series. The loudest voice is heard, a young series with
    reserve. For 80 readings after an alarm only one a fifth larger is.

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

    threshold: float = Field(default=0.473, ge=0, le=1, description="about 14 alarms in 10,000 readings")
    warmup: int = Field(default=128, ge=1, description="readings of a series before its first score")
    rearm: int = Field(default=80, ge=0, description="readings for which an alarm silences weaker ones")

    def start(self) -> RecordsState:
        """State for zero series."""
        flat, grid, ints = np.empty(0), np.empty((0, 3, 3)), np.empty(0, np.int64)
        return RecordsState(
            series=0, seen=ints, least=grid, most=grid, recent=np.empty((0, 3, RECENT)),
            largest=np.empty((0, 3, TOP)), alarm=flat, alarm_at=ints, **nearest.empty(), **blocks.empty(),
        )  # fmt: skip

    def step(self, state: RecordsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        out = self.run(state, key, times[None], values[None])
        return Scores(out.score[0], out.reason[0])

    def run(self, state: RecordsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score t finite readings [t, k] for each series of `key`, and learn from them."""
        rows, t = as_rows(key), len(values)
        seen = state.seen[rows] + np.arange(t)[:, None]
        parts, voices, level = _surprises(state, key, seen, values)
        # The margins keep rounding from deciding between readings that are equal but for it.
        peak = voices > _loudest(state, key, seen, voices) * (1 + 1e-6) + 1e-9
        newest = slice(max(0, t - RECENT), t)
        state.recent[rows, :, seen[newest] % RECENT] = voices[newest]
        state.seen[rows] += t
        out = Scores(np.zeros(values.shape), np.zeros(values.shape, np.uint8))
        when, which = np.nonzero(peak.any(axis=2) & (seen >= self.warmup))
        # The scales of a series learn from one peak before they judge its next.
        turns = chain.from_iterable(rectangles(which)) if t > 1 else [np.arange(len(which))] * bool(len(which))
        for at in turns:
            i, j = when[at], which[at]
            ratio, voice = _calibrated(state, rows[j], peak[i, j], voices[i, j])
            age = seen[i, j] + 1.0
            ratio *= np.sqrt(age / (age + YOUNG))
            score = out.score[i, j] = self._rearmed(state, rows[j], seen[i, j], ratio)
            reason = np.where(voice == 0, 1 + np.argmax(parts[i, j], axis=1), 4 + voice)
            still = (voice > 0) & (level[i, j, 0] == level[i, j, 1])
            out.reason[i, j] = np.where(score > 0, np.where(still, 7, reason), 0)
        return out

    def _rearmed(self, state: RecordsState, rows: Ints, seen: Ints, ratio: Floats) -> Floats:
        """Scores; 0 for those that an earlier, hardly weaker alarm silences."""
        alarm, at = state.alarm[rows], state.alarm_at[rows]
        heard = (seen - at > self.rearm) | (ratio > 1.2 * alarm)
        state.alarm[rows] = np.where(heard, ratio, alarm)
        state.alarm_at[rows] = np.where(heard, seen, at)
        return np.where(heard, as_score(ratio), 0.0)


def _surprises(state: RecordsState, key: Key, seen: Ints, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Parts of the first voice [t, k, 4], the voices [t, k, 3], the last 16's maximum and minimum [t, k, 2]."""
    away, low, high = nearest.novelty(state, key, seen[0] == 0, values)
    span = high - low
    known = span > 0
    # One absurd reading must not widen the extremes of all windows that hold it beyond use.
    kept = np.where(known, np.minimum(np.maximum(values, low - CLIP * span), high + CLIP * span), values)
    share, now = _records(state, key, seen, kept, span)
    size = np.abs(share)
    parts = np.empty((*values.shape, 4))
    parts[..., 0] = np.where(known, away / span, 0.0)
    parts[..., 1:] = RECORD * (size[..., 0] + size[..., 1] + size[..., 2])
    voices = np.empty((*values.shape, 3))
    voices[..., 0] = parts[..., 0] + parts[..., 1] + parts[..., 2] + parts[..., 3]
    voices[..., 1] = np.maximum(-share[..., 1, 0], 0.0)
    voices[..., 2] = np.maximum(share[..., 2, 0], 0.0)
    return parts, voices, now[..., 1:, 0]


def _records(state: RecordsState, key: Key, seen: Ints, values: Floats, span: Floats) -> tuple[Floats, Floats]:
    """How far window means, maxima and minima go beyond their own extremes: [t, k, 3, 3] in (-1, 1).

    Positive above the highest, negative below the lowest so far, as x / (x + range so far). Also the
    window values themselves.
    """
    now = blocks.stretch(state, key, seen[0], values)
    full = seen[..., None, None] >= _FULL
    bottom, top = np.where(full, now, np.inf), np.where(full, now, -np.inf)
    least, most = state.least[key][None], state.most[key][None]
    if len(values) > 1:
        least = np.minimum.accumulate(np.concatenate((least, bottom[:-1])), axis=0)
        most = np.maximum.accumulate(np.concatenate((most, top[:-1])), axis=0)
    beyond = np.maximum(now - most, 0.0) - np.maximum(least - now, 0.0)
    share = beyond / (np.abs(beyond) + ((most - least) + (0.01 * span)[..., None, None]))
    share = np.where(full & (most >= least) & (span > 0)[..., None, None], share, 0.0)
    state.least[key] = np.minimum(least[-1], bottom[-1])
    state.most[key] = np.maximum(most[-1], top[-1])
    return share, now


def _loudest(state: RecordsState, key: Key, seen: Ints, voices: Floats) -> Floats:
    """The largest of each voice's last 24 surprises before each reading: [t, k, 3]."""
    t = len(voices)
    if t == 1:
        out = np.full(voices.shape, np.inf)
        out[0, :, 0] = state.recent[key, 0].max(axis=1)
        rare = np.flatnonzero(voices[0, :, 1:].max(axis=1) > 1e-9)  # the others cannot be peaks
        out[0, rare, 1:] = state.recent[as_rows(key)[rare], 1:].max(axis=2)
        return out
    past = state.recent[as_rows(key), :, (seen[0] + np.arange(RECENT)[:, None]) % RECENT]
    two = _pairs(np.concatenate((past, voices[:-1])), 1)
    eight = _pairs(_pairs(two, 2), 4)
    return np.maximum(_pairs(eight, 8)[:t], eight[16:])


def _pairs(values: Floats, apart: int) -> Floats:
    """Maximum of each value and the one so many places on."""
    out: Floats = np.maximum(values[:-apart], values[apart:])
    return out


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
