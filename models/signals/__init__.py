"""Signals: windows of vibration or sound at kHz rates, reduced to a few numbers each.

Every function takes float64[windows, samples] or spectra of it, and computes each window by itself: what comes out
for a window does not depend on which others are in the same array, bit for bit. Plain numpy, no BLAS, no randomness.
"""

from .bearing import FAULTS, Bearing
from .diagnosis import diagnosed
from .envelope import Envelope, analysis_bands
from .evidence import Found, Search
from .features import SignalFeatures
from .mel import MelBands
from .moments import Moments
from .spectrum import Spectrum

__all__ = [
    "FAULTS",
    "Bearing",
    "Envelope",
    "Found",
    "MelBands",
    "Moments",
    "Search",
    "SignalFeatures",
    "Spectrum",
    "analysis_bands",
    "diagnosed",
]
