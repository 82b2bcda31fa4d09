"""Fitting: what is learned, what is refused, and that it survives being saved."""

import json

import numpy as np
import pytest

from models.drift import DriftTest, Reference

from .streams import WEEK, autocorrelated, feed, noise, watch

TEST = DriftTest()


def test_structure_is_found_where_it_is_and_only_there() -> None:
    plain = TEST.fit(noise(1, WEEK), 1440)
    assert not plain.lags.any()
    assert np.ptp(plain.season) == 0
    assert plain.states == 1
    assert plain.volatility[1] == 0
    ar = TEST.fit(autocorrelated(1, WEEK, 0.7), 1440)
    assert ar.lags[0] == pytest.approx(0.7, abs=0.03)
    day = TEST.fit(noise(1, WEEK) + 10 * np.sin(2 * np.pi * np.arange(WEEK) / 1440), 1440)
    assert np.ptp(day.season) == pytest.approx(20, abs=1.5)


def test_lags_that_chance_may_have_made_are_hardly_bet_on() -> None:
    """One short reference of independent readings in a hundred looks as if they followed each other; this one does."""
    doubtful = TEST.fit(noise(21, 500), 1440)
    assert doubtful.lags.any()
    assert doubtful.trust[-1] == 0, "dependence, which its residuals now have for ever"
    assert 0 < doubtful.trust[:-1].max() < 0.3
    clear = TEST.fit(autocorrelated(21, 500, 0.7), 1440)
    assert clear.trust.min() > 0.5


def test_a_saved_reference_is_the_same() -> None:
    fitted = TEST.fit(autocorrelated(2, WEEK, 0.5), 1440)
    numbers = json.loads(json.dumps(fitted.numbers()))
    again = Reference.of(numbers, {k: v.copy() for k, v in fitted.arrays().items()})
    assert again.digest() == fitted.digest()
    moved = Reference.of(numbers, {**fitted.arrays(), "lags": fitted.lags + 1e-9})
    assert moved.digest() != fitted.digest()


def test_a_damaged_reference_is_refused() -> None:
    fitted = TEST.fit(noise(2, WEEK), 1440)
    arrays = fitted.arrays()
    with pytest.raises(ValueError, match="schema"):
        Reference.of({**fitted.numbers(), "schema": 99}, arrays)
    with pytest.raises(ValueError, match="fields"):
        Reference.of(fitted.numbers(), {k: v for k, v in arrays.items() if k != "lags"})
    with pytest.raises(ValueError, match="lags"):
        Reference.of(fitted.numbers(), {**arrays, "lags": arrays["lags"][:3]})
    with pytest.raises(ValueError, match="order"):
        Reference.of(fitted.numbers(), {**arrays, "knots": arrays["knots"] * np.nan})


@pytest.mark.parametrize("bad", [np.zeros(10), np.full(500, np.nan), np.zeros((2, 100))])
def test_too_little_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="reference"):
        TEST.fit(bad, 1440)


def test_constants_are_defined() -> None:
    """A constant reference: the constant is normal, anything else is found at once."""
    test, state = watch(np.full(WEEK, 5.0))
    assert not feed(test, state, np.full(3000, 5.0))
    alarms = feed(test, state, noise(1, 200))
    assert len(alarms) == 1
    assert int(alarms.at[0]) < 20


def test_missing_values_in_the_reference_are_normal_later() -> None:
    def gaps(seed: int, n: int) -> np.ndarray:
        return np.where(np.random.default_rng(seed).random(n) < 0.1, np.nan, autocorrelated(seed, n, 0.6))

    test, state = watch(gaps(1, WEEK))
    assert not feed(test, state, gaps(2, 10_000))
    assert feed(test, state, np.full(100, np.nan)).kind == ["missing"]


def test_the_yearly_number_follows_the_cadence() -> None:
    test = DriftTest(false_alarms_per_year=2.0)
    assert test.limit(1440) == pytest.approx(1440 * 365.25 / 2)
    assert test.limit(86_400) == pytest.approx(86_400 * 365.25 / 2)
    assert DriftTest(false_alarms_per_sample=1e-4).limit(1440) == pytest.approx(1e4)
