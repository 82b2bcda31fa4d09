"""A model is trained on windows of six hours, and served by an agent whose configuration says one. Names, number and
types of the features are the same, so everything fits, and every score is wrong.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import BundleRefused
from models import manifest
from models.bundle import build
from models.cache import BundleCache
from models.features import Windows
from models.kinds import component
from models.manifest import Manifest, TrainedOn
from models.trained import Calibrated
from models.trained.mahalanobis import Mahalanobis

HOUR = 3600.0
RANGE = TrainedOn(stream="readings.accepted", partitions={"0": (1, 9)}, since=0, until=8, readings=9, digest="d")


def features(length_s: float = 6 * HOUR, ttl_s: float = 6 * HOUR) -> Windows:
    """Nothing in the names tells of the window's length, or of the ttl."""
    kinds = [{"kind": "mean", "window": "recent"}, {"kind": "std", "window": "recent"}, {"kind": "lag", "seconds": 60}]
    return Windows.model_validate({"windows": {"recent": {"length_s": length_s}}, "features": kinds, "ttl_s": ttl_s})


def cached(folder: Path) -> str:
    """A bundle that was trained on six hours, where an agent finds it."""
    after, detector = Calibrated(), Mahalanobis()
    vectors = np.random.default_rng(3).normal(size=(300, 3))
    bundle = build(
        "pump", detector, postprocessor=component(after), features=features(),
        arrays=after.fit(detector, vectors), training=RANGE,
    )  # fmt: skip
    BundleCache(folder).put(bundle)
    return bundle.digest


def served(folder: Path, digest: str, expected: Windows) -> bool:
    try:
        BundleCache(folder).get(digest, features=expected)
    except BundleRefused:
        return False
    return True


SHORT: dict[str, dict[str, Any]] = {"window": {"length_s": HOUR}, "ttl": {"ttl_s": HOUR}}


def check(folder: Path) -> None:
    digest = cached(folder)
    assert served(folder, digest, features())
    others = {name: features(**change) for name, change in SHORT.items()}
    assert {each.names for each in others.values()} == {features().names}
    assert [name for name, other in others.items() if served(folder, digest, other)] == [], "served with another window"


def test_an_agent_refuses_a_model_of_another_window(tmp_path: Path) -> None:
    check(tmp_path)


def by_names(found: Manifest, expected: Windows | None = None) -> Windows:
    """The usual check: as many features as there should be, of these names."""
    assert expected is None or found.features.names == expected.names
    return features()


def test_names_and_counts_alone_let_it_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_names: Callable[..., Any] = by_names
    monkeypatch.setattr("models.bundle.check_features", check_names)
    assert manifest.check_features is not check_names
    with pytest.raises(AssertionError, match="served with another window"):
        check(tmp_path)
