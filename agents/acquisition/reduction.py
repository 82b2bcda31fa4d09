"""Windows of samples into readings: one of each feature of each channel."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from contracts.identity import digest
from contracts.instants import SECOND
from contracts.readings import Float64, Readings, Series, Verdict
from models.signals import SignalFeatures

#: The channel of readings that are about a whole window.
_ALL = "*"
_SAYS_LITTLE = "not defined: all samples are the same"


@dataclass(frozen=True)
class Reduction:
    """What the windows of one file become.

    channels  number in the file and name of each that is read; an empty name stands before no feature
    rate      samples per second
    window    samples of a window
    step      samples from the beginning of a window to that of the next
    start     time of the first sample, ns
    """

    source: str
    asset: str
    channels: tuple[tuple[int, str], ...]
    rate: Fraction
    window: int
    step: int
    scale: float
    start: int
    features: SignalFeatures

    @property
    def marks(self) -> str:
        """Names everything that decides what a window is and becomes."""
        numbers = (self.channels, self.rate, self.window, self.step, self.scale, self.start)
        return digest(self.asset, *map(repr, numbers), self.features.model_dump_json(exclude_defaults=True))

    def of(self, block: Float64, first: int, count: int) -> Readings:
        """The readings of ``count`` windows from number ``first`` on, whose samples are float64[frames, channels]."""
        names = self.features.names(float(self.rate))
        width = len(names) * len(self.channels)
        values, sound = np.full((count, width), np.nan), np.ones((count, width), np.bool_)
        constant = np.zeros((count, width), np.bool_)
        wrong: dict[int, str] = {}
        for number, (channel, _) in enumerate(self.channels):
            windows = (
                np.lib.stride_tricks.sliding_window_view(block[:, channel], self.window)[:: self.step] * self.scale
            )
            finite = np.isfinite(windows)
            good = finite.all(axis=-1)
            columns = slice(number * len(names), (number + 1) * len(names))
            # Numbers near the end of the range overflow when they are squared; such features are refused below.
            with np.errstate(all="ignore"):
                values[good, columns] = self.features.of(windows[good], float(self.rate)) if good.any() else np.nan
            sound[~good, columns] = False
            constant[:, columns] = (windows == windows[:, :1]).all(axis=-1)[:, None]
            for row in np.flatnonzero(~good).tolist():
                bad = self.window - int(finite[row].sum())
                wrong.setdefault(row, f"channel {channel + 1}: {bad:,} of {self.window:,} samples are not finite")
        return self._readings(names, first, values, sound, constant, wrong)

    def cut_off(self, position: int, there: int, promised: int) -> Readings:
        """The reading that says that a file ends too early."""
        rate = float(self.rate)
        note = f"ends after {there / rate:.6g} s; its header says {promised / rate:.6g} s"
        return Readings.of(
            [Series(self.source, self.asset, _ALL)],
            np.zeros(1, np.int32),
            np.array([self._time(there)]),
            np.array([np.nan]),
            np.array([position]),
            verdict=np.array([Verdict.MALFORMED_ROW], np.uint8),
            notes={0: note},
        )

    def _readings(
        self,
        names: list[str],
        first: int,
        values: Float64,
        sound: NDArray[np.bool_],
        constant: NDArray[np.bool_],
        wrong: dict[int, str],
    ) -> Readings:
        count, width = values.shape
        series = [
            Series(self.source, self.asset, f"{name} {feature}".strip())
            for _, name in self.channels
            for feature in names
        ]
        series.append(Series(self.source, self.asset, _ALL))
        code = np.tile(np.arange(width + 1), (count, 1))
        # The last column is about the whole window, and there only where something is wrong with it.
        there = np.concatenate([sound, np.isin(np.arange(count), list(wrong))[:, None]], axis=1)
        value = np.concatenate([values, np.full((count, 1), np.nan)], axis=1)
        verdict = np.where(np.isfinite(value), Verdict.OK, Verdict.NOT_FINITE).astype(np.uint8)
        undefined = np.zeros_like(there)
        undefined[:, :-1] = np.isnan(values) & constant
        verdict[undefined] = Verdict.MISSING
        value = np.where(np.isfinite(value), value, np.nan)
        time = np.array([self._time((first - 1 + row) * self.step + self.window) for row in range(count)], np.int64)
        at = np.flatnonzero(there)
        rows = at // (width + 1)
        says = {
            place: _SAYS_LITTLE if undefined.flat[cell] else wrong[row]
            for place, (cell, row) in enumerate(zip(at.tolist(), rows.tolist(), strict=True))
            if undefined.flat[cell] or cell % (width + 1) == width
        }
        return Readings.of(
            series, code.flat[at], time[rows], value.flat[at], first + rows, verdict=verdict.flat[at], notes=says
        )

    def _time(self, samples: int) -> int:
        """Nanoseconds at which so many samples have passed."""
        return self.start + round(samples * SECOND / self.rate)
