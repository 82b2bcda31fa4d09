"""Feature sets and readings for these tests."""

from typing import Any

import numpy as np

from models.features import Vectors, Windows
from models.features.base import Floats, Ints

SECOND = 1_000_000_000
EVERYTHING: list[dict[str, Any]] = [
    {"kind": "value"},
    *({"kind": kind, "window": "w"} for kind in ("count", "sum", "mean", "std", "min", "max", "range", "last", "rate")),
    {"kind": "quantile", "window": "w", "q": 0.9},
    {"kind": "histogram", "window": "w", "edges": [18, 35, 50], "closed": "left"},
    {"kind": "bin", "edges": [18, 35, 50], "closed": "right"},
    {"kind": "lag", "seconds": 3},
    {"kind": "difference", "seconds": 3, "fill": "hold"},
    {"kind": "time_of_day", "offset_s": 3600},
    {"kind": "day_of_week", "offset_s": 0},
]


def windows(features: list[dict[str, Any]] | None = None, length_s: float = 10, **more: Any) -> Windows:
    """A set over one window ``w``; ``closed``, ``min_count`` and ``fill`` are the window's."""
    own: dict[str, Any] = {key: more.pop(key) for key in ("closed", "min_count", "fill") if key in more}
    tree = {"windows": {"w": {"length_s": length_s, **own}}, "features": features or EVERYTHING, **more}
    return Windows.model_validate(tree)


def aggregates(*kinds: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "window": "w"} for kind in kinds]


def reduced(features: Windows, rows: Ints, times: Ints, values: Floats, cut: int = 10**9) -> Vectors:
    """Everything that is released, read in calls of ``cut`` readings; the ordinal of a reading is its place from 1."""
    state = features.start()
    features.grow(state, int(rows.max(initial=0)) + 1)
    places = range(0, len(rows), cut)
    return joined(features.reduce(state, *part(rows, times, values, at, at + cut)) for at in places)


def part(rows: Ints, times: Ints, values: Floats, begin: int = 0, end: int | None = None) -> tuple[Any, Any, Any, Any]:
    """Readings begin .. end-1 of these, as ``reduce`` takes them; the ordinal of a reading is its place from 1."""
    at = slice(begin, end)
    return rows[at], times[at], values[at], np.arange(1, len(rows) + 1)[at]


def joined(parts: Any) -> Vectors:
    every = list(parts)
    names = ("rows", "times", "values", "ordinals", "features", "by")
    return Vectors(*(np.concatenate([getattr(part, name) for part in every]) for name in names))


def one(features: Windows, seconds: list[float], values: list[float]) -> Floats:
    """Features of the readings of a single series, float64[m, k]."""
    times = np.array([round(each * SECOND) for each in seconds], np.int64)
    return reduced(features, np.zeros(len(times), np.int64), times, np.array(values, np.float64)).features


def noise(count: int, series: int, seed: int = 7) -> tuple[Ints, Ints, Floats]:
    """Readings of several series in event-time order, half a second apart on average."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(0, SECOND, count))
    return rng.integers(0, series, count), times, rng.normal(35, 10, count)


def same(a: Vectors, b: Vectors) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name in ("features", "values"))
        for name in ("rows", "times", "values", "ordinals", "features", "by")
    )
