"""Unsigned integers of 128 bits as pairs (high, low) of uint64 arrays: sums that must be exact do not fit in 64."""

import numpy as np
from numpy.typing import NDArray

from .base import Floats

Words = NDArray[np.uint64]
Wide = tuple[Words, Words]
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def product(x: Words, y: Words) -> Wide:
    """The product of two words."""
    x0, x1, y0, y1 = x & _LOW, x >> _HALF, y & _LOW, y >> _HALF
    low = x0 * y0
    first = x1 * y0 + (low >> _HALF)
    second = x0 * y1 + (first & _LOW)
    return x1 * y1 + (first >> _HALF) + (second >> _HALF), (second << _HALF) | (low & _LOW)


def shifted(x: Wide, bits: int) -> Wide:
    """Times 2^bits, for 0 < bits < 64."""
    left, right = np.uint64(bits), np.uint64(64 - bits)
    return (x[0] << left) | (x[1] >> right), x[1] << left


def plus(x: Wide, y: Wide) -> Wide:
    """The sum, modulo 2^128."""
    low = x[1] + y[1]
    return x[0] + y[0] + (low < y[1]), low


def minus(x: Wide, y: Wide) -> Wide:
    """The difference, which must not be negative."""
    return x[0] - y[0] - (x[1] < y[1]), x[1] - y[1]


def rounded(x: Wide) -> Floats:
    """As floats: high and low word are rounded each, then their sum."""
    out: Floats = x[0].astype(np.float64) * 2.0**64 + x[1].astype(np.float64)
    return out
