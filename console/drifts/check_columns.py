"""Two samples of one column compared, and what is said of all columns together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.drift.two_sample import Interval, compare
from models.drift.two_shares import compare_shares
from models.drift.words import F64, I64

from .check_tables import Sample

BINS = 16
#: Columns with more different values hold names or texts rather than categories.
_MOST_CATEGORIES = 1_000
_LEAST = 20


@dataclass(frozen=True)
class Outcome:
    """What was found of one column; B against A.

    verdict    drifted, same, not compared, only in A, only in B, type changed
    n, worth   values that are not missing, and how many independent ones they are worth, of A and B
    missing    shares, of A and B
    effect     shift in standard deviations of A (numbers); change of the share of ``category`` (categories)
    ratio      spread of B over spread of A; numbers only
    p          chance without drift that a test of this column finds as much, before and after Holm's correction
    bars       heights of a histogram of A and B on the same bins, shares
    """

    name: str
    kind: str
    verdict: str = "not compared"
    note: str = ""
    n: tuple[int, int] = (0, 0)
    worth: tuple[float, float] = (0.0, 0.0)
    missing: tuple[float, float] = (0.0, 0.0)
    effect: Interval | None = None
    ratio: Interval | None = None
    category: str = ""
    new: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    p: float | None = None
    p_missing: float | None = None
    p_adjusted: float | None = None
    bars: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())


def compared(name: str, a: Sample, b: Sample) -> Outcome:
    """One column of both files; nothing is said of significance yet."""
    kinds = {a.kind, b.kind} - {"empty"}
    if len(kinds) > 1:
        return Outcome(name, f"{a.kind}, {b.kind}", "type changed", f"{a.kind} in A, {b.kind} in B")
    kind = kinds.pop() if kinds else "empty"
    if kind == "other":
        return Outcome(name, kind, note="neither numbers nor words")
    gone_a, gone_b = a.missing, b.missing
    base = Outcome(
        name,
        kind,
        n=(int((gone_a == 0).sum()), int((gone_b == 0).sum())),
        missing=(_share(gone_a), _share(gone_b)),
        p_missing=_p_missing(gone_a, gone_b),
    )
    if min(base.n) < _LEAST:
        return replace(base, note=f"too few values: {_LEAST} of each are needed")
    return _numbers(base, a, b) if kind == "numbers" else _categories(base, a, b)


def judged(found: Sequence[Outcome], alpha: float) -> list[Outcome]:
    """The verdicts: a column drifted where chance alone would say so of any column less than ``alpha`` of the time.

    Holm (1979), over all tests of all columns; it holds whatever columns have to do with each other.
    """
    tests = [(number, p) for number, each in enumerate(found) for p in (each.p, each.p_missing) if p is not None]
    least: dict[int, float] = {}
    for (number, _), p in zip(tests, holm([p for _, p in tests]), strict=True):
        least[number] = min(least.get(number, 1.0), p)
    out = list(found)
    for number, p in least.items():
        each = out[number]
        said = "drifted" if p < alpha else each.verdict if each.p is None else "same"
        out[number] = replace(each, p_adjusted=p, verdict=said)
    return out


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted so that those below alpha have one that is wrong with a chance of alpha at most."""
    order = np.argsort(p, kind="stable")
    scaled = np.array([p[at] * (len(p) - rank) for rank, at in enumerate(order.tolist())])
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(p) else scaled
    adjusted: list[float] = out.tolist()
    return adjusted


def _share(gone: I64) -> float:
    return float(gone.mean()) if len(gone) else 0.0


def _p_missing(a: I64, b: I64) -> float | None:
    if min(len(a), len(b)) < _LEAST or not (a.any() or b.any()):
        return None
    return compare_shares(a, b).p


def _numbers(base: Outcome, a: Sample, b: Sample) -> Outcome:
    found = compare(a.numbers, b.numbers)
    return replace(
        base,
        worth=(found.effective_a, found.effective_b),
        effect=found.shift,
        ratio=found.ratio,
        p=found.p,
        bars=_histograms(a.numbers[np.isfinite(a.numbers)], b.numbers[np.isfinite(b.numbers)]),
    )


def _histograms(a: F64, b: F64) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """For the eye alone: no test sees bins. What lies beyond 99 % of both is in the outermost."""
    low, high = (float(np.quantile(np.concatenate([a, b]), q)) for q in (0.005, 0.995))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return _heights(a, edges), _heights(b, edges)


def _heights(values: F64, edges: F64) -> tuple[float, ...]:
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    return tuple((counts / len(values)).tolist())


def _categories(base: Outcome, a: Sample, b: Sample) -> Outcome:
    names = sorted(set(a.names) | set(b.names))
    if len(names) > _MOST_CATEGORIES:
        return replace(base, note=f"{len(names):,} different values: names or texts, not categories")
    ours, theirs = _renumbered(a, names), _renumbered(b, names)
    found = compare_shares(ours, theirs)
    shares = [np.bincount(codes, minlength=len(names)) / len(codes) for codes in (ours, theirs)]
    shown = np.argsort(-(shares[0] + shares[1]), kind="stable")[:BINS]
    return replace(
        base,
        worth=(found.effective_a, found.effective_b),
        effect=found.change,
        category=names[found.most],
        new=tuple(names[code] for code in found.new),
        vanished=tuple(names[code] for code in found.vanished),
        p=found.p,
        bars=(tuple(shares[0][shown].tolist()), tuple(shares[1][shown].tolist())),
    )


def _renumbered(sample: Sample, names: list[str]) -> I64:
    number = {name: code for code, name in enumerate(names)}
    table = np.array([number[name] for name in sample.names], np.int64)
    out: I64 = table[sample.codes[sample.codes >= 0]]
    return out
