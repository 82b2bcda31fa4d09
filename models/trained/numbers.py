"""Random-looking numbers that are the same in every version of every library."""

import numpy as np
from numpy.typing import NDArray

from .base import Floats

_STEP = np.uint64(0x9E3779B97F4A7C15)


def draws(seed: int, stream: int, count: int) -> Floats:
    """Numbers in [0, 1), float64[count]: SplitMix64 from a place that seed and stream decide.

    Source: G. L. Steele, D. Lea and C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA (2014) 453-472.

    >>> draws(7, 0, 3).round(3).tolist()
    [0.722, 0.65, 0.549]
    """
    begin = _mixed(np.array([seed], np.uint64) + _STEP) ^ _mixed(np.array([stream], np.uint64) * _STEP)
    words = _mixed(begin + np.arange(1, count + 1, dtype=np.uint64) * _STEP)
    out: Floats = (words >> np.uint64(11)).astype(np.float64) / 2.0**53
    return out


def golden_inputs(k: int) -> Floats:
    """Vectors of k features for golden vectors, float64[400, k]: like noise of unit scale, with some far away.

    Some vectors have an absent feature, as serving meets them. No two features are alike.
    """
    out = np.stack([sum(draws(11, 8 * column + part, 400) for part in range(4)) - 2.0 for column in range(k)], axis=1)
    out *= 1.0 + np.arange(k) / 8.0
    out[100::50] += 4.0
    out[125::50, 0] -= 16.0
    out[399, k - 1] = np.nan
    return out


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
