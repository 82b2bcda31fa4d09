"""Names an alarm: what changed, which way, by how much, and since when. Runs once per alarm, off the hot
path.
"""

from dataclasses import dataclass

import numpy as np

from .bets import Book
from .laws import Named, Setting, name
from .panel import TESTED, Hit
from .state import State
from .units import convert
from .words import F64, I64, Finding

Z95 = 1.96
_RARE, _WIDE = 0.03, 5.0  # share of wild readings, and their standard deviations
# Readings in which a change of unit or an offset is found; sd by which it moves them if one lies beyond the reference's
# range, and if none does.
_SUDDEN, _LARGE, _HUGE = 6, 3.0, 5.0
_FAR = 2.5758  # scores beyond are those of 1 % of the reference


@dataclass(frozen=True)
class _Effect:
    kind: str
    direction: int
    effect: float
    low: float
    high: float
    unit: str
    ago: int  # readings since it began, at least 1


def explain(state: State, hit: Hit, book: Book) -> Finding:
    """The finding behind a hit. ``began`` counts readings of the series since it was adopted."""
    if hit.fault == "stuck" or (hit.fault == "repeat" and hit.run > 2):
        told = _limited(state, hit) or _Effect("stuck", 0, 1.0, 1.0, 1.0, "share", hit.run)
    elif hit.fault == "missing":
        told = _missing(state, hit)
    elif hit.fault == "repeat":
        told = _repeat(state, hit)
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # squares of readings beyond all measure
            told = _jump(state, hit, book) or _drift(state, hit, book)
    weighed = hit.evidence[:TESTED] * state.weights[hit.row, :TESTED]
    return Finding(
        at=hit.at,
        row=hit.row,
        kind=told.kind,
        direction=told.direction,
        effect=told.effect,
        low=told.low,
        high=told.high,
        unit=told.unit,
        began=max(hit.seen - told.ago, 0),
        evidence=max(1.0, float(weighed.sum() / state.limit[hit.row])),
        reference=state.references[hit.row],
    )


def _share(k: int, n: int) -> tuple[float, float, float]:
    """Share and its 95 % interval (Wilson, 1927)."""
    z2, p = Z95 * Z95, k / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
    return p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def _missing(state: State, hit: Hit) -> _Effect:
    """Since the missing reading that makes a change of the rate likeliest (Page, 1954)."""
    gone = np.isnan(hit.recent)
    n = len(gone) - np.flatnonzero(gone)
    m = np.arange(len(n), 0, -1)
    # The bets are ratios of chances, after a present reading: they say what the reference's own was.
    stays, comes = state.missing_bet[hit.row].reshape(2, 2, 2)[0, :, 0].tolist()
    usual = (1 - stays) / (comes - stays)
    share = np.clip(m / n, usual, 1 - 1e-9)
    gain = m * np.log(share / usual) + (n - m) * np.log((1 - share) / (1 - usual))
    best = int(gain.argmax())
    # The last one is left out: it was waited for.
    size = _share(max(int(m[best]) - 1, 0), max(int(n[best]) - 1, 1))
    return _Effect("missing", 1, *size, "share", int(n[best]))


def _repeat(state: State, hit: Hit) -> _Effect:
    """Many equal readings, not in a row: clipping at a limit, or a sensor that sticks now and then."""
    if clipped := _clipped(state, hit, 0):
        return clipped
    present = hit.recent[np.isfinite(hit.recent)]
    values, counts = np.unique(present, return_counts=True)
    repeated = np.isin(hit.recent, values[counts > 1])
    n = len(hit.recent) - int(repeated.argmax())
    return _Effect("stuck", 0, *_share(int(repeated.sum()), n), "share", n)


def _limited(state: State, hit: Hit) -> _Effect | None:
    """Equal readings in a row at a limit where others ended before; None where readings repeat by nature."""
    return _clipped(state, hit, hit.run) if state.repeat_bet[hit.row].any() else None


def _clipped(state: State, hit: Hit, run: int) -> _Effect | None:
    """Readings that stop at a limit, more than ``run`` of them there; None if they do not."""
    present = hit.recent[np.isfinite(hit.recent)]
    values, counts = np.unique(present, return_counts=True)
    again = values[counts > 1]
    top, bottom = again.max(initial=-np.inf), again.min(initial=np.inf)
    for limit, beyond, way in ((top, present > top, 1), (bottom, present < bottom, -1)):
        times = int((present == limit).sum())
        # Readings from before the change may still lie beyond the limit; newer ones may not.
        since = present[int(np.flatnonzero(beyond).max(initial=-1)) + 1 :]
        at_end = limit > state.centre[hit.row, 1] if way > 0 else limit < state.centre[hit.row, 1]
        all_since = int((since == limit).sum()) == times
        if at_end and times >= max(2, run + 1) and all_since and times >= len(again):
            first = int(np.flatnonzero(hit.recent == limit)[0])
            n = len(hit.recent) - first
            return _Effect("clipping", way, *_share(times, n), "share", n)
    return None


def _jump(state: State, hit: Hit, book: Book) -> _Effect | None:
    """A leap out of the reference's range that stays: a known change of unit, or an offset."""
    lo, hi = state.range[hit.row, :2]
    tail = hit.recent[-4:]
    out = max(tail > hi, tail < lo, key=lambda side: int(side.sum()))
    # Two in a row, or two of four unless it is rather the tails that have grown.
    weighed = hit.evidence * state.weights[hit.row]
    located = bool(weighed[:10].sum() > weighed[15:19].sum())
    if not (out[-2:].all() or (located and out.sum() >= 2)):
        return _leap(state, hit) if hit.fault == "jump" else None
    far = tail[int(out.argmax()) :]
    far = far[np.isfinite(far)]
    ago = len(tail) - int(out.argmax())
    mean, sd = state.raw[hit.row]
    factor, likely = convert(far, float(mean), float(sd))
    if _wild(state, hit, far, ago, book) > likely - float(np.log(max(len(hit.past), 1))):
        return None
    return _offset(state, hit, far, ago, factor)


def _wild(state: State, hit: Hit, far: F64, ago: int, book: Book) -> float:
    """As ``convert``: how likely it is that a few wild readings came together, for what was seen before them."""
    if len(hit.past) <= ago:
        return -float("inf")
    mean, sd = state.raw[hit.row]
    before = _named(state, hit, hit.past[:-ago], book)
    z = (far - mean) / sd
    usual, wide = np.log(1 - _RARE) - z * z / 2, np.log(_RARE / _WIDE) - (z / _WIDE) ** 2 / 2
    wild = float(np.logaddexp(usual, wide).sum())
    return max(before.odds["tail"], before.odds["spread"]) + wild


def _named(state: State, hit: Hit, past: I64, book: Book) -> Named:
    row = hit.row
    setting = Setting(
        table=int(state.table[row]),
        reach=float(state.reach[row]),
        size=int(state.below[row, -1]),
        follows=bool(state.order[row]),
        limit=float(state.limit[row]),
    )
    return name(past, setting, book)


def _leap(state: State, hit: Hit) -> _Effect:
    """A leap within the reference's range, by a series that never moves so fast."""
    present = hit.recent[np.isfinite(hit.recent)]
    shift = float(present[-1] - present[-min(4, len(present))]) / float(state.raw[hit.row, 1])
    return _Effect("jump", 1 if shift > 0 else -1, shift, shift - abs(shift) / 2, shift + abs(shift) / 2, "sd", 3)


def _drift(state: State, hit: Hit, book: Book) -> _Effect:
    reach = float(state.reach[hit.row])
    named = _named(state, hit, hit.past, book)
    way, ago = named.direction, named.ago
    if ago <= _SUDDEN and named.kind in {"mean", "spread"} and (sudden := _sudden(state, hit, ago)):
        return sudden
    score = book.score[hit.past[-ago:]]
    n = len(score)
    if named.kind == "ramp":
        slope, low, high = (each / reach for each in _slope(book.score[hit.past], ago))
        return _Effect("ramp", way, slope, low, high, "sd/sample", ago)
    if named.kind == "mean":
        half = Z95 * max(float(score.std()), 0.1) / n**0.5
        centre = float(score.mean())
        return _Effect("mean", way, centre / reach, (centre - half) / reach, (centre + half) / reach, "sd", ago)
    if named.kind == "spread":
        ratio, half = float(np.sqrt(np.mean(score * score))), Z95 / (2 * max(n, 2)) ** 0.5
        return _Effect("spread", way, ratio, ratio * np.exp(-half), ratio * np.exp(half), "ratio", ago)
    if named.kind == "tail":
        far = int((np.abs(score) > _FAR).sum())
        return _Effect("tail", way, *_share(far, n), "share", ago)
    if named.kind == "dependence":
        past, now = score[:-1], score[1:]
        rho = float((past * now).sum() / max(float((score * score).sum()), 1e-9)) if n > 2 else float(way)
        half = Z95 / n**0.5
        return _Effect("dependence", way, rho, max(rho - half, -1.0), min(rho + half, 1.0), "rho", ago)
    return _Effect("shape", way, *_distance(hit.past[-ago:], book), "distance", ago)


def _sudden(state: State, hit: Hit, ago: int) -> _Effect | None:
    """A unit or an offset of which not enough readings lie beyond the reference's range; None for less than that."""
    far = hit.recent[-ago:]
    far = far[np.isfinite(far)]
    mean, sd = (float(each) for each in state.raw[hit.row])
    lo, hi = state.range[hit.row, :2]
    size = abs(float(far.mean()) - mean) / sd if len(far) else 0.0
    if size < _LARGE or (size < _HUGE and not ((far > hi) | (far < lo)).any()):
        return None
    factor, _ = convert(far, mean, sd)
    return _offset(state, hit, far, ago, factor) if factor or size >= _HUGE else None


def _offset(state: State, hit: Hit, far: F64, ago: int, factor: float | None) -> _Effect:
    """What moved readings to ``far``: a unit of this factor, or an offset."""
    mean, sd = state.raw[hit.row]
    way = 1 if np.median(far) > state.centre[hit.row, 1] else -1
    if factor is not None:
        return _Effect("unit", way, factor, factor, factor, "factor", ago)
    shift = float(np.mean(far) - mean) / sd
    half = Z95 / len(far) ** 0.5
    return _Effect("jump", way, shift, shift - half, shift + half, "sd", ago)


def _slope(score: F64, ago: int) -> tuple[float, float, float]:
    """Slope of the scores and its 95 % interval by profile likelihood: the start is not known, either."""
    found = []
    for start in np.unique(np.linspace(ago / 2, 2 * ago, 61).astype(np.int64)):
        line = np.arange(max(start - len(score), 0) + 1, start + 1)
        power, product = float(np.sum(line * line)), float(np.sum(line * score[-start:]))
        found.append((product * product / (2 * power), product / power, power))
    top = max(found)
    near = [
        (slope, (2 * over / power) ** 0.5) for fit, slope, power in found if (over := fit - top[0] + Z95**2 / 2) >= 0
    ]
    return top[1], min(slope - half for slope, half in near), max(slope + half for slope, half in near)


def _distance(cells: I64, book: Book) -> tuple[float, float, float]:
    """Largest difference of the distributions of the ranks and of uniform ones, with a DKW interval."""
    width = book.width
    seen = np.bincount(cells, minlength=len(width)) / len(cells)
    gap = float(np.abs(np.cumsum(seen - width)).max())
    half = float((np.log(2 / 0.05) / (2 * len(cells))) ** 0.5)
    return gap, max(0.0, gap - half), min(1.0, gap + half)
