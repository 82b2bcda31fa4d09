"""Two tables compared: on raw values, knowing that readings are autocorrelated."""

import numpy as np
import pytest

from models.drift.two_sample import compare, effective_size

from .streams import F64, autocorrelated, noise

BINS = np.linspace(0, 100, 21)


def _binned_p(a: F64, b: F64) -> float:
    """The classical defect: a KS test on the heights of 20 bins, taken for 20 values each."""
    from scipy.stats import ks_2samp

    heights = [np.histogram(x, BINS)[0] / len(x) for x in (a, b)]
    return float(ks_2samp(*heights).pvalue)


def test_the_seed_case_is_found_raw_and_missed_binned() -> None:
    rng = np.random.default_rng(42)
    a = np.clip(rng.normal(35, 10, 1000), 0, 100)
    b = np.clip(rng.normal(38, 10, 1000), 0, 100)
    found = compare(a, b)
    assert found.drifted()
    assert found.shift.low < 0.3 < found.shift.high
    assert found.shift.low > 0
    assert _binned_p(a, b) > 0.05


def test_autocorrelation_is_no_drift() -> None:
    """With sizes taken at face value, more than a third of these pairs would differ at 1 %."""
    found = [compare(autocorrelated(i, 1500, 0.9), autocorrelated(100 + i, 1500, 0.9)).p for i in range(30)]
    assert sum(p < 0.01 for p in found) <= 2


def test_effective_size() -> None:
    assert effective_size(noise(1, 20_000)) > 15_000
    ar = effective_size(autocorrelated(1, 20_000, 0.9))
    assert 20_000 / 19 * 0.7 < ar < 20_000 / 19 * 1.4
    assert effective_size(np.full(100, 3.0)) == 100


def test_spread_and_tails_are_seen() -> None:
    a, b = noise(3, 3000), 35 + 1.3 * (noise(4, 3000) - 35)
    found = compare(a, b)
    assert found.p_spread < 1e-6
    assert found.ratio.low < 1.3 < found.ratio.high
    assert found.p_tail < 1e-4


def test_edges_are_defined() -> None:
    same = compare(np.full(50, 2.0), np.full(60, 2.0))
    assert same.p == 1.0
    assert compare(np.full(50, 2.0), np.full(60, 3.0)).drifted()
    gone = compare(np.r_[noise(1, 50), np.full(50, np.nan)], noise(2, 100))
    assert gone.missing_a == pytest.approx(0.5)
    with pytest.raises(ValueError, match="20 finite"):
        compare(np.full(50, np.nan), noise(1, 50))


def test_the_interval_of_a_large_shift_knows_the_error_of_its_yardstick() -> None:
    """Two sd, from a reference of 200: about 95 of 100 intervals hold it; with the sample's sd as the truth 83."""
    rng = np.random.default_rng(7)
    found = [compare(rng.normal(0, 1, 200), rng.normal(2, 1, 400)).shift for _ in range(100)]
    assert 90 <= sum(each.low < 2 < each.high for each in found) <= 99
