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
YOUNG = 600.0  # a record is likely in a short past: at this age one counts for seven tenths, before much less
OLD = 5000.0  # what comes for the first time after so many readings counts for more: at twice this age 1.4 times
RECORD = 0.015  # what one full record adds to the surprise; a value counts by its share of the range
CLIP = 0.5  # ranges beyond the range so far at which a reading enters the windows

# Three voices, each calibrated by its own past: values and records of any kind; highs that stay away;
# lows that stay away. Its floor is the scale of a voice that has never spoken.
FLOOR = np.array([0.025, 0.05, 0.3])
WEIGHT = np.array([1.0, 0.8, 0.4])
_FULL = np.array(blocks.WIDTHS) - 1
_VOICES = RECENT * np.arange(3)


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
    reserve: what is new in a short past is likely chance. For 80 readings after an alarm only one a fifth
    larger is.

    The score is 0 for all other readings, and otherwise log10(10,000 / e) / 6 cut to [0, 1], where e is
    the number of alarms expected in 10,000 readings with the threshold there: 0.5 is ten, and each
    further 1/6 is ten times rarer. The relation e = 6 / ratio^0.7 of the calibrated surprise to e was
    measured on 29 recorded streams outside their labelled windows. Where nothing ever happens, as in
    simulated noise, there are up to three times as many in a series' first 1,000 readings, as many or
    fewer in the next 4,000, and less than a third later (`python -m bench.calibration`).

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
    revision: ClassVar[int] = 2
    reasons: ClassVar[tuple[str, ...]] = (
        "",
        "value never seen before",
        "average higher or lower than ever before",
        "highest values higher or lower than ever before",
        "lowest values higher or lower than ever before",
        "highs stay away longer than ever before",
        "lows stay away longer than ever before",
        "flat line",
        "spread narrower than ever before",
        "spread wider than ever before",
    )

    threshold: float = Field(default=0.48, ge=0, le=1, description="about 13 alarms in 10,000 readings")
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
        parts, voices, level, spread = _surprises(state, key, seen, values)
        # The margins keep rounding from deciding between readings that are equal but for it.
        peak = voices > _loudest(state, key, seen, voices) * (1 + 1e-6) + 1e-9
        newest = slice(max(0, t - RECENT), t)
        place = (rows * (3 * RECENT) + seen[newest] % RECENT)[..., None] + _VOICES
        state.recent.reshape(-1)[place] = voices[newest]
        state.seen[rows] += t
        out = Scores(np.zeros(values.shape), np.zeros(values.shape, np.uint8))
        when, which = np.nonzero(peak.any(axis=2) & (seen >= self.warmup))
        # The scales of a series learn from one peak before they judge its next.
        turns = chain.from_iterable(rectangles(which)) if t > 1 else [np.arange(len(which))] * bool(len(which))
        for at in turns:
            i, j = when[at], which[at]
            ratio, voice = _calibrated(state, rows[j], peak[i, j], voices[i, j])
            age = seen[i, j] + 1.0
            ratio *= _weight_of_age(age)
            score = out.score[i, j] = self._rearmed(state, rows[j], seen[i, j], ratio)
            reason = _reasons(voice, parts[i, j], level[i, j], spread[i, j])
            out.reason[i, j] = np.where(score > 0, reason, 0)
        return out

    def _rearmed(self, state: RecordsState, rows: Ints, seen: Ints, ratio: Floats) -> Floats:
        """Scores; 0 for those that an earlier, hardly weaker alarm silences."""
        alarm, at = state.alarm[rows], state.alarm_at[rows]
        heard = (seen - at > self.rearm) | (ratio > 1.2 * alarm)
        state.alarm[rows] = np.where(heard, ratio, alarm)
        state.alarm_at[rows] = np.where(heard, seen, at)
        return np.where(heard, as_score(ratio), 0.0)


def _reasons(voice: Ints, parts: Floats, level: Floats, spread: Ints) -> Ints:
    """Which of the reasons it is: by the loudest voice, parts [n, 4], the last 16's extremes, and their spread."""
    reason = np.where(voice == 0, 1 + np.argmax(parts, axis=1), 4 + voice)
    reason = np.where((voice > 0) & (spread < 0), 8, np.where((reason > 1) & (spread > 0), 9, reason))
    return np.where((voice > 0) & (level[:, 0] == level[:, 1]), 7, reason)


def _weight_of_age(age: Floats) -> Floats:
    """What a surprise counts at an age in readings, so that noise is told equally often in each stage of life."""
    settled = np.minimum(age / YOUNG, 1.0)
    lasting = np.minimum(np.maximum(age / OLD, 1.0), 2.0)
    out: Floats = settled * settled * settled * np.sqrt(age / (age + YOUNG) * lasting)
    return out


def _surprises(state: RecordsState, key: Key, seen: Ints, values: Floats) -> tuple[Floats, Floats, Floats, Ints]:
    """Parts of the first voice [t, k, 4], the voices [t, k, 3], the last 16's maximum and minimum [t, k, 2].

    And whether these lie further apart than ever (1) or about as close together as ever (-1), int64[t, k].
    """
    away, low, high = nearest.novelty(state, key, seen[0] == 0, values)
    span = high - low
    known = span > 0
    # One absurd reading must not widen the extremes of all windows that hold it beyond use.
    kept = np.where(known, np.minimum(np.maximum(values, low - CLIP * span), high + CLIP * span), values)
    at, share, now, beside = _records(state, key, seen, kept, span)
    spread = np.zeros(values.shape, np.int64)
    parts, voices = np.zeros((*values.shape, 4)), np.zeros((*values.shape, 3))
    first = parts[..., 0] = voices[..., 0] = np.where(known, away / span, 0.0)
    if len(at):
        size = np.abs(share)
        added = RECORD * (size[..., 0] + size[..., 1] + size[..., 2])
        parts.reshape(-1, 4)[at, 1:] = added
        told = voices.reshape(-1, 3)
        told[at, 0] = first.reshape(-1)[at] + added[:, 0] + added[:, 1] + added[:, 2]
        told[at, 1] = np.maximum(-share[:, 1, 0], 0.0)
        told[at, 2] = np.maximum(share[:, 2, 0], 0.0)
        spread.reshape(-1)[at] = beside
    return parts, voices, now[..., 1:, 0], spread


def _records(
    state: RecordsState, key: Key, seen: Ints, values: Floats, span: Floats
) -> tuple[Ints, Floats, Floats, Ints]:
    """How far window means, maxima and minima go beyond their own extremes.

    Returns which of the t k readings set records, int64[m], their shares [m, 3, 3] in (-1, 1): positive above the
    highest, negative below the lowest so far, as x / (x + range so far); all window values [t, k, 3, 3]; and whether
    the last 16 readings lie further apart than ever (1) or about as close together as ever (-1), int64[m].
    """
    now = blocks.stretch(state, key, seen[0], values)
    bottom = top = now
    if int(seen[0].min()) < _FULL[-1]:
        full = seen[..., None, None] >= _FULL
        bottom, top = np.where(full, now, np.inf), np.where(full, now, -np.inf)
    least, most = state.least[key][None], state.most[key][None]
    if len(values) > 1:
        least = blocks.running(np.minimum, np.concatenate((least, bottom[:-1])))
        most = blocks.running(np.maximum, np.concatenate((most, top[:-1])))
    # Hardly any reading sets a record: only those that do are worked out.
    at = np.flatnonzero(((now > most) | (now < least)).reshape(-1, 9).any(axis=1))
    share, spread = np.zeros((len(at), 3, 3)), np.zeros(len(at), np.int64)
    if len(at):
        highest, lowest, here = (each.reshape(-1, 3, 3)[at] for each in (most, least, now))
        beyond = np.maximum(here - highest, 0.0) - np.maximum(lowest - here, 0.0)
        wide = span.reshape(-1)[at, None, None]
        share = beyond / (np.abs(beyond) + ((highest - lowest) + 0.01 * wide))
        # Windows that are not full have no extremes yet.
        share = np.where((highest >= lowest) & (wide > 0), share, 0.0)
        low, high, level = lowest[:, 1:, 0], highest[:, 1:, 0], here[:, 1:, 0]
        near = 0.25 * (high - low)
        inside = (level[:, 0] <= low[:, 0] + near[:, 0]) & (level[:, 1] >= high[:, 1] - near[:, 1])
        outside = (level[:, 0] >= high[:, 0]) & (level[:, 1] <= low[:, 1])
        spread = outside.astype(np.int64) - inside
    state.least[key] = np.minimum(least[-1], bottom[-1])
    state.most[key] = np.maximum(most[-1], top[-1])
    return at, share, now, spread


def _loudest(state: RecordsState, key: Key, seen: Ints, voices: Floats) -> Floats:
    """The largest of each voice's last 24 surprises before each reading: [t, k, 3]; anything where it cannot matter."""
    out = np.full(voices.shape, np.inf)
    # The other voices are mostly silent, and then cannot be peaks.
    rare = np.flatnonzero((voices[..., 1:] > 1e-9).any(axis=(0, 2)))
    if len(voices) == 1:
        out[0, :, 0] = state.recent[key, 0].max(axis=1)
        out[0, rare, 1:] = state.recent[as_rows(key)[rare], 1:].max(axis=2)
        return out
    out[..., 0] = _sliding(state, as_rows(key) * 3, seen[0], voices[..., 0])
    for voice in (1, 2):
        if len(rare):
            found = _sliding(state, as_rows(key)[rare] * 3 + voice, seen[0, rare], voices[:, rare, voice])
            out[:, rare, voice] = found
    return out


def _sliding(state: RecordsState, lines: Ints, seen: Ints, voice: Floats) -> Floats:
    """Maximum of the last 24 of one voice before each reading: [t, k]; ``lines``: of ``recent``, one a voice."""
    past = state.recent.reshape(-1).take(lines * RECENT + (seen + np.arange(RECENT)[:, None]) % RECENT)
    two = _pairs(np.concatenate((past, voice[:-1])), 1)
    eight = _pairs(_pairs(two, 2), 4)
    return np.maximum(_pairs(eight, 8)[: len(voice)], eight[16:])


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
