"""Sorting rows by their series, readings of one series in the order in which they came."""

import numpy as np
from numpy.typing import NDArray


def order_of(rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """``np.argsort(rows, kind="stable")`` of numbers from 0 on, int64[n].

    Numpy sorts 16-bit numbers by radix: five times faster, and nearly always enough.
    """
    if len(rows) and int(rows.max()) < 1 << 16:
        return np.argsort(rows.astype(np.uint16), kind="stable")
    return np.argsort(rows, kind="stable")
