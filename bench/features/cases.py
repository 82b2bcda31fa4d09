"""Random definitions and readings that meet every boundary often, and the comparison with the reference."""

import random
from typing import Any

import numpy as np

from models.features.windows import Windows

from .reference import SECOND, Series

EDGES = (18.0, 35.0, 50.0)
AGGREGATES = ("count", "sum", "mean", "std", "min", "max", "range", "last", "rate")
Reading = tuple[int, int, float]  # series, time, value
NAMES = ("rows", "times", "values", "ordinals", "by", "features")


def definition(rng: random.Random) -> Windows:
    windows = {
        name: {
            "length_s": rng.choice([0.5, 1.0, 2.5, 4.0, 8.0, 30.0]),
            "closed": rng.choice(["right", "left", "both", "neither"]),
            "min_count": rng.choice([1, 1, 2, 5]),
            "fill": rng.choice(["nan", "zero", "hold"]),
        }
        for name in ("a", "b")
    }
    features: list[dict[str, Any]] = [
        {"kind": kind, "window": window} for window in windows for kind in AGGREGATES if rng.random() < 0.7
    ]
    features += [{"kind": "quantile", "window": name, "q": rng.choice([0.0, 0.05, 0.5, 0.9, 1.0])} for name in windows]
    features += [
        {"kind": "histogram", "window": "a", "edges": EDGES, "closed": rng.choice(["left", "right"])},
        {"kind": "bin", "edges": EDGES, "closed": rng.choice(["left", "right"])},
        {"kind": "lag", "seconds": rng.choice([0.5, 1.0, 3.0]), "fill": rng.choice(["nan", "zero", "hold"])},
        {"kind": "difference", "seconds": rng.choice([0.5, 2.0]), "fill": rng.choice(["nan", "zero", "hold"])},
        {"kind": "value"},
        {"kind": "time_of_day", "offset_s": rng.choice([0, -3600, 19800])},
        {"kind": "day_of_week", "offset_s": rng.choice([0, -3600, 19800])},
    ]
    rng.shuffle(features)
    return Windows.model_validate(
        {
            "windows": windows,
            "features": features,
            "lateness_s": rng.choice([0.0, 0.5, 2.0, 4.0]),
            "ttl_s": rng.choice([0.5, 2.0, 100.0]),
            "quantum": 2.0 ** rng.choice([-20, -20, -4, 3]),
            "patience": rng.choice([1, 2, 3, 100]),
            "max_readings": rng.choice([2, 5, 40, 16_384]),
        }
    )


def value(rng: random.Random, quantum: float) -> float:
    edge = rng.choice(EDGES)
    special = (
        edge, edge - quantum, edge + quantum, float(np.nextafter(edge, 0)), float(np.nextafter(edge, 99)),
        0.0, -0.0, float("nan"), float("inf"), float("-inf"),
        quantum * 2**46, -quantum * (2**46 - 1), quantum * (2**46 - 1), quantum / 2, 1.5 * quantum, 5e-324, 1e300,
    )  # fmt: skip
    return rng.choice(special) if rng.random() < 0.3 else rng.gauss(30.0, 12.0)


def readings(rng: random.Random, features: Windows, count: int, series: int) -> list[Reading]:
    """In arrival order: out of order within the lateness, and now and then beyond it."""
    start = rng.choice([0, -3 * SECOND, 1_700_000_000 * SECOND])
    step = rng.choice([SECOND // 2, SECOND // 4, 1_234_567])
    lateness = round(features.lateness_s * SECOND)
    now, out = start, []
    for _ in range(count):
        now += step * rng.choice([0, 0, 1, 1, 1, 2, 9, 40] if rng.random() < 0.2 else [0, 1, 1])
        delay = rng.randrange(lateness // step + 1) * step if lateness else 0
        if rng.random() < 0.02:
            delay += 3 * step
        if rng.random() < 0.01:
            delay -= 30 * step
        out.append((rng.randrange(series), now - delay, value(rng, features.quantum)))
    return out


def expected(all_of: list[Series], arriving: list[Reading]) -> list[tuple[Any, ...]]:
    """Row, time, value, ordinal, features and releaser of each released reading, in order, by the reference."""
    out = []
    for ordinal, (row, time, one) in enumerate(arriving, 1):
        out += [(row, *released, ordinal) for released in all_of[row].arrive(time, one, ordinal)]
    return out


def reduced(features: Windows, arriving: list[Reading], series: int, cuts: list[int]) -> tuple[list[bytes], Any]:
    """The columns of what is released as bytes, cut into calls at these places; and the state."""
    state = features.start()
    features.grow(state, series)
    columns = [np.array(each) for each in zip(*arriving, strict=True)]
    ordinals = np.arange(1, len(arriving) + 1)
    parts: list[list[bytes]] = [[] for _ in NAMES]
    for begin, end in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
        rows, times, values = (each[begin:end] for each in columns)
        found = features.reduce(state, rows, times, values.astype(np.float64), ordinals[begin:end])
        for part, name in zip(parts, NAMES, strict=True):
            part.append(np.ascontiguousarray(plain(getattr(found, name))).tobytes())
    return [b"".join(part) for part in parts], state


def plain(array: Any) -> Any:
    """Every NaN as the same bits: they mean one thing."""
    return np.where(np.isnan(array), np.nan, array) if array.dtype == np.float64 else array


def compare(seed: int, count: int = 120, series: int = 3) -> int:
    """How many windows were compared; raises AssertionError where a bit differs."""
    rng = random.Random(seed)  # noqa: S311 - cases that can be made again
    features = definition(rng)
    arriving = readings(rng, features, count, series)
    all_of = [Series(features) for _ in range(series)]
    wanted = expected(all_of, arriving)
    cuts = sorted(rng.randrange(count + 1) for _ in range(rng.choice([0, 1, 5, 30])))
    found, state = reduced(features, arriving, series, cuts)
    late = sum(each.late for each in all_of)
    assert int(state.late.sum()) == late, f"seed {seed}: {state.late.sum()} late, expected {late}"
    columns = [np.array([each[place] for each in wanted]) for place in (0, 1, 2, 3, 5)]
    for name, mine, theirs in zip(NAMES, found, columns, strict=False):
        assert mine == np.ascontiguousarray(plain(theirs)).tobytes(), f"seed {seed}: {name} of what was released"
    vectors = np.array([each[4] for each in wanted]).reshape(len(wanted), len(features.names))
    table = np.frombuffer(found[5]).reshape(vectors.shape)
    differs = table.view(np.int64) != np.ascontiguousarray(plain(vectors)).view(np.int64)
    if differs.any():
        row, column = (int(each[0]) for each in np.nonzero(differs))
        both = f"{table[row, column]!r}, expected {vectors[row, column]!r}"
        raise AssertionError(f"seed {seed}: {features.names[column]} of reading {row}: {both}")
    return len(wanted) * len(features.windows)
