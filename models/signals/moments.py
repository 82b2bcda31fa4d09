"""What a window's distribution says: level, peaks, and how impulsive it is."""

from typing import NamedTuple, Self

import numpy as np

from contracts.readings import Float64


class Moments(NamedTuple):
    """Numbers of each window about its own mean, so that the offset of a sensor does not count.

    rms           float64[windows], root of the mean square, in the unit of the signal
    peak          float64[windows], largest distance from the mean, in the unit of the signal
    crest_factor  float64[windows], peak / rms; 1.41 for a sine, NaN for a constant window
    kurtosis      float64[windows], fourth moment over the squared second: 3 for Gaussian noise, 1.5 for a sine, and
                  larger the more impulsive (Dyer & Stewart 1978, "Detection of rolling element bearing damage by
                  statistical vibration analysis"); NaN for a constant window
    skewness      float64[windows], third moment over the second to the power 1.5; NaN for a constant window
    """

    rms: Float64
    peak: Float64
    crest_factor: Float64
    kurtosis: Float64
    skewness: Float64

    @classmethod
    def of(cls, windows: Float64) -> Self:
        """Of float64[windows, samples].

        >>> t = np.arange(1000) / 1000
        >>> sine = Moments.of(np.sin(2 * np.pi * 50 * t)[None] + 7)
        >>> [round(float(value[0]), 3) + 0.0 for value in sine]
        [0.707, 1.0, 1.414, 1.5, 0.0]
        """
        centred = about_mean(windows)
        peak = np.abs(centred).max(axis=-1)
        # Scaled by the peak, so that powers of very small or very large values stay in range.
        unit = centred / np.where(peak > 0, peak, 1.0)[..., None]
        square = unit * unit
        second = square.mean(axis=-1)
        third, fourth = (square * unit).mean(axis=-1), (square * square).mean(axis=-1)
        defined = np.where(second > 0, second, np.nan)
        return cls(np.sqrt(second) * peak, peak, 1 / np.sqrt(defined), fourth / defined**2, third / defined**1.5)


def about_mean(windows: Float64) -> Float64:
    """float64[windows, samples] less the mean of each window; exactly zero where all samples are the same."""
    centred: Float64 = windows - windows.mean(axis=-1, keepdims=True)
    # A mean is rounded. What it leaves of a constant has a spectrum, with lines that look like a fault's.
    centred[(windows == windows[:, :1]).all(axis=-1)] = 0
    return centred
