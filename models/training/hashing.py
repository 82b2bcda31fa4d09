"""Numbers that look random and are the same everywhere: no generator whose stream may change, no state."""

import numpy as np
from numpy.typing import NDArray

from contracts.identity import digest

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]


def seed_of(*parts: str | int) -> np.uint64:
    """A 64-bit seed that these parts give."""
    return np.uint64(int(digest(*map(str, parts))[:16], 16))


def hashed(numbers: NDArray[np.int64] | Words, seed: np.uint64) -> Words:
    """Words for ``numbers``, uint64[n]: distinct numbers give distinct words, each seed others."""
    # The seed is mixed, too: neighbouring ones would only part the same words in another order.
    return _mixed(numbers.astype(np.uint64) ^ _mixed(np.array([seed], np.uint64)))


def _mixed(x: Words) -> Words:
    """SplitMix64 (Steele, Lea and Flood, 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def normal(numbers: NDArray[np.int64], seed: np.uint64) -> Floats:
    """About normal noise of mean 0 and deviation 1, float64[n], one for each number: the sum of 12 even ones."""
    total = np.zeros(len(numbers))
    for turn in hashed(np.arange(12), seed):
        total += (hashed(numbers, turn) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return total - 6.0
