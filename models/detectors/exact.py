"""Functions by plain arithmetic, which is rounded alike on every machine and at every vector width."""

import numpy as np

from .base import Floats


def log2(x: Floats) -> Floats:
    """Binary logarithm of positive numbers, right to 1e-12."""
    part, power = np.frexp(x)  # part in [0.5, 1)
    z = (part - 0.75) / (part + 0.75)  # ln(part / 0.75) = 2 artanh z, |z| <= 0.2
    s = z * z
    series = 1 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s / 15))))))
    out: Floats = power + (2 / 0.6931471805599453) * (z * series) - 0.4150374992788438
    return out
