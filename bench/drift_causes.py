"""Does the drift agent name the right cause? A confusion matrix over simulated cases.

    python -m bench.drift_causes [--cases 1000]

Each case is an asset of its own: a reference of 2,880 readings (two days at one a minute; noise, every third series
follows its own past, AR 0.5), 360 quiet readings, then the change. What is told first of an asset counts. Missing
readings are handed over as NaN, as the test takes them; in a running system validation keeps them away from the agent.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.drift import Drift
from agents.parts import Context
from contracts.events import DriftDetected, ModelServed, ReadingsAccepted
from contracts.readings import Readings, Series

F64 = NDArray[np.float64]
MINUTE = 60_000_000_000
#: A Monday, midnight UTC.
MONDAY = 20_514 * 86_400_000_000_000
REFERENCE, QUIET, AFTER, CHUNK = 2_880, 360, 2_520, 360
KINDS = ("mean", "spread", "tail", "dependence", "ramp", "stuck", "missing", "unit", "jump", "clipping", "season")
PAIRED = ("correlation",)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = {kind: matrix_row(kind, asked.cases, asked.seed) for kind in (*KINDS, *PAIRED, "skew", "new asset")}
    print(f"{asked.cases} cases each; per cent of those that were found\n")
    for kind, (told, ways) in found.items():
        total = sum(count for name, count in told.items() if name != "nothing")
        shares = ", ".join(
            f"{name} {count / max(total, 1):.1%}" for name, count in told.most_common() if name != "nothing"
        )
        right = f"; direction right {ways:.1%}" if ways is not None else ""
        print(f"{kind:12} {shares}; nothing told {told['nothing']}{right}")


def matrix_row(kind: str, cases: int, seed: int) -> tuple[Counter[str], float | None]:
    """What was told first of each case, and the share of right directions where there is one."""
    rng = np.random.default_rng((seed, sum(kind.encode())))
    if kind == "new asset":
        return fresh(rng, cases), None
    values = {"a": changed(kind, rng, cases)}
    if kind in PAIRED:
        values = correlated(rng, cases)
    first = told(values, rng, skew=kind == "skew", pairs=2 * (kind in PAIRED))
    out = Counter(event.kind for event in first.values())
    out["nothing"] = cases - len(first)
    if kind not in ("mean", "ramp", "jump"):
        return out, None
    right = [event.direction == ("up" if int(asset[1:]) % 2 == 0 else "down") for asset, event in first.items()]
    return out, float(np.mean(right))


def told(values: dict[str, F64], rng: np.random.Generator, *, skew: bool, pairs: int) -> dict[str, DriftDetected]:
    """Asset -> what is told of it first; ``values``: channel -> float64[cases, readings]."""
    part = Drift(false_alarms_per_year=0.05, reference_readings=REFERENCE, pairs=pairs)
    with tempfile.TemporaryDirectory() as folder:
        part.prepare(Context("drift", Path(folder)))
    state, first = part.start(), dict[str, Any]()
    cases, n = next(iter(values.values())).shape
    names = [Series("bench", f"a{i}", channel) for channel in values for i in range(cases)]
    for start in range(0, n, CHUNK):
        if skew and start >= REFERENCE + QUIET:
            # The same as another version of the code that computes features.
            part._feature_set = "another"
        table = np.concatenate([each[:, start : start + CHUNK] for each in values.values()]).T
        number = np.repeat(np.arange(start, start + len(table)), len(names))
        code = np.tile(np.arange(len(names)), len(table))
        batch = Readings.of(names, code, MONDAY + number * MINUTE, table.ravel(), number)
        for event in part.handle(ReadingsAccepted(batch), state):
            if isinstance(event, DriftDetected):
                first.setdefault(event.asset, event)
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


def noise(rng: np.random.Generator, cases: int, n: int) -> F64:
    """Independent, every third with AR 0.5; sd 1 around 0."""
    out = rng.standard_normal((cases, n))
    for i in range(1, n):
        out[::3, i] = 0.5 * out[::3, i - 1] + 0.75**0.5 * out[::3, i]
    return out


def changed(kind: str, rng: np.random.Generator, cases: int) -> F64:
    """Readings with a change of this kind after the quiet ones; cases in turn upwards and downwards."""
    if kind == "season":
        return weekends(rng, cases)
    out, at = noise(rng, cases, REFERENCE + QUIET + AFTER), REFERENCE + QUIET
    way = np.where(np.arange(cases) % 2, -1.0, 1.0)[:, None]
    later = out[:, at:]
    if kind in ("stuck", "missing", "clipping", "jump"):
        fault(kind, rng, later, way)
    elif kind != "unit":
        process(kind, rng, later, way)
    out = 35 + 4 * out
    if kind == "unit":
        factor = rng.choice([1.8, 10.0, 0.1, 100.0, 1000.0], (cases, 1))
        out[:, at:] = factor * out[:, at:] + np.where(factor == 1.8, 32.0, 0.0)
    return out


def process(kind: str, rng: np.random.Generator, later: F64, way: F64) -> None:
    """Let the process change, in place."""
    size = (len(later), 1)
    if kind in ("mean", "skew"):
        later += way * rng.uniform(0.5, 1.5, size)
    elif kind == "spread":
        later *= np.where(way > 0, rng.uniform(1.3, 2.0, size), rng.uniform(0.4, 0.7, size))
    elif kind == "tail":
        wild = rng.random(later.shape) < 0.03
        later[wild] *= rng.uniform(4.0, 6.0, int(wild.sum()))
    elif kind == "dependence":
        for i in range(1, later.shape[1]):
            later[:, i] = 0.7 * later[:, i - 1] + 0.51**0.5 * later[:, i]
    elif kind == "ramp":
        later += way * np.arange(later.shape[1]) * 0.0012


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


def weekends(rng: np.random.Generator, cases: int) -> F64:
    """A machine that idles at the weekend; the reference ends on a Wednesday."""
    n = 6 * 1_440
    out = noise(rng, cases, n)
    out[:, 5 * 1_440 :] -= rng.uniform(0.7, 3.0, (cases, 1))
    return 35 + 4 * out


def correlated(rng: np.random.Generator, cases: int) -> dict[str, F64]:
    """Two channels that go together, and then do not."""
    n, at = REFERENCE * 2 + QUIET + AFTER, REFERENCE * 2 + QUIET
    one, own = rng.standard_normal((2, cases, n))
    r = np.where(np.arange(n) < at, 0.8, 0.0)
    return {"a": 35 + 4 * one, "b": 5 + r * one + np.sqrt(1 - r * r) * own}


if __name__ == "__main__":
    main()
