"""The spectrum of windows, and the levels of its bands."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Float64

from .moments import about_mean

#: ISO 20816-1:2016 judges machines by the RMS of vibration velocity between these, in Hz.
VELOCITY_BAND = (10.0, 1000.0)


@dataclass(frozen=True)
class Spectrum:
    """Hann-tapered spectra of windows, each about its own mean.

    lines   complex128[windows, samples // 2 + 1], scaled so that a sine of amplitude a shows as a / 2 at its line
    rate    samples per second, in Hz
    samples samples of a window
    """

    lines: NDArray[np.complex128]
    rate: float
    samples: int

    @classmethod
    def of(cls, windows: Float64, rate: float) -> Self:
        """Of float64[windows, samples] at ``rate`` Hz. The taper keeps a strong tone out of the bands beside it."""
        samples = windows.shape[-1]
        taper = 0.5 - 0.5 * np.cos(2 * np.pi / samples * np.arange(samples))
        # numpy transforms one row after the other, so that a row's bits do not depend on its neighbours.
        lines: NDArray[np.complex128] = np.fft.rfft(about_mean(windows) * taper, axis=-1)
        lines /= taper.sum()
        return cls(lines, rate, samples)

    @property
    def width(self) -> float:
        """Hz between two lines."""
        return self.rate / self.samples

    @property
    def power(self) -> Float64:
        """float64[windows, lines], the part of each line in the mean square of the signal."""
        # Both signs of a frequency, and the noise bandwidth of the taper: 1.5 lines.
        power: Float64 = self.lines.real**2
        power += self.lines.imag**2
        power *= 2 / 1.5
        power[:, 0] /= 2
        if self.samples % 2 == 0:
            power[:, -1] /= 2
        return power

    def between(self, low: float, high: float) -> slice:
        """The lines with low <= frequency < high, in Hz."""
        first, stop = np.ceil(np.round(np.array([low, high]) / self.width, 6)).astype(int).tolist()
        return slice(min(first, self.lines.shape[-1]), min(stop, self.lines.shape[-1]))


def band_rms(power: Float64, lines: slice) -> Float64:
    """float64[windows], root of the mean square of what lies in some lines, in the unit of the signal.

    >>> t = np.arange(4096) / 4096
    >>> spectrum = Spectrum.of(np.sin(2 * np.pi * 500 * t)[None], 4096)
    >>> [round(float(band_rms(spectrum.power, spectrum.between(*band))[0]), 4) for band in [(0, 400), (400, 800)]]
    [0.0, 0.7071]
    """
    level: Float64 = np.sqrt(power[:, lines].sum(axis=-1))
    return level


def velocity_rms(spectrum: Spectrum, power: Float64) -> Float64:
    """float64[windows], vibration velocity between 10 and 1000 Hz in mm/s, from acceleration in m/s^2.

    ISO 20816-1:2016 (before: 10816-1) judges machines by it. It asks for windows of at least a second; in shorter
    ones 10 Hz lies too few lines from zero.

    >>> t = np.arange(4096) / 4096
    >>> spectrum = Spectrum.of(np.sin(2 * np.pi * 50 * t)[None], 4096)
    >>> round(float(velocity_rms(spectrum, spectrum.power)[0]), 3), round(1000 / (2 * np.pi * 50) * 0.5**0.5, 3)
    (2.251, 2.251)
    """
    lines = spectrum.between(*VELOCITY_BAND)
    pace = 2 * np.pi * spectrum.width * np.arange(lines.start, lines.stop)
    speed: Float64 = 1000 * np.sqrt((power[:, lines] / pace**2).sum(axis=-1))
    return speed
