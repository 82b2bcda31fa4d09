"""Randomness without a generator: a hash of (seed, counter), so that a replay draws the same numbers."""

import numpy as np
from numpy.typing import NDArray

from .words import F64

U64 = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_2_53 = 2.0**-53


def uniform(seed: U64, counter: U64) -> F64:
    """Numbers in [0, 1) that look independent over seeds and counters; both broadcast (at least 1-D).

    splitmix64: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    z = seed + counter * _GAMMA
    z ^= z >> np.uint64(30)
    z *= _MIX1
    z ^= z >> np.uint64(27)
    z *= _MIX2
    z ^= z >> np.uint64(31)
    out: F64 = (z >> np.uint64(11)).astype(np.float64) * _2_53
    return out
