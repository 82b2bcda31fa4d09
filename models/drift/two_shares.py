"""Do two samples of categories have the same shares? For `tocsin drift check A B`; both samples lie on the table.

Flags and modes come in runs, so n of them say less than n: the test counts what they are worth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .two_sample import Interval, effective_size
from .words import I64

_Z95 = 1.959963984540054
_LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class ShareComparison:
    """Outcome of ``compare_shares``; b against a.

    ``p``: chance of a difference this large without drift, over all tests (Bonferroni).  ``distance``: half the sum
    of the absolute differences of the shares (total variation).  ``most``: the category whose share changed most,
    ``change``: by how much.  ``new`` and ``vanished``: categories that only b or only a has, and that chance would
    leave out of the other less than once in a thousand.
    """

    p: float
    distance: float
    most: int
    change: Interval
    new: tuple[int, ...]
    vanished: tuple[int, ...]
    effective_a: float
    effective_b: float


def compare_shares(a: I64, b: I64) -> ShareComparison:
    """Compare codes ``a`` (int64[n] from 0, the reference) with ``b`` (int64[m]), both in order of time.

    Pearson's chi-square, divided by the mean design effect (Rao & Scott, 1981) as the autocorrelation of each category
    gives it; rare categories are taken together. A category that one side lacks is judged by its runs: that all of
    them fell into one side by chance. Raises ValueError when a sample has fewer than 20 values.
    """
    if min(len(a), len(b)) < 20:
        raise ValueError(f"each sample needs 20 values, these have {len(a)} and {len(b)}")
    k = int(max(a.max(), b.max())) + 1
    counts = np.stack([np.bincount(a, minlength=k), np.bincount(b, minlength=k)])
    worth_a, worth_b = _worth(a, counts.sum(axis=0)), _worth(b, counts.sum(axis=0))
    shares = counts / counts.sum(axis=1, keepdims=True)
    gaps = shares[1] - shares[0]
    most = int(np.abs(gaps).argmax())
    alone, p_alone = _only_one_side(a, b, counts, worth_a, worth_b)
    return ShareComparison(
        p=min(1.0, 2 * min(_chi_square(shares, worth_a, worth_b), p_alone)),
        distance=float(np.abs(gaps).sum()) / 2,
        most=most,
        change=_interval(shares[:, most], worth_a, worth_b),
        new=tuple(code for code in alone if counts[0, code] == 0),
        vanished=tuple(code for code in alone if counts[1, code] == 0),
        effective_a=worth_a,
        effective_b=worth_b,
    )


def _worth(codes: I64, total: I64) -> float:
    """Effective size: the smallest among those of the ten commonest categories."""
    common = np.argsort(-total, kind="stable")[:10]
    present = [code for code in common.tolist() if 0 < int((codes == code).sum()) < len(codes)]
    return min((effective_size((codes == code).astype(np.float64)) for code in present), default=float(len(codes)))


def _chi_square(shares: NDArray[np.float64], worth_a: float, worth_b: float) -> float:
    from scipy.stats import chi2

    weights = np.array([worth_a, worth_b])
    pooled = (shares * weights[:, None]).sum(axis=0) / weights.sum()
    rare = pooled * weights.min() < _LEAST_EXPECTED
    if rare.any():
        shares = np.column_stack([shares[:, ~rare], shares[:, rare].sum(axis=1)])
        pooled = np.append(pooled[~rare], pooled[rare].sum())
        if len(pooled) > 1 and pooled[-1] * weights.min() < _LEAST_EXPECTED:
            # Together they are rare still: they go with the least of the others.
            least = int(pooled[:-1].argmin())
            shares[:, least] += shares[:, -1]
            pooled[least] += pooled[-1]
            shares, pooled = shares[:, :-1], pooled[:-1]
    if len(pooled) < 2:
        return 1.0
    statistic = float((weights[:, None] * (shares - pooled) ** 2 / pooled).sum())
    return float(chi2.sf(statistic, len(pooled) - 1))


def _only_one_side(
    a: I64, b: I64, counts: I64, worth_a: float, worth_b: float
) -> tuple[list[int], float]:  # fmt: skip
    """Categories that chance would not leave out of one side, and the smallest chance times their number.

    While nothing changes each run of a category lies in a or in b as their sizes say; runs, because one event of some
    length is one event.
    """
    alone = np.flatnonzero((counts[0] == 0) ^ (counts[1] == 0))
    found, least = [], 1.0
    for code in alone.tolist():
        side, worth = (b, worth_b) if counts[0, code] == 0 else (a, worth_a)
        inside = side == code
        runs = int(inside[0]) + int((inside[1:] & ~inside[:-1]).sum())
        p = (worth / (worth_a + worth_b)) ** runs * len(alone)
        least = min(least, p)
        if p < 0.001:
            found.append(code)
    return found, min(least, 1.0)


def _interval(shares: NDArray[np.float64], worth_a: float, worth_b: float) -> Interval:
    """Of a difference of shares: Agresti & Caffo (2000), one success and one failure added to each side."""
    worth = np.array([worth_a, worth_b])
    centred = (shares * worth + 1) / (worth + 2)
    half = _Z95 * float((centred * (1 - centred) / (worth + 2)).sum()) ** 0.5
    middle, gap = float(centred[1] - centred[0]), float(shares[1] - shares[0])
    return Interval(gap, max(min(middle - half, gap), -1.0), min(max(middle + half, gap), 1.0))
