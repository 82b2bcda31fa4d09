"""What the score of the main detector states, against alarms that are counted where nothing happens."""

from functools import cache

import numpy as np
import pytest

from bench.calibration import STREAMS, Values, rates, scores, stated
from models.detectors.records import Records

LIMIT = Records().threshold


@cache
def found(name: str, series: int, readings: int) -> Values:
    return scores(Records(), STREAMS[name](np.random.default_rng(10), (readings, series)))


@pytest.mark.parametrize("limit", [LIMIT, 0.5, 2 / 3])
@pytest.mark.parametrize("name", STREAMS)
def test_noise_alarms_as_often_as_is_stated(name: str, limit: float) -> None:
    """At most three times as often in a series' first 1,000 readings, and no oftener than stated after these."""
    young, older = rates(found(name, 48, 5_000), limit, (0, 1_000, 5_000))
    assert young < 3 * stated(limit)
    assert older < 1.2 * stated(limit)


@pytest.mark.parametrize("name", ["normal", "exponential", "lognormal", "AR(1), 0.7", "random walk"])
def test_the_stated_rate_is_no_empty_promise(name: str) -> None:
    """It is not just large: the first 5,000 readings of noise have at least a third of it."""
    assert rates(found(name, 48, 5_000), LIMIT, (0, 5_000))[0] > stated(LIMIT) / 3


@pytest.mark.soak
@pytest.mark.parametrize("name", STREAMS)
def test_the_rate_falls_with_age(name: str) -> None:
    """After 5,000 readings at most a third of what is stated, after 20,000 a tenth."""
    old, oldest = rates(found(name, 24, 60_000), LIMIT, (5_000, 20_000, 60_000))
    assert old < stated(LIMIT) / 3
    assert oldest < stated(LIMIT) / 10
