"""A mean moves from 35 to 38 at a standard deviation of 10, and a Kolmogorov-Smirnov test on histograms of 20 bins
over 0 to 100 sees nothing. It was given twenty heights instead of a thousand readings.
"""

from collections.abc import Callable

import numpy as np
import pytest

from models.drift.two_sample import compare
from models.drift.words import F64

Test = Callable[[F64, F64], bool]


def on_raw_values(a: F64, b: F64) -> bool:
    return compare(a, b).drifted()


def on_bins(a: F64, b: F64) -> bool:
    from scipy.stats import ks_2samp

    edges = np.linspace(0, 100, 21)
    heights = [np.histogram(sample, edges)[0] / len(sample) for sample in (a, b)]
    return bool(ks_2samp(*heights).pvalue < 0.001)


def sample(seed: int, mean: float) -> F64:
    drawn: F64 = np.clip(np.random.default_rng(seed).normal(mean, 10, 1000), 0, 100)
    return drawn


def check(drifted: Test) -> None:
    assert not any(drifted(sample(seed, 35), sample(100 + seed, 35)) for seed in range(10)), "drift out of nothing"
    found = sum(drifted(sample(seed, 35), sample(100 + seed, 38)) for seed in range(10))
    assert found >= 9, f"found in {found} of 10"


def test_small_shift_is_found_on_raw_values() -> None:
    check(on_raw_values)


def test_small_shift_is_hidden_by_bins() -> None:
    with pytest.raises(AssertionError, match="found in 0 of 10"):
        check(on_bins)
