"""An alarm is named by the law that explains the ranks best, not by the bet that was feared most."""

from collections.abc import Callable
from math import erf

import numpy as np
import pytest

from models.drift import DriftTest, laws
from models.drift.bets import FAMILIES, FAMILY_OF_BET, FOLLOWING, SLOTS, STEPS, WEIGHTS, book
from models.drift.fitting import table_of
from models.drift.laws import Named, Setting, name
from models.drift.state import PAST
from models.drift.words import F64, I64

from .streams import WEEK, autocorrelated, feed, noise, watch

Draw = Callable[[np.random.Generator], F64]
BEFORE, CASES = 600, 40


def _cells(z: F64) -> I64:
    """Ranks of standard normal values among infinitely many."""
    u = np.array([(1 + erf(each / 2**0.5)) / 2 for each in z])
    out: I64 = book().cell_of_slot[(u * SLOTS).astype(np.int64).clip(0, SLOTS - 1)][-PAST:]
    return out


def _named(change: F64, rng: np.random.Generator) -> Named:
    return name(_cells(np.concatenate([rng.standard_normal(BEFORE), change])), Setting(), book())


def _dependent(rng: np.random.Generator) -> F64:
    return (autocorrelated(int(rng.integers(1 << 30)), 90, 0.7) - 35) / 10


def _line(rng: np.random.Generator, n: int) -> F64:
    return rng.standard_normal(n) + 1e-4 * np.arange(n)


LAWS: dict[str, tuple[Draw, str, int]] = {
    "step up": (lambda rng: rng.standard_normal(200) + 0.35, "mean", 1),
    "step after much quiet": (lambda rng: rng.standard_normal(1640) + 0.35 * (np.arange(1640) >= 1400), "mean", 1),
    "step down": (lambda rng: rng.standard_normal(40) - 1, "mean", -1),
    "slope up": (lambda rng: _line(rng, 1900), "ramp", 1),
    "slope down": (lambda rng: -_line(rng, 1900), "ramp", -1),
    "slope longer than what is kept": (lambda rng: _line(rng, 2600), "ramp", 1),
    "wider": (lambda rng: 1.4 * rng.standard_normal(150), "spread", 1),
    "narrower": (lambda rng: 0.7 * rng.standard_normal(120), "spread", -1),
    "wilder": (lambda rng: np.where(rng.random(600) < 0.02, 4.0, 1.0) * rng.standard_normal(600), "tail", 1),
    "dependent": (_dependent, "dependence", 1),
    "skewed": (lambda rng: (rng.gamma(2.0, 1.0, 250) - 2) / 2**0.5, "shape", 0),
}


@pytest.mark.parametrize("law", LAWS)
def test_each_law_is_told_from_the_others(law: str) -> None:
    """A step and a slope of equal likelihood differ in what they may be; wild readings are not a wider law."""
    draw, kind, direction = LAWS[law]
    found = [_named(draw(rng), rng) for rng in map(np.random.default_rng, range(CASES))]
    right = sum(each.kind == kind and direction in (0, each.direction) for each in found)
    assert right >= 0.88 * CASES, {each.kind for each in found}


def test_a_slope_may_be_older_than_what_is_kept() -> None:
    found = [_named(_line(rng, 3600), rng).ago for rng in map(np.random.default_rng, range(10))]
    assert sum(ago > PAST for ago in found) >= 9


def test_without_slopes_a_slope_is_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the comparison adds: a step explains eight ninths of a slope, so it always looks good enough."""
    monkeypatch.setattr(laws, "SLOPES", (1e-9,))
    monkeypatch.setattr(laws, "PRIOR", {})
    found = [_named(_line(rng, 1900), rng).kind for rng in map(np.random.default_rng, range(10))]
    assert found.count("mean") >= 9


def test_a_ramp_is_found_named_and_dated() -> None:
    stream = noise(31, WEEK + 4500)
    start = WEEK + 700
    stream[start:] += 10 * 1e-4 * np.arange(3800)
    test, state = watch(stream[:WEEK])
    found = feed(test, state, stream[WEEK:]).entry(0)
    assert (found["kind"], found["direction"], found["unit"]) == ("ramp", 1, "sd/sample")
    assert found["low"] < 1e-4 < found["high"]
    assert abs(found["began"] - 700) < 800


def test_where_readings_follow_each_other_most_weight_is_on_shifts() -> None:
    """Only there: a shift is as hard to see as the autoregression makes it, and all else is not."""
    assert abs(FOLLOWING.sum() - 1) < 1e-12
    assert (FOLLOWING > 0).all()
    shifts = FAMILY_OF_BET == 0
    test = DriftTest()
    state = test.start()
    plain, settled, short = (
        test.fit(x, 1440) for x in (noise(1, WEEK), autocorrelated(2, WEEK, 0.7), autocorrelated(2, 600, 0.7))
    )
    for row, reference in enumerate((plain, settled, short)):
        test.adopt(state, row, reference)
    assert [plain.settled, settled.settled, short.settled] == [True, True, False]
    weights = state.weights[:3, : len(FAMILIES)]
    share = weights[:, shifts].sum(axis=1) / weights.sum(axis=1)
    assert share[1] > 0.8
    assert max(share[0], share[2]) < 0.66
    assert np.allclose(state.weights[0, : len(FAMILIES)], WEIGHTS)
    assert book().step_of(table_of(plain)) == STEPS[0]
    assert book().step_of(table_of(settled)) < 0.5
