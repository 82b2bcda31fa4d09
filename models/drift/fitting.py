"""Learns a Reference from a clean stretch of readings. Slow and careful; runs in training, never while
serving.
"""

from dataclasses import dataclass, replace

import numpy as np

from .bets import FAMILY_NAMES, STEPS, book, closest_shape
from .knots import keys, tie_knots
from .operating import Split, splits
from .reference import CURVE, DAY_NS, LAGS, STATES, Reference
from .regression import Model, curve, harmonics, regress
from .residuals import residuals
from .schedule import at_time, steps_of_day
from .state import NEAR, empty, fill, make_room
from .trust import trust
from .volatility import fit_volatility, seasonal_swing
from .words import F64, I64, Bools, Rows

SMALLEST = 50
# Weight of the evidence where volatility changes, where readings follow each other, where the reference settles how,
# where there is a season, and where few were seen. What was estimated is known only roughly; these hold the measured
# rate of false alarms with room to spare.
_VOLATILE, _FOLLOWING, _SETTLED, _SEASONAL, _SHORT = 0.85, 0.8, 0.95, 0.9, 0.8
# Where lags were wanted by a hair, as in one in a hundred short references of independent readings, they may be the
# reference's own chance, and what they then do to the residuals goes on for ever. So nothing is bet on dependence.
_DOUBTFUL = np.array([0.0 if name == "dependence" else 0.25 for name in FAMILY_NAMES])


def learn(reference: F64, samples_per_day: float | None, times: I64 | None) -> Reference:
    """See ``DriftTest.fit``."""
    values, cadence, clock = _checked(reference, samples_per_day, times)
    split, steps, model = _choose(values, cadence, clock)
    draft = _draft(values, cadence, split, model)
    if steps is not None:
        draft = replace(draft, steps=steps)
    error, state = _errors(draft, clock, values)
    scale = np.array([_sd(error[(state == s) & np.isfinite(error)]) for s in range(STATES)])
    draft = replace(draft, scales=scale)
    error = error / scale[state]
    swing = seasonal_swing(error, clock, cadence)
    draft = replace(draft, swing=swing)
    if (swing != 1).any():
        error, state = _errors(draft, clock, values)
    draft = replace(draft, volatility=fit_volatility(error[np.isfinite(error)]))
    error, state = _errors(draft, clock, values)
    fitted = _finish(draft, error * model.leverage, state)
    return replace(fitted, trust=fitted.trust * _DOUBTFUL) if model.doubtful else fitted


def _checked(reference: F64, samples_per_day: float | None, times: I64 | None) -> tuple[F64, float, I64]:
    values = np.asarray(reference, np.float64)
    if values.ndim != 1:
        raise ValueError(f"a reference is one series of readings, not an array of shape {values.shape}")
    values = np.where(np.isfinite(values), values, np.nan)
    present = int(np.isfinite(values).sum())
    if present < SMALLEST:
        raise ValueError(f"a reference needs at least {SMALLEST} readings, this one has {present}")
    cadence = 0.0 if samples_per_day is None else float(samples_per_day)
    if not 0 <= cadence < 1e9:
        raise ValueError(f"samples_per_day is {samples_per_day}, expected more than 0")
    if times is None:
        clock = (np.arange(len(values)) * (DAY_NS / cadence if cadence else 1.0)).astype(np.int64)
    else:
        clock = np.asarray(times, np.int64)
        if clock.shape != values.shape:
            raise ValueError(f"{len(clock)} times for {len(values)} readings")
    return values, cadence, clock


def _choose(values: F64, cadence: float, clock: I64) -> tuple[Split, F64 | None, Model]:
    """Operating states, steps of the day, season and autoregression together, by the Bayesian information criterion."""
    waves, price = harmonics(clock, cadence, len(values)), float(np.log(len(values)))
    found: list[tuple[float, Split, F64 | None, Model]] = []
    for split in splits(values):
        free = values - split.levels[split.state]
        model = regress(free, waves, split.state)
        found.append((split.bic + model.bic, split, None, model))
        if (steps := steps_of_day(free, clock, cadence)) is not None:
            model = regress(free - at_time(steps[None], clock[None])[0], waves, split.state)
            edges = np.count_nonzero(steps[1])
            found.append((split.bic + model.bic + 2 * edges * price, split, steps, model))
    return min(found, key=lambda each: each[0])[1:]


def _draft(values: F64, cadence: float, split: Split, model: Model) -> Reference:
    """A reference that yields plain one-step errors; scales, volatility and ranks are learned from those."""
    present = values[np.isfinite(values)]
    knots = tie_knots(np.zeros(2), np.zeros(2, np.int64), 1)
    cuts, levels = np.full(STATES - 1, np.inf), np.full(STATES, split.levels[-1])
    cuts[: len(split.cuts)], levels[: len(split.levels)] = split.cuts, split.levels
    season = curve(model.waves, model.constant)
    rest = 1 - float(model.lags.sum())
    if not model.waves.any() and rest > 1e-3:  # no season: the levels take the constant, and no curve need be read
        levels += model.constant / rest
        season = np.zeros(CURVE)
    return Reference(
        n=len(present),
        samples_per_day=cadence,
        mean=float(present.mean()),
        sd=_sd(present),
        lo=float(present.min()),
        hi=float(present.max()),
        centre=np.quantile(present, [0.01, 0.5, 0.99]),
        edge_lo=-np.inf,
        edge_hi=np.inf,
        push=np.zeros(2),
        states=len(split.levels),
        cuts=cuts,
        levels=levels,
        scales=np.ones(STATES),
        season=season,
        swing=np.ones(CURVE),
        lags=model.lags,
        volatility=np.array([1.0, 0.0, 0.0, 25.0]),
        reach=1.0,
        shape=0,
        trust=np.ones(len(FAMILY_NAMES)),
        knots=knots.at,
        below=knots.below,
        first=knots.first,
        missing=_missing_rates(np.isnan(values)),
        repeat=_repeat_rate(values),
        stuck=_stuck_after(values),
    )


def _errors(draft: Reference, clock: I64, values: F64) -> tuple[F64, I64]:
    """Residuals by the very code that will serve; NaN where a reading or the warm-up is missing."""
    state = empty()
    make_room(state, 0)
    fill(state, 0, draft, limit=1.0, table=0)
    found = residuals(state, Rows.of(np.zeros(1, np.int64)), clock[None], values[None])
    error = found.value[0].copy()
    error[:LAGS] = np.nan
    return error, found.state[0]


def _finish(draft: Reference, error: F64, state: I64) -> Reference:
    """Ranks, bets and bounds from the residuals."""
    usable = np.isfinite(error)
    residual, where = error[usable], state[usable]
    knots = tie_knots(keys(residual, where), where, draft.states)
    far = 0.1 * float(residual.max() - residual.min())
    spread = float(np.mean(draft.scales[where])) * float(np.mean(draft.swing))
    reach = (1 - float(draft.lags.sum())) * draft.sd / spread
    lo, hi = _range(draft)
    fitted = replace(
        draft,
        lo=lo,
        hi=hi,
        edge_lo=float(residual.min()) - far,
        edge_hi=float(residual.max()) + far,
        push=np.quantile(residual, [0.1, 0.9]),
        reach=max(reach, 0.02),
        shape=closest_shape(residual),
        trust=np.ones(len(FAMILY_NAMES)),
        knots=knots.at,
        below=knots.below,
        first=knots.first,
    )
    return replace(fitted, trust=_margin(fitted) * trust(keys(residual, where), where, table_of(fitted), book()))


def _margin(fitted: Reference) -> float:
    margin = 1.0 if fitted.n >= 2000 else _SHORT
    if fitted.volatility[1] > 0:
        return margin * _VOLATILE
    if fitted.lags.any():
        return margin * (_SETTLED if fitted.settled else _FOLLOWING) * (_FOLLOWING if fitted.steps.any() else 1.0)
    return margin * (_SEASONAL if fitted.seasonal else 1.0)


def _range(draft: Reference) -> tuple[float, float]:
    """Raw values that the process may reach: all seen, and what so few independent readings cannot exclude."""
    persistence = min(max(float(draft.lags.sum()), 0.0), 0.999)
    worth = max(draft.n * (1 - persistence) / (1 + persistence), 2.0)
    far = draft.sd * (4 + 6 / worth**0.5)
    return min(draft.lo, draft.mean - far), max(draft.hi, draft.mean + far)


def table_of(reference: Reference) -> int:
    """First row in the book's tables of the bets for this series: its shape, and the step of its shifts."""
    # Bets on shifts that the reference itself leaves uncertain would only gain from its error.
    wanted = min(max(reference.reach, 10 / reference.n**0.5), 1.0)
    step = int(np.abs(np.log(np.array(STEPS) / wanted)).argmin())
    return (reference.shape * len(STEPS) + step) * book().cells


def _sd(values: F64) -> float:
    """Standard deviation; 1 where nothing varies, so that constants stay defined."""
    spread = float(values.std()) if len(values) else 0.0
    scale = float(np.abs(values).max(initial=0.0))
    return spread if spread > 1e-12 * scale and spread > 0 else 1.0


def _missing_rates(missing: Bools) -> F64:
    """Chance of a missing reading after a present and after a missing one, by Jeffreys."""
    before, now = missing[:-1], missing[1:]
    rates = [(float((now & (before == was)).sum()) + 0.5) / (float((before == was).sum()) + 1) for was in (False, True)]
    out: F64 = np.clip(np.array([rates[0], max(rates[1], rates[0])]), 1e-6, 0.9)
    return out


def _repeat_rate(values: F64) -> float:
    same = np.zeros(len(values), np.bool_)
    for i in range(1, NEAR + 1):
        same[i:] |= values[i:] == values[:-i]
    return (float(same.sum()) + 0.5) / (len(values) + 1)


@dataclass(frozen=True)
class _Runs:
    longest: int
    chance: float


def _runs(values: F64) -> _Runs:
    """Longest run of equal readings, and the highest chance that a run of any length goes on."""
    equal = values[1:] == values[:-1]
    ends = np.flatnonzero(np.concatenate([~equal, [True]]))
    lengths = np.diff(np.concatenate([[-1], ends]))
    chance = 0.0
    for k in range(1, int(lengths.max()) + 1):
        reached, on = int((lengths >= k).sum()), int((lengths > k).sum())
        if reached < 20 and k > 1:
            break
        chance = max(chance, (on + 1) / (reached + 2))
    return _Runs(longest=int(lengths.max()), chance=chance)


def _stuck_after(values: F64) -> int:
    """Run length that chance gives less than once in 1e8 readings, and that is well beyond any seen."""
    runs = _runs(values[np.isfinite(values)])
    if runs.chance > 0.98:  # a signal that rests by nature
        return max(4 * runs.longest, 200)
    by_chance = 1 + int(np.ceil(np.log(1e-8) / np.log(runs.chance)))
    return max(5, by_chance, runs.longest + 2)
