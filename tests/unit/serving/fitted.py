"""Small bundles of fitted detectors over windows, and of streaming ones that begin warm."""

from pathlib import Path
from typing import Any

import numpy as np

from agents.numbering import numbered
from contracts.instants import SECOND
from contracts.readings import Readings
from models.bundle import Bundle, build
from models.cache import BundleCache
from models.detectors import DETECTORS, score_batch
from models.features import Windows, feature_set
from models.kinds import component
from models.manifest import Component
from models.trained import TRAINED, Calibrated


def windows(lateness_s: float = 0.0) -> Windows:
    """Three features of the last minute."""
    found = feature_set(
        {
            "kind": "windows",
            "windows": {"minute": {"length_s": 60}},
            "features": [
                {"kind": "value"},
                {"kind": "mean", "window": "minute"},
                {"kind": "std", "window": "minute"},
            ],
            "lateness_s": lateness_s,
        }
    )
    assert isinstance(found, Windows)
    return found


def fitted(folder: Path, kind: str = "mahalanobis", lateness_s: float = 0.0, seed: int = 1) -> Bundle:
    """A detector that was fitted to noise, in the cache of a data directory."""
    features = windows(lateness_s)
    chance = np.random.default_rng(seed)
    n = 2_000
    state = features.start()
    features.grow(state, 1)
    values, ordinals = chance.normal(10, 1, n), np.arange(1, n + 1)
    vectors = features.reduce(state, np.zeros(n, np.int64), ordinals * SECOND, values, ordinals).features
    detector, post = TRAINED[kind](), Calibrated(alarms_per_10000=20.0)
    arrays = post.fit(detector, vectors)
    bundle = build("pump", detector, postprocessor=component(post), features=features, arrays=arrays)
    BundleCache(folder).put(bundle)
    return bundle


def warm(folder: Path, past: Readings, kind: str = "mad", **arrays: Any) -> Bundle:
    """A streaming detector with what it knows at the end of a past; ``arrays`` replace some of it, None: leave out."""
    detector, names = DETECTORS[kind](), dict[str, int]()
    state = detector.start()
    rows = numbered(names, past)
    detector.grow(state, len(names))
    score_batch(detector, state, rows, past.time, past.value)
    found = {f"state/{name}": array[: len(names)].copy() for name, array, _ in state.arrays()}
    found["state/names"] = np.frombuffer("".join(f"{name}\n" for name in names).encode(), np.uint8).copy()
    found = {name: array for name, array in {**found, **arrays}.items() if array is not None}
    bundle = build("pump", detector, postprocessor=Component(kind="none"), arrays=found)
    BundleCache(folder).put(bundle)
    return bundle
