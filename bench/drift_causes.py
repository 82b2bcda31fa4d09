"""Does the drift agent name the right cause? A confusion matrix over simulated cases.

    python -m bench.drift_causes [--cases 1000] [--noise plain] [--kinds mean,ramp]

Each case is an asset of its own: a reference of 2,880 readings (two days at one a minute), 360 quiet readings, then the
change. All kinds share these references and quiet readings. What is told first of an asset counts. Missing readings are
handed over as NaN, as the test takes them; in a running system validation keeps them away from the agent.

noise plain: normal, and every third series follows its own past (AR 0.5); following: AR 0.7; heavy: Student's t with 4
degrees of freedom; season: a daily wave as large as the noise.
"""

import argparse
import copy
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agents.drift import Drift
from agents.parts import Context
from contracts.events import DriftDetected, ModelServed, ReadingsAccepted
from contracts.readings import Readings, Series

F64 = NDArray[np.float64]
MINUTE = 60_000_000_000
#: A Monday, midnight UTC.
MONDAY = 20_514 * 86_400_000_000_000
REFERENCE, QUIET, AFTER, CHUNK = 2_880, 360, 2_520, 360
LONGER = {"ramp": 5_040}  # readings after a change that takes longer to be found
KINDS = ("mean", "small mean", "spread", "tail", "shape", "dependence", "ramp", "steep ramp", "duty cycle")
FAULTS = ("stuck", "missing", "unit", "jump", "clipping")
PAIRED = ("correlation",)
EVERY = (*KINDS, *FAULTS, "season", *PAIRED, "skew", "new asset")
NOISES = ("plain", "following", "heavy", "season")
#: Kinds that have a direction.
DIRECTED = ("mean", "small mean", "spread", "dependence", "ramp", "steep ramp", "unit", "jump", "clipping")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", choices=NOISES, default="plain")
    parser.add_argument("--kinds", default=",".join(EVERY))
    asked = parser.parse_args()
    print(f"{asked.cases} cases each, noise {asked.noise}; per cent of those that were found\n")
    for kind in asked.kinds.split(","):
        told, ways = matrix_row(kind, asked.cases, asked.seed, asked.noise)
        total = sum(count for name, count in told.items() if name != "nothing")
        shares = ", ".join(
            f"{name} {count / max(total, 1):.1%}" for name, count in told.most_common() if name != "nothing"
        )
        right = f"; direction right {ways:.1%}" if ways is not None else ""
        print(f"{kind:12} {shares}; nothing told {told['nothing']}{right}", flush=True)


def matrix_row(kind: str, cases: int, seed: int, law: str = "plain") -> tuple[Counter[str], float | None]:
    """What was told first of each case, and the share of right directions where there is one."""
    rng = np.random.default_rng((seed, sum(kind.encode())))
    if kind == "new asset":
        return fresh(rng, cases), None
    if kind in PAIRED:
        part = agent(pairs=2)
        values = correlated(rng, cases)
        first = told(part, part.start(), values, 0)
    else:
        part, state = begun(cases, seed, law)
        values = {"a": changed(kind, rng, quiet(cases, seed, law), law)}
        made_with = part._feature_set
        if kind == "skew":
            # The same as another version of the code that computes features.
            part._feature_set = "another"
        first = told(part, copy.deepcopy(state), values, REFERENCE + QUIET)
        part._feature_set = made_with
    out = Counter(event.kind for event in first.values())
    out["nothing"] = cases - len(first)
    if kind not in DIRECTED:
        return out, None
    up = upwards(kind, values["a"])
    # A fault that was taken for another may have none.
    ways = [(event.direction, "up" if up[int(asset[1:])] else "down") for asset, event in first.items()]
    return out, float(np.mean([said == true for said, true in ways if said != "none"]))


def upwards(kind: str, values: F64) -> NDArray[np.bool_]:
    """bool[cases]: whether the change goes upwards."""
    if kind == "unit":
        out: NDArray[np.bool_] = np.median(values[:, REFERENCE + QUIET :], axis=1) > 35
        return out
    return np.full(len(values), True) if kind == "dependence" else np.arange(len(values)) % 2 == 0


def agent(pairs: int = 0) -> Drift:
    """The drift agent as it is in production."""
    part = Drift(false_alarms_per_year=0.05, reference_readings=REFERENCE, pairs=pairs)
    with tempfile.TemporaryDirectory() as folder:
        part.prepare(Context("drift", Path(folder)))
    return part


@cache
def quiet(cases: int, seed: int, law: str) -> F64:
    """float64[cases, readings]: what comes before any change."""
    return noise(np.random.default_rng((seed, NOISES.index(law))), cases, REFERENCE + QUIET, law)


@cache
def begun(cases: int, seed: int, law: str) -> tuple[Drift, Any]:
    """An agent that has read what is quiet, and its state."""
    part = agent()
    state = part.start()
    values = 35 + 4 * (quiet(cases, seed, law) + wave(law, REFERENCE + QUIET))
    told(part, state, {"a": values}, 0)
    return part, state


def told(part: Drift, state: Any, values: dict[str, F64], begin: int) -> dict[str, DriftDetected]:
    """Asset -> what is told of it first; ``values``: channel -> float64[cases, readings], read from ``begin`` on."""
    first = dict[str, Any]()
    cases, n = next(iter(values.values())).shape
    names = [Series("bench", f"a{i}", channel) for channel in values for i in range(cases)]
    for start in range(begin, n, CHUNK):
        table = np.concatenate([each[:, start : start + CHUNK] for each in values.values()]).T
        number = np.repeat(np.arange(start, start + len(table)), len(names))
        code = np.tile(np.arange(len(names)), len(table))
        batch = Readings.of(names, code, MONDAY + number * MINUTE, table.ravel(), number)
        for event in part.handle(ReadingsAccepted(batch), state):
            if isinstance(event, DriftDetected):
                first.setdefault(event.asset, event)
        if len(first) == cases:
            break
    return first


def fresh(rng: np.random.Generator, cases: int) -> Counter[str]:
    """Assets that a model has never seen, each told at its first reading."""
    from models.drift import DriftTest
    from models.drift.bundled import Bound
    from models.drift.covered import Covered

    values = 20 + rng.standard_normal(REFERENCE)
    times = MONDAY + np.arange(REFERENCE) * MINUTE
    known = {"known/a": Bound(DriftTest().fit(values, 1440, times), Covered.of(times, values))}
    part = Drift()
    with tempfile.TemporaryDirectory() as folder:
        part.prepare(Context("drift", Path(folder)))
    part._brought["model"] = known
    state, out = part.start(), Counter[str]()
    served = ModelServed.of(cause="m", time=1, asset="anomaly", agent="anomaly", bundle="model")
    assert not list(part.handle(served, state))
    names = [Series("bench", f"a{i}", "a") for i in range(cases)]
    code = np.arange(cases)
    batch = Readings.of(names, code, MONDAY + code * 0, 20 + rng.standard_normal(cases), code)
    for event in part.handle(ReadingsAccepted(batch), state):
        out[event.kind if isinstance(event, DriftDetected) else "reference"] += 1
    out["nothing"] = cases - sum(out.values())
    return out


def noise(rng: np.random.Generator, cases: int, n: int, law: str, before: F64 | None = None) -> F64:
    """Readings of one of NOISES without its wave, float64[cases, n], after those ``before``; sd 1 around 0."""
    if law == "heavy":
        out: F64 = rng.standard_t(4, (cases, n)) / 2**0.5
        return out
    out = rng.standard_normal((cases, n))
    if law != "season":
        rho, some = (0.5, 3) if law == "plain" else (0.7, 1)
        last = rng.standard_normal(cases) if before is None else before[:, -1]
        for i in range(n):
            out[::some, i] = rho * last[::some] + (1 - rho * rho) ** 0.5 * out[::some, i]
            last = out[:, i]
    return out


def wave(law: str, n: int) -> F64:
    """float64[n]: what the time of day adds."""
    out: F64 = np.sin(2 * np.pi * np.arange(n) / 1_440) * (law == "season")
    return out


def changed(kind: str, rng: np.random.Generator, before: F64, law: str) -> F64:
    """Readings with a change of this kind after the quiet ones; cases in turn upwards and downwards."""
    cases, at = before.shape
    n = 6 * 1_440 - at if kind == "season" else LONGER.get(kind, AFTER)
    out = np.hstack([before, noise(rng, cases, n, law, before)])
    if kind == "season":
        # The machine idles at the weekend; the reference ends on a Wednesday.
        out[:, 5 * 1_440 :] -= rng.uniform(0.7, 3.0, (cases, 1))
    way = np.where(np.arange(cases) % 2, -1.0, 1.0)[:, None]
    later = out[:, at:]
    if kind in (*KINDS, "skew"):
        process(kind, rng, later, way)
    out += wave(law, at + n)
    if kind in ("stuck", "missing", "clipping", "jump"):
        fault(kind, rng, later, way)
    out = 35 + 4 * out
    if kind == "unit":
        factor = rng.choice([1.8, 10.0, 0.1, 100.0, 1000.0], (cases, 1))
        out[:, at:] = factor * out[:, at:] + np.where(factor == 1.8, 32.0, 0.0)
    return out


def process(kind: str, rng: np.random.Generator, later: F64, way: F64) -> None:
    """Let the process change, in place."""
    size, n = (len(later), 1), later.shape[1]
    # From how many to how many standard deviations the level moves, and how it gets there.
    moves: dict[str, tuple[float, float, Any]] = {
        "mean": (0.5, 1.5, 1.0),
        "skew": (0.5, 1.5, 1.0),
        "small mean": (0.3, 0.5, 1.0),
        "ramp": (0.4, 0.6, np.arange(n) / 5_000),
        "steep ramp": (0.3, 1.2, np.arange(n) / 1_000),
    }
    if kind in moves:
        least, most, course = moves[kind]
        later += way * course * rng.uniform(least, most, size)
    elif kind == "duty cycle":
        # On and off for half an hour on average, where the reference was on all the time.
        off = np.cumsum(rng.random(later.shape) < 1 / 30, axis=1) % 2
        later += off * way * rng.uniform(1.0, 3.0, size)
    else:
        law(kind, rng, later, way)


def law(kind: str, rng: np.random.Generator, later: F64, way: F64) -> None:
    """Let the law of the readings change, in place."""
    size = (len(later), 1)
    if kind == "spread":
        later *= np.where(way > 0, rng.uniform(1.3, 2.0, size), rng.uniform(0.4, 0.7, size))
    elif kind == "tail":
        wild = rng.random(later.shape) < 0.03
        later[wild] *= rng.uniform(4.0, 6.0, int(wild.sum()))
    elif kind == "shape":
        rank = special.ndtr(later).clip(1e-12, 1 - 1e-12)
        skewed, flat = (special.gammaincinv(2.0, rank) - 2) / 2**0.5, 12**0.5 * (rank - 0.5)
        later[:] = np.where(way > 0, skewed, flat)
    else:
        sd = later.std(axis=1, keepdims=True)
        for i in range(1, later.shape[1]):
            later[:, i] = 0.7 * later[:, i - 1] + later[:, i]
        later *= sd / later.std(axis=1, keepdims=True)


def fault(kind: str, rng: np.random.Generator, later: F64, way: F64) -> None:
    """Let the sensor fail, in place."""
    size = (len(later), 1)
    if kind == "stuck":
        later[:] = later[:, :1]
    elif kind == "missing":
        later[rng.random(later.shape) < rng.uniform(0.15, 0.5, size)] = np.nan
    elif kind == "jump":
        later += way * rng.uniform(6.0, 12.0, size)
    else:
        limit = rng.uniform(0.5, 1.2, size)
        later[:] = np.where(way > 0, np.minimum(later, limit), np.maximum(later, -limit))


def correlated(rng: np.random.Generator, cases: int) -> dict[str, F64]:
    """Two channels that go together, and then do not."""
    n, at = REFERENCE * 2 + QUIET + AFTER, REFERENCE * 2 + QUIET
    one, own = rng.standard_normal((2, cases, n))
    r = np.where(np.arange(n) < at, 0.8, 0.0)
    return {"a": 35 + 4 * one, "b": 5 + r * one + np.sqrt(1 - r * r) * own}


if __name__ == "__main__":
    main()
