"""Whether something strikes at the rate of a fault: evidence with a known rate of false alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Float64

from .envelope import Envelope

#: Candidates at a time, so that a wide search does not take much memory.
_AT_ONCE = 512


class Found(NamedTuple):
    """What was found in each window.

    evidence   float64[windows], decades: in at most one of 10^evidence windows noise alone shows as much, anywhere
               in the range that was searched and in any of the bands; below 0 it says nothing at all
    frequency  float64[windows], Hz, where that was; means nothing where the evidence is small
    """

    evidence: Float64
    frequency: Float64


@dataclass(frozen=True)
class Search:
    """Looks for a rate and its harmonics within a range.

    low, high  Hz, the range of the rate itself
    harmonics  so many multiples of it are looked at together, from the first on
    """

    low: float
    high: float
    harmonics: int = 4

    @property
    def reach(self) -> float:
        """Hz, the highest frequency that is looked at."""
        return self.high * self.harmonics

    def of(self, envelopes: Sequence[Envelope]) -> Found:
        """The strongest that is found in any of the envelopes, which belong to bands of the same windows.

        >>> rng = np.random.default_rng(1)
        >>> noise = rng.exponential(size=(200, 1000))
        >>> noise[0, [60, 120, 180]] += [20, 10, 5]
        >>> envelope = Envelope(noise, np.full(1000, 100.0), 1.0)
        >>> found = Search(58.5, 61.5).of([envelope])
        >>> bool(found.evidence[0] > 6), round(float(found.frequency[0])), bool(found.evidence[1:].max() < 3)
        (True, 60, True)
        """
        best = Found(np.full(len(envelopes[0].ratio), -np.inf), np.zeros(len(envelopes[0].ratio)))
        tried = 0
        for envelope in envelopes:
            candidates = self.candidates(envelope)
            tried += len(candidates)
            for first in range(0, len(candidates), _AT_ONCE):
                found = _strongest(envelope, candidates[first : first + _AT_ONCE], self.harmonics)
                better = found.evidence > best.evidence
                best = Found(*(np.where(better, new, old) for new, old in zip(found, best, strict=True)))
        # Noise gets as many chances as there are candidates.
        return Found(best.evidence - np.log10(max(tried, 1)), best.frequency)

    def candidates(self, envelope: Envelope) -> Float64:
        """Hz; so close to each other that the highest harmonic meets every line."""
        number = int(np.ceil((self.high - self.low) * self.harmonics / envelope.width)) + 1
        candidates: Float64 = np.linspace(self.low, self.high, number)
        return candidates


def _strongest(envelope: Envelope, candidates: Float64, harmonics: int) -> Found:
    multiples = np.arange(1, harmonics + 1)
    lines = np.rint(candidates[:, None] * multiples / envelope.width).astype(np.int64)
    # Where a harmonic is beyond the band, or too near to zero, it is not looked at.
    seen = (lines < envelope.ratio.shape[-1]) & (lines >= envelope.first)
    lines = np.where(seen, lines, 0)
    count = seen.sum(axis=-1)
    ratios = envelope.ratio[:, lines]
    sums = ratios.sum(axis=-1)
    # A line of something else may happen to lie at one of the harmonics. So no line counts for more than all others.
    sums = np.minimum(sums, 2 * (sums - ratios.max(axis=-1)))
    reference = count / np.where(seen, 1 / envelope.count[lines], 0).sum(axis=-1).clip(1e-300)
    decades = noise_decades(sums, count, reference)
    at = decades.argmax(axis=-1)
    rows = np.arange(len(at))
    return Found(decades[rows, at], _refined(envelope.ratio, lines[at], seen[at], multiples) * envelope.width)


def noise_decades(sums: Float64, count: NDArray[np.int64], reference: Float64) -> Float64:
    """-log10 of the probability that noise shows such a sum of ratios; 0 for fewer than two ratios.

    float64[windows, candidates] of sums of ``count`` ratios, each to a mean of ``reference`` others. Powers of noise
    are exponential, so sum over mean has an F distribution with 2 count and 2 reference degrees of freedom, whose
    tail is a sum of ``count`` terms:

    >>> from scipy.stats import f
    >>> round(float(noise_decades(np.array([[30.0]]), np.array([4]), np.array([100.0]))[0, 0]), 6)
    8.01356
    >>> round(float(-np.log10(f.sf(30 / 4, 8, 200))), 6)
    8.01356
    """
    odds = sums / reference
    term = np.ones_like(sums)
    total = np.ones_like(sums)
    share = odds / (1 + odds)
    for k in range(1, int(count.max(initial=0))):
        term = term * share * ((reference + k - 1) / k)
        total = total + np.where(k < count, term, 0)
    decades: Float64 = (reference * np.log1p(odds) - np.log(total)) / np.log(10)
    return np.where(count >= 2, decades, 0.0)


def _refined(
    ratio: Float64, lines: NDArray[np.int64], seen: NDArray[np.bool_], multiples: NDArray[np.int64]
) -> Float64:
    """The rate, in lines, that fits best to the centres of the harmonics: float64[windows]."""
    rows = np.arange(len(lines))[:, None]
    last = ratio.shape[-1] - 1
    beside = [ratio[rows, np.clip(lines + step, 0, last)] for step in (-1, 0, 1)]
    weight = np.where(seen, beside[0] + beside[1] + beside[2], 0)
    centre = lines + (beside[2] - beside[0]) / np.maximum(beside[0] + beside[1] + beside[2], 1e-300)
    refined: Float64 = (weight * multiples * centre).sum(axis=-1) / (weight * multiples**2).sum(axis=-1).clip(1e-300)
    return refined
