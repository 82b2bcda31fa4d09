"""Steps at fixed times of day: shifts, opening hours, a night setback. A sum of harmonics cannot follow those.

Each edge is a sawtooth over the day, which jumps there and returns evenly until the next day: two of them with
opposite jumps make a square wave, and what is left of the slope is smooth and goes to the harmonics.
"""

import numpy as np

from .reference import DAY_NS, EDGES
from .regression import harmonics, normal_equations
from .words import F64, I64

_WINDOW = 72  # part of the day that is averaged on either side of an edge: 20 minutes
_CLEAR = 4.5  # robust sd of the contrast that an edge must exceed; chance does it now and then, the BIC then refuses
_LEAST_DAYS, _LEAST_CADENCE = 1.9, 144.0


def steps_of_day(values: F64, clock: I64, cadence: float) -> F64 | None:
    """float64[2, EDGES]: edges as parts of the day and what readings jump by there; None where there are none.

    ``values``: float64[n], NaN = missing, at ``clock`` (int64[n], ns). Edges are where the mean day jumps by far more
    than anywhere else, in its second differences over 20 minutes, which a smooth season does not move.
    """
    span = float(clock[-1] - clock[0]) / DAY_NS if len(clock) > 1 else 0.0
    if cadence < _LEAST_CADENCE or span < _LEAST_DAYS:
        return None
    bins = int(min(cadence, 1440.0))
    day = _mean_day(values, clock, bins)
    if day is None:
        return None
    found = _edges(day, max(bins // _WINDOW, 2))
    if not found:
        return None
    found, jumps = _settle(day, found)
    out = np.zeros((2, EDGES))
    # Half a reading before its bin, so that readings may come a little early.
    out[0, : len(found)] = (np.array(found) - 0.5) % bins / bins
    out[1, : len(found)] = jumps
    return out


def at_time(steps: F64, times: I64) -> F64:
    """What ``steps`` (float64[k, 2, EDGES]) add to readings at ``times`` (int64[k, t]): float64[k, t]."""
    place = (times % DAY_NS) / DAY_NS
    out = np.zeros(place.shape)
    for j in range(EDGES):
        since = place - steps[:, 0, j, None]
        out += steps[:, 1, j, None] * (0.5 - (since + (since < 0)))
    return out


def _mean_day(values: F64, clock: I64, bins: int) -> F64 | None:
    """float64[bins]: mean by time of day, outliers drawn in; None where some time of day was never seen."""
    use = np.isfinite(values)
    if not use.any():
        return None
    low, high = np.quantile(values[use], (0.0025, 0.9975))
    place = ((clock[use] % DAY_NS) * bins // DAY_NS).astype(np.int64)
    count = np.bincount(place, minlength=bins)
    if count.min() < 1:
        return None
    drawn = np.clip(values[use], low, high)
    out: F64 = np.bincount(place, weights=drawn, minlength=bins) / count
    return out


def _edges(day: F64, width: int) -> list[int]:
    """Bins that begin with a jump, the clearest first."""
    found: list[int] = []
    rest, bins = day.copy(), len(day)
    noise = 0.0
    while len(found) < EDGES:
        step, bend = _contrast(rest, width)
        noise = noise or 1.4826 * float(np.median(np.abs(bend - np.median(bend))))
        for edge in found:  # found already: what is left there is its error
            bend[(edge + np.arange(-width, width + 1)) % bins] = 0.0
        best = int(np.abs(bend).argmax())
        if noise <= 0 or abs(bend[best]) < _CLEAR * noise:
            break
        found.append(best)
        rest -= step[best] * _sawtooth(bins, best)
    return found


def _contrast(day: F64, width: int) -> tuple[F64, F64]:
    """For each bin: mean of the ``width`` bins from it on less that of those before, and by how much that exceeds what
    it is two windows away.
    """
    bins = len(day)
    total = np.concatenate([[0.0], np.cumsum(np.concatenate([day, day, day]))])
    here = np.arange(bins, 2 * bins)
    step: F64 = (total[here + width] - 2 * total[here] + total[here - width]) / width
    return step, step - (np.roll(step, 2 * width) + np.roll(step, -2 * width)) / 2


def _sawtooth(bins: int, edge: int) -> F64:
    return 0.5 - ((np.arange(bins) - edge) % bins) / bins


def _settle(day: F64, found: list[int]) -> tuple[list[int], F64]:
    """Each edge moved by a few bins to where all fit best; and the jumps.

    Beside as many harmonics as the BIC wants, and back to where the day began unless it wants a slope.
    """
    bins = len(day)
    waves = harmonics(np.arange(2 * bins, dtype=np.int64) * (DAY_NS // bins), float(bins), 2 * bins)[:bins]

    def fit(edges: list[int], used: int, free: int) -> tuple[float, F64]:
        teeth = [_sawtooth(bins, edge) for edge in edges]
        teeth = teeth if free else [each - teeth[-1] for each in teeth[:-1]]
        design = np.column_stack([np.ones(bins), *teeth, waves[:, : 2 * used]])
        gram, moment = normal_equations(design, day)
        beta = np.asarray(np.linalg.lstsq(gram, moment, rcond=1e-12)[0], np.float64)
        power = float((day * day).sum())
        rest = max(power - float((beta * moment).sum()), 1e-12 * power)
        jumps = beta[1 : len(teeth) + 1]
        bic = bins * float(np.log(rest)) + (2 * used + free) * float(np.log(bins))
        return bic, jumps if free else np.append(jumps, -jumps.sum())

    most = waves.shape[1] // 2
    for i in range(len(found)):
        tries = [[*found[:i], (found[i] + move) % bins, *found[i + 1 :]] for move in range(-4, 5)]
        found = min(tries, key=lambda edges: fit(edges, most, 1)[0])
    return found, min((fit(found, used, free) for used in range(most + 1) for free in (0, 1)), key=lambda f: f[0])[1]
