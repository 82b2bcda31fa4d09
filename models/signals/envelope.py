"""The envelope spectrum: how fast something strikes that makes the machine ring at a few kHz."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Float64

from .spectrum import Spectrum

#: A line this many times over its surroundings is a tone: one of noise is so once in 160,000.
_TONE = 12.0
_SURROUNDINGS = 64
#: Over the background a line counts as so much at most, when the background is measured.
_LIMIT = 3.0
_ROUNDS = 3
#: Lines on each side from which the background is measured, and so the first line that has one.
_LEAST, _MOST = 16, 128
#: Lines of noise that are as good as independent, of all: the taper, squared twice, has a noise bandwidth of 1.94.
_INDEPENDENT = 1 / 1.94


@dataclass(frozen=True)
class Envelope:
    """Squared envelope spectra of windows, over their own background.

    ratio  float64[windows, lines], power of a line over the mean of noise around it: 1 on average for noise, and then
           over r with probability exp(-r). Line k is at k * width; those below ``first`` are too near to zero
    count  float64[lines], independent lines that the background was measured from
    width  Hz between two lines
    """

    ratio: Float64
    count: Float64
    width: float
    first: int = 4

    @classmethod
    def of(cls, spectrum: Spectrum, band: tuple[float, float], reach: float) -> Self:
        """Of what lies in a band of ``spectrum``, up to the frequency ``reach``; all in Hz.

        The band-pass and the analytic signal are one step: only the positive frequencies of the band are
        transformed back. Its squared size is the envelope (Randall & Antoni 2011, section 4.2; squared, because then
        noise has a known distribution). Tones in the band, as of meshing gears, are first cut to the level of the
        noise around them: two of them would beat, and look like a fault. Impacts are not tones: their intervals vary
        by a percent or so, which at some kHz leaves no lines.

        >>> rng = np.random.default_rng(1)
        >>> t = np.arange(25_600) / 25_600
        >>> swelling = rng.normal(size=t.size) * (1 + 0.5 * np.cos(2 * np.pi * 87 * t))
        >>> envelope = Envelope.of(Spectrum.of(swelling[None], 25_600), (2000, 6000), 400)
        >>> int(envelope.ratio[0, 16:].argmax()) + 16
        87
        """
        lines = spectrum.between(*band)
        reach_lines = round(reach / spectrum.width) + _MOST
        kept = without_tones(spectrum.lines[:, lines])
        length = kept.shape[-1]
        reach_lines = min(reach_lines, length - 1)
        # As many zeros as lines are wanted: what wraps around lands behind them.
        analytic = np.fft.ifft(kept, n=_smooth(max(length + reach_lines, 2 * reach_lines + 2)), axis=-1)
        squared = analytic.real**2
        squared += analytic.imag**2
        found = np.fft.rfft(squared, axis=-1)[:, : reach_lines + 1]
        power: Float64 = found.real**2
        power += found.imag**2
        ratio, count = over_background(power, cls.first)
        return cls(ratio, count, spectrum.width)


def analysis_bands(rate: float, count: int = 6) -> list[tuple[float, float]]:
    """Bands in Hz that part what lies between 1/32 and 46 % of the rate: one of them holds the resonance.

    >>> [(round(low), round(high)) for low, high in analysis_bands(25_600, 3)]
    [(800, 4459), (4459, 8117), (8117, 11776)]
    """
    edges = np.linspace(rate / 32, 0.46 * rate, count + 1).tolist()
    return list(pairwise(edges))


def without_tones(lines: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The lines with their sizes limited to what noise reaches; their phases stay."""
    windows, count = lines.shape
    power = lines.real**2 + lines.imag**2
    blocks = -(-count // _SURROUNDINGS)
    # The last block takes what is left together with lines of the one before it.
    starts = np.minimum(np.arange(blocks) * _SURROUNDINGS, max(count - _SURROUNDINGS, 0))
    level = np.empty((windows, blocks))
    for number, start in enumerate(starts.tolist()):
        level[:, number] = np.median(power[:, start : start + _SURROUNDINGS], axis=-1)
    # The median of an exponential distribution is ln 2 of its mean.
    limit = np.repeat(level * (_TONE / np.log(2)), _SURROUNDINGS, axis=-1)[:, :count]
    over = power > limit
    if not over.any():
        return lines
    factor = np.ones_like(power)
    np.divide(limit, power, out=factor, where=over)
    return lines * np.sqrt(factor, out=factor)


def over_background(power: Float64, first: int) -> tuple[Float64, Float64]:
    """Each line over the mean of the noise around it, and how many independent lines that mean is of.

    float64[windows, lines] -> the same shape, and float64[lines]. Around a line are as many on each side as lie
    between it and zero, from 16 to 128. Lines that stand out count for at most three times the background.
    """
    lines = power.shape[-1]
    at = np.arange(lines)
    reach = np.clip(at, _LEAST, _MOST)
    low, high = np.clip(at - reach, first, lines), np.clip(at + reach + 1, first, lines)
    number = np.maximum(high - low, 1)
    floor = np.finfo(np.float64).tiny
    background = _means(power, low, high, number)
    for _ in range(_ROUNDS):
        # What an exponential variable keeps on average of itself when it is limited so.
        background = _means(np.minimum(power, _LIMIT * background), low, high, number) / (1 - np.exp(-_LIMIT))
    # Without any power nothing stands out, either.
    ratio: Float64 = np.where(power > 0, power / np.maximum(background, floor), 0.0)
    ratio[:, :first] = 0
    return ratio, number * _INDEPENDENT


def _means(power: Float64, low: NDArray[np.int64], high: NDArray[np.int64], number: NDArray[np.int64]) -> Float64:
    sums = np.zeros((len(power), power.shape[-1] + 1))
    np.cumsum(power, axis=-1, out=sums[:, 1:])
    means: Float64 = (sums[:, high] - sums[:, low]) / number
    return means


def _smooth(least: int) -> int:
    """The smallest size from ``least`` on that is 2^a, 3 * 2^a or 5 * 2^a: fast to transform."""
    return min(factor << max((-(-least // factor) - 1).bit_length(), 0) for factor in (1, 3, 5))
