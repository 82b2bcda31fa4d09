"""Names an alarm: what changed, which way, by how much, and since when. Runs once per alarm, off the hot
path.
"""

from dataclasses import dataclass

import numpy as np

from .bets import DEPENDENCE, DIRECTIONS, FAMILIES, RECORDS, Book
from .panel import TESTED, Hit
from .state import State
from .units import convert
from .words import F64, I64, Finding

Z95 = 1.96
_FEW = 20  # readings that say nothing about tails
_DRAW = 1.0  # nats
_SHORTEST_RAMP = 300
_RAMP_OVER_STEP = 1.0  # nats; a step explains five sixths of a ramp, and the other way round
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
    weighed = hit.evidence[:TESTED] * state.weights[hit.row, :TESTED]
    names = np.array(FAMILIES)
    family = max(dict.fromkeys(FAMILIES), key=lambda f: float(weighed[names == f].sum()))
    ago = _since(state, hit, np.where(names == family, weighed, 0.0), book)
    if family in ("mean", "spread") and _follows(book.score[hit.past[-min(max(ago, 24), 200) :]]):
        family = "dependence"  # long excursions look like shifts until they turn
    if family == "spread" and ago > _FEW and _rather_tail(book.score[hit.past[-ago:]]):
        family = "tail"
    mine = np.where(names == family, weighed, 0.0)
    up = float(mine[np.array(DIRECTIONS) > 0].sum())
    way = 1 if up >= mine.sum() - up else -1
    ago = _since(state, hit, mine, book)
    return _measure(state, hit, family, way, book.score[hit.past[-ago:]], ago)


def _since(state: State, hit: Hit, weighed: F64, book: Book) -> int:
    """How many ranks ago the leading bet began to win: the maximum likelihood estimate of the change point."""
    gains = np.cumsum(np.log(_gains(state, hit, int(weighed.argmax()), book))[::-1])
    return int(gains.argmax()) + 1


def _rather_tail(score: F64) -> bool:
    """Whether a few wild readings explain the scores clearly better than a wider law does."""
    square = np.minimum(score * score, 15.0)
    if float(square.mean()) < 1:  # a narrower law is no question of tails
        return False
    wider = max(float((-np.log(s) - square / 2 * (1 / s**2 - 1)).sum()) for s in (1.1, 1.2, 1.3, 1.45, 1.7, 2.2))
    wild = max(
        float(np.log1p(e * (np.exp(square / 2 * (1 - 1 / w**2)) / w - 1)).sum())
        for e in (0.01, 0.02, 0.04, 0.08)
        for w in (3.0, 5.0)
    )
    return wild > wider + _DRAW


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
    # The bet on records depends on how many there were; its neighbour dates tails nearly as well.
    bet = bet + 1 if bet == RECORDS else bet
    gained: F64 = book.tables[int(state.table[hit.row]) + hit.past, bet]
    return gained


def _measure(state: State, hit: Hit, family: str, way: int, score: F64, ago: int) -> _Effect:
    n = len(score)
    if family == "mean" and (ramp := _ramp(state, hit)) is not None:
        return ramp
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


def _ramp(state: State, hit: Hit) -> _Effect | None:
    """A slope, when it explains the scores better than a step does: likelihood ratios maximised over the start."""
    from .bets import book

    newest = book().score[hit.past][::-1]
    n = np.arange(1, len(newest) + 1)
    total, weighted = np.cumsum(newest), np.cumsum(newest * (n - 1))
    step = total * total / (2 * n)
    moment = n * total - weighted  # sum of score times 1, 2, 3 ... since the start
    power = n * (n + 1) * (2 * n + 1) / 6
    ramp = moment * moment / (2 * power)
    best = int(ramp.argmax())
    if best < _SHORTEST_RAMP or ramp[best] < step.max() + _RAMP_OVER_STEP:
        return None
    slope, half = float(moment[best] / power[best]), Z95 / float(power[best]) ** 0.5
    reach = float(state.reach[hit.row])
    way = 1 if slope > 0 else -1
    return _Effect("ramp", way, slope / reach, (slope - half) / reach, (slope + half) / reach, "sd/sample", best + 1)


def _distance(cells: I64) -> tuple[float, float, float]:
    """Largest difference of the distributions of the ranks and of uniform ones, with a DKW interval."""
    from .bets import book

    width = book().width
    seen = np.bincount(cells, minlength=len(width)) / len(cells)
    gap = float(np.abs(np.cumsum(seen - width)).max())
    half = float((np.log(2 / 0.05) / (2 * len(cells))) ** 0.5)
    return gap, max(0.0, gap - half), min(1.0, gap + half)
