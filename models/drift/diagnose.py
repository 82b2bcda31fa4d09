"""Names an alarm: what changed, which way, by how much, and since when. Runs once per alarm, off the hot
path.
"""

from dataclasses import dataclass

import numpy as np

from .bets import DEPENDENCE, DIRECTIONS, FAMILIES, Book
from .panel import TESTED, Hit
from .state import State
from .units import convert
from .words import F64, I64, Finding

Z95 = 1.96
_HALF = 0.005  # either tail of the ranks that "share" counts


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
    weighed = hit.evidence[:TESTED] * book.weights[:TESTED]
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
    tail = hit.recent[-6:]
    out = tail > hi if tail[-1] > hi else tail < lo
    # A test that hears far readings before the check for jumps does needs more of them to call it one.
    if not out[-1] or out[-2:].sum() < 2 or (hit.fault != "jump" and out[-3:].sum() < 3):
        return None
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


def _drift(state: State, hit: Hit, book: Book) -> _Effect:
    weighed = hit.evidence[:TESTED] * book.weights[:TESTED]
    names = np.array(FAMILIES)
    family = max(dict.fromkeys(FAMILIES), key=lambda f: float(weighed[names == f].sum()))
    ago = _since(state, hit, np.where(names == family, weighed, 0.0), book)
    if family in ("mean", "spread") and _follows(book.score[hit.past[-min(max(ago, 24), 200) :]]):
        family = "dependence"  # long excursions look like shifts until they turn
    mine = np.where(names == family, weighed, 0.0)
    up = float(mine[np.array(DIRECTIONS) > 0].sum())
    way = 1 if up >= mine.sum() - up else -1
    ago = _since(state, hit, mine, book)
    return _measure(state, hit, family, way, book.score[hit.past[-ago:]], ago)


def _since(state: State, hit: Hit, weighed: F64, book: Book) -> int:
    """How many ranks ago the leading bet began to win: the maximum likelihood estimate of the change point."""
    gains = np.cumsum(np.log(_gains(state, hit, int(weighed.argmax()), book))[::-1])
    return int(gains.argmax()) + 1


def _follows(score: F64) -> bool:
    """Whether neighbouring ranks are correlated far beyond chance, a shift of the mean apart."""
    centred = score - score.mean()
    power = float((centred * centred).sum())
    rho = float((centred[1:] * centred[:-1]).sum()) / max(power, 1e-9)
    return len(score) >= 24 and rho > max(0.3, 2.3 / len(score) ** 0.5)


def _gains(state: State, hit: Hit, bet: int, book: Book) -> F64:
    """What one bet gained at each of the past ranks."""
    if DEPENDENCE.start <= bet < DEPENDENCE.stop:
        level = book.level_of_cell[hit.past]
        before = np.concatenate([level[:1], level[:-1]])
        out: F64 = book.dependence[before * book.cells + hit.past, bet - DEPENDENCE.start]
        return out
    gained: F64 = book.tables[int(state.table[hit.row]) + hit.past, bet]
    return gained


def _measure(state: State, hit: Hit, family: str, way: int, score: F64, ago: int) -> _Effect:
    n = len(score)
    if family == "mean":
        half = Z95 * max(float(score.std()), 0.1) / n**0.5
        reach, centre = float(state.reach[hit.row]), float(score.mean())
        return _Effect("mean", way, centre / reach, (centre - half) / reach, (centre + half) / reach, "sd", ago)
    if family == "spread":
        ratio, half = float(np.sqrt(np.mean(score * score))), Z95 / (2 * max(n, 2)) ** 0.5
        return _Effect("spread", way, ratio, ratio * np.exp(-half), ratio * np.exp(half), "ratio", ago)
    if family == "tail":
        far = int((np.abs(score) > 2.5758).sum())
        return _Effect("tail", way, *_share(far, n), "share", ago)
    if family == "dependence":
        past, now = score[:-1], score[1:]
        rho = float((past * now).sum() / max(float((score * score).sum()), 1e-9)) if n > 2 else float(way)
        half = Z95 / n**0.5
        return _Effect("dependence", way, rho, max(rho - half, -1.0), min(rho + half, 1.0), "rho", ago)
    return _Effect("shape", way, *_distance(hit.past[-ago:]), "distance", ago)


def _distance(cells: I64) -> tuple[float, float, float]:
    """Largest difference of the distributions of the ranks and of uniform ones, with a DKW interval."""
    from .bets import book

    width = book().width
    seen = np.bincount(cells, minlength=len(width)) / len(cells)
    gap = float(np.abs(np.cumsum(seen - width)).max())
    half = float((np.log(2 / 0.05) / (2 * len(cells))) ** 0.5)
    return gap, max(0.0, gap - half), min(1.0, gap + half)
