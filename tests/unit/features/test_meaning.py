"""What each feature means, on readings that fit on a line."""

import math
from typing import Any

import numpy as np
import pytest

from tests.unit.features.made import aggregates, one, windows

NAN = math.nan


@pytest.mark.parametrize(
    ("closed", "counts"),
    [("right", [1, 2, 2, 2]), ("left", [0, 1, 2, 2]), ("both", [1, 2, 3, 3]), ("neither", [0, 1, 1, 1])],
)
def test_the_closed_side_decides_on_the_boundary(closed: str, counts: list[int]) -> None:
    """A reading a second, a window of two: the one at T - 2 s stands exactly on its edge."""
    found = one(windows(aggregates("count"), length_s=2, closed=closed), [0, 1, 2, 3], [1, 1, 1, 1])
    assert found[:, 0].tolist() == counts


def test_a_nanosecond_beside_the_boundary_decides_otherwise() -> None:
    for beside, count in ((-1e-9, 1), (0.0, 1), (1e-9, 2)):
        assert one(windows(aggregates("count"), length_s=2), [beside, 2.0], [1, 1])[-1, 0] == count


def test_aggregates() -> None:
    kinds = ("count", "sum", "mean", "std", "min", "max", "range", "last", "rate")
    found = one(windows(aggregates(*kinds)), [0, 1, 2, 4], [2, 4, 4, 6])[-1]
    assert found.tolist() == [4, 16, 4, math.sqrt(2), 2, 6, 4, 6, 1]


def test_a_rate_needs_time_to_pass() -> None:
    assert np.isnan(one(windows(aggregates("rate")), [0, 0], [1, 2])[:, 0]).all()


@pytest.mark.parametrize(("q", "value"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.7501, 4), (1.0, 4)])
def test_a_quantile_is_a_reading(q: float, value: float) -> None:
    found = one(windows([{"kind": "quantile", "window": "w", "q": q}]), [0, 1, 2, 3], [3, 1, 4, 2])
    assert found[-1, 0] == value


@pytest.mark.parametrize(("closed", "bins"), [("left", [0, 1, 1, 2]), ("right", [0, 0, 1, 1])])
def test_a_value_on_an_edge_goes_to_the_stated_side(closed: str, bins: list[int]) -> None:
    edges = {"edges": [18, 35], "closed": closed}
    features = windows([{"kind": "bin", **edges}, {"kind": "histogram", "window": "w", **edges}])
    found = one(features, [0, 1, 2, 3], [17, 18, 34, 35])
    assert found[:, 0].tolist() == bins
    assert found[-1, 1:].tolist() == [bins.count(each) for each in range(3)]


def test_a_lag_is_the_last_value_as_of_then_unless_too_old() -> None:
    features = windows(
        [{"kind": "lag", "seconds": 10}, {"kind": "difference", "seconds": 10}, *aggregates("count")], ttl_s=5
    )
    found = one(features, [0, 4, 10, 18, 19.5], [1, 2, 3, 4, 5])
    # At 18 it is as of 8: from 4. At 19.5, as of 9.5, that is older than 5 s.
    assert found[:, 0].tolist() == pytest.approx([NAN, NAN, 1, 2, NAN], nan_ok=True)
    assert found[:, 1].tolist() == pytest.approx([NAN, NAN, 2, 2, NAN], nan_ok=True)


FILLS = [("nan", [NAN, 2.0, 3.0, NAN, NAN]), ("zero", [0.0, 2.0, 3.0, 0.0, 0.0]), ("hold", [NAN, 2.0, 3.0, 3.0, NAN])]


@pytest.mark.parametrize(("fill", "means"), FILLS)
def test_a_window_with_too_little_is_filled_as_stated(fill: str, means: list[float]) -> None:
    features = windows(aggregates("mean", "count"), length_s=2, min_count=2, fill=fill, ttl_s=9)
    found = one(features, [0, 1, 2, 10, 14], [1, 3, 3, 5, 5])
    assert found[:, 0].tolist() == pytest.approx(means, nan_ok=True)
    assert found[:, 1].tolist() == [1, 2, 2, 1, 1], "a count is never absent"


@pytest.mark.parametrize(
    ("second", "offset", "time", "day"),
    [(0, 0, 0, 3), (-1, 0, 86_399, 2), (86_399, 3600, 3599, 4), (0, -3600, 82_800, 2), (4 * 86_400 + 0.5, 0, 0.5, 0)],
)
def test_times_of_day_and_days_of_the_week(second: float, offset: float, time: float, day: int) -> None:
    """1970 began on a Thursday; Monday is 0. An offset moves both."""
    features = [{"kind": "time_of_day", "offset_s": offset}, {"kind": "day_of_week", "offset_s": offset}]
    assert one(windows([*features, *aggregates("count")]), [second], [1])[0, :2].tolist() == [time, day]


def test_a_window_holds_the_newest_readings_at_most() -> None:
    features = windows(aggregates("count", "sum", "min"), length_s=1000, max_readings=4)
    found: Any = one(features, list(range(10)), list(range(10)))
    assert found[-1].tolist() == [4, 30, 6]
