"""Numbers are added where they belong, and there can never be many series."""

import pytest

from agents.telemetry import FAMILIES, Metrics, families
from agents.telemetry.metrics import MOST_SERIES, OTHER, quantile

#: Labels whose values come from the configuration or from the code, so that there are few.
BOUNDED = {"task", "type", "reason", "operation", "sink", "outcome", "source", "runner", "status"}


def test_counters_add_and_gauges_take_the_last_value() -> None:
    metrics = Metrics()
    metrics.add(families.READ, "a<b", amount=3)
    metrics.add(families.READ, "a<b")
    metrics.put(families.SNAPSHOT_BYTES, "a<b", value=10)
    metrics.put(families.SNAPSHOT_BYTES, "a<b", value=7)
    assert metrics.series["tocsin_events_read"] == {("a<b",): [4.0]}
    assert metrics.series["tocsin_snapshot_bytes"] == {("a<b",): [7.0]}


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.0005, 0), (0.00051, 1), (300.0, -2), (301.0, -1)])
def test_a_value_falls_below_the_bound_that_it_equals(value: float, bucket: int) -> None:
    metrics = Metrics()
    metrics.observe(families.COMMIT, "t", value=value)
    *counts, total = metrics.series["tocsin_commit_seconds"]["t",]
    expected = [0.0] * (len(families.SECONDS) + 1)
    expected[bucket] = 1.0
    assert counts == expected
    assert total == value


def test_labels_without_end_become_one_series() -> None:
    metrics = Metrics()
    for number in range(10 * MOST_SERIES):
        metrics.add(families.RESTARTS, f"runner-{number}", "failed")
    rows = metrics.series["tocsin_runner_restarts"]
    assert len(rows) == MOST_SERIES + 1
    assert rows[OTHER, OTHER] == [9.0 * MOST_SERIES]
    assert sum(slot[0] for slot in rows.values()) == 10 * MOST_SERIES


def test_a_wrong_number_of_labels_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="labels"):
        Metrics().add(families.WRITTEN, "only-one")


def test_no_label_takes_its_values_from_readings() -> None:
    assert {label for family in FAMILIES.values() for label in family.labels} <= BOUNDED
    assert all(name == family.name and name.startswith("tocsin_") for name, family in FAMILIES.items())


def test_quantiles_are_bounds_of_buckets() -> None:
    assert quantile([0, 0, 0], (1.0, 2.0), 0.5) is None
    assert quantile([5, 4, 1], (1.0, 2.0), 0.5) == 1.0
    assert quantile([5, 4, 1], (1.0, 2.0), 0.9) == 2.0
    assert quantile([5, 4, 1], (1.0, 2.0), 0.99) == 2.0
