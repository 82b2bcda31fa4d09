"""Names an alarm: what changed, which way, by how much, and since when. Runs once per alarm, off the hot
path.
"""

from dataclasses import dataclass

import numpy as np

from .bets import Book
from .laws import name
from .panel import TESTED, Hit
from .state import State
from .units import convert
from .words import F64, I64, Finding

Z95 = 1.96
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
        told = _Effect("stuck", 0, 1.0, 1.0, 1.0, "share", hit.run)
    elif hit.fault == "missing":
        told = _missing(hit.recent)
    elif hit.fault == "repeat":
        told = _repeat(state, hit)
    else:
        told = _jump(state, hit) or _drift(state, hit, book)
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


def _missing(recent: F64) -> _Effect:
    gone = np.isnan(recent)
    # The stretch that starts at the k-th missing reading from the end and is fullest.
    ago = len(recent) - np.flatnonzero(gone)
    density = np.arange(len(ago), 0, -1) / (ago + 3.0)
    start = int(ago[int(density.argmax())])
    return _Effect("missing", 1, *_share(int(gone[-start:].sum()), start), "share", start)


def _repeat(state: State, hit: Hit) -> _Effect:
    """Many equal readings, not in a row: clipping at a limit, or a sensor that sticks now and then."""
    present = hit.recent[np.isfinite(hit.recent)]
    values, counts = np.unique(present, return_counts=True)
    again = values[counts > 1]
    top, bottom = again.max(initial=-np.inf), again.min(initial=np.inf)
    for limit, beyond, way in ((top, present > top, 1), (bottom, present < bottom, -1)):
        times = int((present == limit).sum())
        # Readings from before the change may still lie beyond the limit; newer ones may not.
        since = present[int(np.flatnonzero(beyond).max(initial=-1)) + 1 :]
        at_end = limit > state.centre[hit.row, 1] if way > 0 else limit < state.centre[hit.row, 1]
        if at_end and times >= 2 and int((since == limit).sum()) == times and times >= len(again):
            first = int(np.flatnonzero(hit.recent == limit)[0])
            n = len(hit.recent) - first
            return _Effect("clipping", way, *_share(times, n), "share", n)
    repeated = np.isin(hit.recent, again)
    n = len(hit.recent) - int(repeated.argmax())
    return _Effect("stuck", 0, *_share(int(repeated.sum()), n), "share", n)


def _jump(state: State, hit: Hit) -> _Effect | None:
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
    way = 1 if np.median(far) > state.centre[hit.row, 1] else -1
    factor = convert(far, float(mean), float(sd))
    if factor is not None:
        return _Effect("unit", way, factor, factor, factor, "factor", ago)
    shift = float(np.mean(far) - mean) / sd
    half = Z95 / len(far) ** 0.5
    return _Effect("jump", way, shift, shift - half, shift + half, "sd", ago)


def _leap(state: State, hit: Hit) -> _Effect:
    """A leap within the reference's range, by a series that never moves so fast."""
    present = hit.recent[np.isfinite(hit.recent)]
    shift = float(present[-1] - present[-min(4, len(present))]) / float(state.raw[hit.row, 1])
    return _Effect("jump", 1 if shift > 0 else -1, shift, shift - abs(shift) / 2, shift + abs(shift) / 2, "sd", 3)


def _drift(state: State, hit: Hit, book: Book) -> _Effect:
    reach = float(state.reach[hit.row])
    named = name(hit.past, int(state.table[hit.row]), reach, book)
    way, ago = named.direction, named.ago
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
