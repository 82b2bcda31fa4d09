"""The definition: every field is hashed, and what cannot be meant is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.errors import BundleRefused
from models.features import FEATURE_SETS, Identity, Windows, feature_set
from models.features.terms import (
    Aggregate,
    AsOf,
    Bin,
    DayOfWeek,
    Difference,
    Histogram,
    Lag,
    Quantile,
    TimeOfDay,
    Value,
)
from tests.unit.features.made import EVERYTHING, aggregates, windows

#: A change of each field of set, window and features.
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("lateness_s", {"lateness_s": 1.0}),
    ("ttl_s", {"ttl_s": 21_600.0}),
    ("quantum", {"quantum": 0.5}),
    ("max_readings", {"max_readings": 100}),
    ("patience", {"patience": 3}),
    ("length_s", {"length_s": 11}),
    ("closed", {"closed": "left"}),
    ("min_count", {"min_count": 2}),
    ("fill", {"fill": "hold"}),
]


@pytest.mark.parametrize(("field", "change"), CHANGES)
def test_every_field_of_set_and_window_is_hashed(field: str, change: dict[str, Any]) -> None:
    assert windows(**change).hash != windows().hash


def test_every_field_of_a_feature_is_hashed() -> None:
    """One feature is changed at a time, in each of its fields."""
    others: dict[str, Any] = {"name": "other", "q": 0.5, "edges": [1.0], "seconds": 4, "offset_s": 60, "fill": "zero"}
    changed = 0
    for place, feature in enumerate(EVERYTHING):
        shown = windows().features[place]
        for field in type(shown).model_fields:
            if field in ("kind", "window"):
                continue
            new = others.get(field, "left" if getattr(shown, field, "") == "right" else "right")
            features = [*EVERYTHING]
            features[place] = {**feature, field: new}
            assert windows(features).hash != windows().hash, (feature, field)
            changed += 1
    assert changed >= len(EVERYTHING)


def test_the_order_of_features_is_hashed_and_that_of_windows_means_nothing() -> None:
    assert windows(EVERYTHING[::-1]).hash != windows().hash
    two = {"a": {"length_s": 1}, "b": {"length_s": 2}}
    features = [{"kind": "mean", "window": name} for name in two]
    one, other = (
        Windows.model_validate({"windows": dict(order), "features": features})
        for order in (two.items(), reversed(two.items()))
    )
    assert one.hash == other.hash


def test_a_definition_survives_json() -> None:
    tree = json.loads(json.dumps(windows().definition))
    assert feature_set(tree) == windows()
    assert feature_set(tree).hash == windows().hash


def test_the_hash_is_the_same_in_every_version() -> None:
    """A change here is a change of every hash in every log: bundles that are out there would be refused."""
    assert Identity().hash == "19229ff78a7201ac2a6d940ba9468961"
    assert windows().hash == "d4322dec599ca6110d72836a0ca05678"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"features": []}, "features: Tuple should have at least 1 item"),
    ({"features": [{"kind": "mean", "window": "x"}]}, "no such window: x"),
    ({"features": [{"kind": "value"}]}, "windows that no feature names: w"),
    ({"features": aggregates("mean", "mean")}, "two features of one name: mean_w"),
    ({"features": [{"kind": "modus", "window": "w"}]}, "features.0: Input tag 'modus'"),
    ({"quantum": 0.1}, "a power of two"),
    ({"quantum": float("inf")}, "quantum: "),
    ({"max_readings": 65_537}, "max_readings: Input should be less than or equal to 65536"),
    ({"features": [{"kind": "bin", "edges": [1, 1], "closed": "left"}]}, "edges must rise strictly"),
    ({"features": [{"kind": "bin", "edges": [1]}]}, "features.0.bin.closed: Field required"),
    ({"features": [{"kind": "bin", "edges": [float("nan")], "closed": "left"}]}, "finite number"),
    ({"features": [{"kind": "time_of_day"}]}, "offset_s: Field required"),
    ({"features": [{"kind": "quantile", "window": "w", "q": 0.12345}]}, "at most four digits"),
    ({"features": [{"kind": "lag", "seconds": 0}]}, "greater than 0"),
    ({"lateness": 5}, "lateness: Extra inputs"),
]


@pytest.mark.parametrize(("change", "says"), REFUSED, ids=lambda each: str(each)[:40])
def test_what_cannot_be_meant_is_refused(change: dict[str, Any], says: str) -> None:
    tree = {"kind": "windows", "windows": {"w": {"length_s": 10}}, "features": aggregates("mean"), **change}
    with pytest.raises(BundleRefused) as caught:
        feature_set(tree)
    assert says in str(caught.value)


def test_a_name_of_ones_own_replaces_the_one_that_follows_from_the_fields() -> None:
    features = [{"kind": "mean", "window": "w"}, {"kind": "mean", "window": "w", "name": "again"}]
    assert windows(features).names == ("mean_w", "again")


def test_all_features_can_be_named() -> None:
    assert windows().names == (
        "value", "count_w", "sum_w", "mean_w", "std_w", "min_w", "max_w", "range_w", "last_w", "rate_w",
        "quantile_0.9_w", "histogram_w_0", "histogram_w_1", "histogram_w_2", "histogram_w_3", "bin", "lag_3s",
        "difference_3s", "time_of_day", "day_of_week",
    )  # fmt: skip


@pytest.mark.parametrize(
    "kind", [Aggregate, Quantile, Histogram, Bin, Lag, Difference, AsOf, TimeOfDay, DayOfWeek, Value]
)
def test_fields_of_features_cannot_be_changed_later(kind: type) -> None:
    assert kind.model_config["frozen"]  # type: ignore[attr-defined] # all are models


def test_a_feature_set_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(BundleRefused, match="'wavelets' is not known here; known: identity, windows"):
        feature_set({"kind": "wavelets"})
    assert set(FEATURE_SETS) == {"identity", "windows"}


def test_a_window_needs_a_plain_name() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Windows.model_validate({"windows": {"A b": {"length_s": 1}}, "features": aggregates("mean")})
