"""Which law explains the latest ranks best: a step, a slope, another spread, wilder tails, another shape, dependence.

The bets say *that* something changed, and their weights say what was feared, not what happened. So an alarm is named
by comparing laws on equal terms on the ranks that were kept: for each law the likelihood ratio against "nothing
changed", averaged over when it began and over a grid of sizes (Bayes factors; Kass & Raftery, JASA 1995).

A step and a slope can fit equally well: the best step explains eight ninths of what a slope does. They differ in how
long they take to be found, so between these two the start is expected where a change of that size would have begun.
Steps begin at a quarter of a standard deviation, and slopes take thousands of readings to climb as much.

Wider and wilder laws are those of the reference's own shape. Beyond its range all readings rank alike, so there the
likelihood ratio is that of the whole tail. Where readings follow each other, a wild one echoes in the next residuals.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .bets import FLOOR, SIZES, SLOTS, Book, book, quantiles
from .state import PAST
from .words import F64, I64

STEPS = (0.25, 0.32, 0.4, 0.5, 0.65, 0.85, 1.1, 1.5, 2.0, 3.0, 4.5, 7.0, 11.0)  # sd of the raw value
SLOPES = (6e-5, 9e-5, 1.2e-4)  # the same per reading; steeper ones are found before they differ from steps
RATIOS = (0.35, 0.5, 0.6, 0.7, 0.78, 0.86, 1.13, 1.2, 1.3, 1.45, 1.7, 2.2, 3.0)
SHARES, WIDTHS = (0.01, 0.02, 0.04), (3.0, 4.0, 6.0, 9.0)  # of wild readings, and how wild
ECHO = 0.5  # share of wild readings after a wild one, where readings follow each other
RHOS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BENDS = (0.3, 0.6, 0.95)
# Log prior odds, which make errors to either side about as frequent.
PRIOR = {"ramp": 1.2, "dependence": 0.5, "spread": 0.5}
_LEAN = 3.5  # where readings follow each other next to nothing tells a slope from a step: it leans to the step
# A change is found with so many nats of evidence less than the log of the limit; sd of the log of how long that takes,
# and the least it takes.
_LESS, _GIVE, _LEAST = 3.5, 0.45, 4.0
# Readings that a slope may have run before the first one that was kept, and how many starts each stands for.
_BEFORE, _STARTS = np.array([128, 512, 1024, 2048]), np.array([256, 512, 768, 1024])
_ECHOED = 2.8  # scores from which on a reading may echo
_WILDEST = 4.0  # scores beyond are those of the last ranks, which the reference cannot tell apart


@dataclass(frozen=True)
class Setting:
    """What laws are compared in. ``table``: where the bets of the series begin; ``reach``: how many standard deviations
    the residuals move by when the raw value moves by one; ``size``: readings of the reference; ``follows``: whether
    readings follow each other; ``limit``: readings between false alarms.
    """

    table: int = 0
    reach: float = 1.0
    size: int = 10_000
    follows: bool = False
    limit: float = 1e5

    @property
    def beyond(self) -> float:
        """Chance of a rank beyond the reference's at either end, as far as cells can tell."""
        return max(1 / (self.size + 1), 1 / SLOTS)

    @property
    def step(self) -> float:
        """As ``reach``, by one sd of what a season leaves."""
        return min(self.reach, 1.0)

    @property
    def found(self) -> float:
        """Nats of evidence with which a change is found."""
        return max(float(np.log(self.limit)) - _LESS, 1.0)


@dataclass(frozen=True)
class Named:
    """``kind``: a word of DRIFTS; ``direction``; ``ago``: readings since it began, at least 1; ``odds``: log
    posterior odds of each kind against no change.
    """

    kind: str
    direction: int
    ago: int
    odds: dict[str, float]


@dataclass(frozen=True)
class _Fit:
    kind: str
    direction: int
    since: F64  # log likelihood ratio by how many readings ago it began; of slopes also before those that were kept
    timed: float = 0.0  # of steps and slopes: log of its mean over starts, weighed by how long it takes to be found


def name(past: I64, setting: Setting, book: Book) -> Named:
    """The law behind the ranks ``past`` among the reference (cells, int64[n], oldest first, n at least 1)."""
    fits = [*_located(past, setting, book), *_scaled(past, setting, book), *_shaped(past, book)]
    odds = {
        kind: _mean([_mean(fit.since) for fit in fits if fit.kind == kind]) + PRIOR.get(kind, 0.0)
        for kind in dict.fromkeys(fit.kind for fit in fits)
    }
    kind = max(odds, key=lambda k: odds[k])
    if kind in {"mean", "ramp"}:
        mean, ramp = (_mean([fit.timed for fit in fits if fit.kind == each]) for each in ("mean", "ramp"))
        kind = "ramp" if ramp + _LEAN * float(np.log(setting.step)) > mean else "mean"
    best = max((fit for fit in fits if fit.kind == kind), key=lambda fit: float(fit.since.max()))
    ago = int(best.since.argmax()) + 1
    if ago > len(past):
        ago = len(past) + int(_BEFORE[ago - len(past) - 1])
    return Named(kind, best.direction, ago, odds)


def _mean(logs: F64 | list[float]) -> float:
    """Log of the mean of what these are the logs of."""
    top = float(np.max(logs))
    return top + float(np.log(np.mean(np.exp(np.asarray(logs) - top))))


def _since(gains: F64) -> F64:
    """Sums over the newest 1, 2, 3 ... readings."""
    out: F64 = np.cumsum(gains[::-1])
    return out


def _located(past: I64, setting: Setting, book: Book) -> Iterator[_Fit]:
    """Steps, and slopes as exponential tilts by the score of a shift in the law of the reference."""
    every, reach = _score(setting.table, book), setting.step
    shape = book.shape_of(setting.table)
    score, power = every[past], float(np.sum(book.width * every * every))
    n = np.arange(1.0, len(score) + 1)
    total = _since(score)
    moment = n * total - np.cumsum(score[::-1] * (n - 1))  # of the scores with 1, 2, 3 ... since the start
    squares = n * (n + 1) * (2 * n + 1) / 6 * power
    for way in (1, -1):
        for size in STEPS:
            move = way * size * reach
            step = _since(np.log(_ratio(shape, setting.beyond, shift=move))[past])
            yield _Fit("mean", way, step, _timed(step, n, 2 * setting.found / (move * move * power)))
        for size in SLOPES:
            slope = way * size * reach
            inside = slope * moment - slope * slope * squares / 2
            line = np.append(inside, _earlier(slope, score, power))
            ago = np.append(n, PAST + _BEFORE)[: len(line)]
            yield _Fit("ramp", way, line, _timed(line, ago, (6 * setting.found / (slope * slope * power)) ** (1 / 3)))


def _timed(since: F64, ago: F64, usual: float) -> float:
    """Log of the mean over starts that lie a log-normal time of median ``usual`` ago."""
    off = np.log(ago / (usual + _LEAST)) / _GIVE
    logs = since - off * off / 2 - np.log(ago * _GIVE * (2 * np.pi) ** 0.5)
    top = float(logs.max())
    return top + float(np.log(np.exp(logs - top).sum()))


def _earlier(slope: float, score: F64, power: float) -> F64:
    """Log likelihood ratios of slopes that began before the readings that were kept, once there are so many."""
    if len(score) < PAST:
        return np.zeros(0)
    line = slope * (np.arange(1, PAST + 1) + _BEFORE[:, None])
    out: F64 = (line * score - line * line * power / 2).sum(axis=1) + np.log(_STARTS)
    return out


def _score(table: int, book: Book) -> F64:
    """float64[cells], mean 0: how the log likelihood of a rank moves with a shift of one sd of the residuals."""
    up, down = (np.log(book.tables[table : table + book.cells, i]) for i in (0, 1))  # of the smallest size
    score = (up - down) / ((1 - FLOOR) * 2 * SIZES[0] * book.step_of(table))
    out: F64 = score - np.sum(book.width * score)
    return out


def _scaled(past: I64, setting: Setting, book: Book) -> Iterator[_Fit]:
    """Another spread, and a share of readings from a wide normal law."""
    shape, beyond = book.shape_of(setting.table), setting.beyond
    for ratio in RATIOS:
        wider = np.log(_ratio(shape, beyond, times=ratio))
        yield _Fit("spread", 1 if ratio > 1 else -1, _since(wider[past]))
    wild = np.abs(book.score[past]) > _ECHOED
    after = np.append(False, wild[:-1]) & setting.follows
    for width in WIDTHS:
        more = _ratio(shape, beyond, times=width, normal=True)[past] - 1
        for share in SHARES:
            yield _Fit("tail", 1, _since(np.log1p(np.where(after, ECHO, share) * more)))


@lru_cache(maxsize=512)
def _ratio(shape: str, beyond: float, *, shift: float = 0.0, times: float = 1.0, normal: bool = False) -> F64:
    """float64[cells]: likelihood ratio of the law moved by ``shift`` sd, ``times`` as wide; or of a normal one.

    Ranks with a chance of less than ``beyond`` at either end count alike.
    """
    x, density = quantiles(shape)
    width = book().width
    there = (x - shift) / times
    if normal:
        new = np.exp(-(there**2) / 2) / (2 * np.pi) ** 0.5
    else:
        new = np.interp(there.ravel(), x.ravel(), density.ravel(), 0.0, 0.0).reshape(x.shape)
    mass = (new / times / density).mean(axis=1) * width
    place = np.cumsum(width) - width / 2
    ends = place < beyond, place > 1 - beyond
    # What lies further out than the points of the last cells.
    rest, found = 1 - float(mass.sum()), np.array([float(mass[end].sum()) for end in ends])
    goes = np.array([shift < 0, shift > 0], np.float64) if shift else found / max(float(found.sum()), 1e-300)
    for i, end in enumerate(ends):
        mass[end] = width[end] / float(width[end].sum()) * max(found[i] + rest * goes[i], 0.0)
    out: F64 = np.maximum(mass / width, FLOOR)
    return out


def _shaped(past: I64, book: Book) -> Iterator[_Fit]:
    """Neighbours that go together, and other shapes."""
    score = book.score[past]
    square = np.minimum(score * score, _WILDEST**2)
    last = np.append(0.0, score[:-1])
    for rho in RHOS:
        for way in (1, -1):
            rest = 1 - rho * rho
            gain = square / 2 - (score - way * rho * last) ** 2 / (2 * rest) - np.log(rest) / 2
            yield _Fit("dependence", way, _since(gain))
    place = np.cumsum(book.width) - book.width / 2
    y = 2 * place[past] - 1
    for bend in ((5 * y**3 - 3 * y) / 2, (35 * y**4 - 30 * y**2 + 3) / 8):
        for size in BENDS:
            for way in (1, -1):
                yield _Fit("shape", way, _since(np.log1p(way * size * bend)))
