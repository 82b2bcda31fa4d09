"""Every detector found in the tree is put through the same checks."""

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest

from models.detectors import DETECTORS, Detector, Scores, score_batch
from models.detectors.base import Floats, Ints

ROWS = 700


def streams() -> list[Floats]:
    """Streams that differ in kind: noise, a daily pattern, steps on a grid, spikes, nearly constant."""
    rng = np.random.default_rng(7)
    t = np.arange(ROWS)
    noise = rng.normal(0, 1, ROWS)
    noise[600] = 9.0
    daily = np.sin(t / 23) + 0.1 * rng.normal(0, 1, ROWS)
    daily[500:560] = 3.0
    steps = rng.integers(0, 12, ROWS).astype(float)
    steps[450:] += 30
    spikes = np.where(rng.random(ROWS) < 0.03, rng.pareto(1.5, ROWS), 0.0)
    still = np.full(ROWS, 3.25)
    still[640:643] = 3.5
    return [noise, daily, steps, spikes, still]


def interleaved(values: list[Floats], seed: int = 1) -> tuple[Ints, Ints, Floats]:
    """All streams as one batch in a mixed arrival order (each stream's own order is kept)."""
    rows = np.repeat(np.arange(len(values)), [len(v) for v in values])
    np.random.default_rng(seed).shuffle(rows)
    out = np.empty(len(rows))
    for i, v in enumerate(values):
        out[rows == i] = v
    return rows, np.arange(len(rows)) * 1_000_000_000, out


def scored(detector: Detector[Any], rows: Ints, times: Ints, values: Floats, cut: int = 10**9) -> Scores:
    """Scores of a batch cut in pieces of `cut` readings."""
    state = detector.start()
    detector.grow(state, int(rows.max()) + 1)
    parts = [
        score_batch(detector, state, rows[i : i + cut], times[i : i + cut], values[i : i + cut])
        for i in range(0, len(rows), cut)
    ]
    return Scores(np.concatenate([p.score for p in parts]), np.concatenate([p.reason for p in parts]))


def alone(detector: Detector[Any], values: Floats) -> Scores:
    """Scores of one stream by itself."""
    k = len(values)
    return scored(detector, np.zeros(k, np.int64), np.arange(k) * 1_000_000_000, values)


def in_step(detector: Detector[Any], values: list[Floats]) -> Scores:
    """Scores [readings, streams] of streams of one length whose readings arrive in turn."""
    n, k = len(values), len(values[0])
    rows, times = np.tile(np.arange(n), k), np.repeat(np.arange(k) * 1_000_000_000, n)
    found = scored(detector, rows, times, np.stack(values).T.ravel())
    return Scores(found.score.reshape(k, n), found.reason.reshape(k, n))


def same(a: Scores, b: Scores) -> bool:
    return a.score.tobytes() == b.score.tobytes() and a.reason.tobytes() == b.reason.tobytes()


@pytest.fixture(params=sorted(DETECTORS))
def detector(request: pytest.FixtureRequest) -> Detector[Any]:
    kind: str = request.param
    given = {"low": -2.0, "high": 8.0} if kind == "limits" else {}
    return DETECTORS[kind].model_validate(given)


def test_scores_are_shares_with_a_reason(detector: Detector[Any]) -> None:
    """Scores lie in [0, 1]; a score above 0 has a reason in words, a score of 0 has none."""
    found = scored(detector, *interleaved(streams()))
    assert found.score.min() >= 0
    assert found.score.max() <= 1
    assert found.score.max() >= detector.threshold
    assert ((found.score > 0) <= (found.reason > 0)).all()
    assert detector.reasons[0] == ""
    assert all(detector.reasons[code] for code in np.unique(found.reason[found.score > 0]))


@pytest.mark.parametrize("end", [1, 129, 350, 601])
def test_a_prefix_scores_as_in_the_whole(detector: Detector[Any], end: int) -> None:
    """What comes later changes nothing: no look-ahead, bit for bit."""
    whole, part = in_step(detector, streams()), in_step(detector, [v[:end] for v in streams()])
    assert same(Scores(whole.score[:end], whole.reason[:end]), part)


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_cut_of_batches_changes_nothing(detector: Detector[Any], cut: int) -> None:
    """The same readings in other batches score the same, bit for bit."""
    rows, times, values = interleaved([v[:400] for v in streams()])
    assert same(scored(detector, rows, times, values), scored(detector, rows, times, values, cut))


def test_neighbours_change_nothing(detector: Detector[Any]) -> None:
    """A series scores alone as among others, bit for bit."""
    rows, times, values = interleaved(streams())
    together = scored(detector, rows, times, values)
    for i, stream in enumerate(streams()):
        own = Scores(together.score[rows == i], together.reason[rows == i])
        k = len(stream)
        assert same(own, scored(detector, np.zeros(k, np.int64), times[rows == i], stream))


def test_many_series_in_step(detector: Detector[Any]) -> None:
    """Series that arrive in lockstep (the vector path) score as each alone, reading by reading too."""
    together = in_step(detector, streams() * 4)
    state = detector.start()
    detector.grow(state, 1)
    for i, stream in enumerate(streams()):
        own = Scores(together.score[:, i + 5].copy(), together.reason[:, i + 5].copy())
        assert same(own, alone(detector, stream))
    values = streams()[0]
    steps = [
        detector.score(state, np.zeros(1, np.int64), np.array([t * 1_000_000_000]), values[t : t + 1])
        for t in range(ROWS)
    ]
    assert np.concatenate([s.score for s in steps]).tobytes() == together.score[:, 0].tobytes()


@pytest.mark.parametrize(("scale", "shift"), [(3.7, 0.0), (0.001, 12.5), (1.0, -1000.0), (2.5e6, 31.0)])
def test_units_do_not_matter(detector: Detector[Any], scale: float, shift: float) -> None:
    """Scores of a x + b equal those of x within 1e-9, whatever the unit and zero point."""
    if not detector.affine:
        assert type(detector).kind == "limits"
        return
    other = in_step(detector, [scale * v + shift for v in streams()])
    assert np.abs(other.score - in_step(detector, streams()).score).max() < 1e-9


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e151])
def test_what_is_no_number_leaves_no_trace(detector: Detector[Any], bad: float) -> None:
    """NaN and infinities score 0, and the readings after them score as if they had not come."""
    values = streams()[0]
    holes = np.insert(values, [100, 300, 300, 600], bad)
    at = np.flatnonzero(~(np.abs(holes) <= 1e150))
    found = alone(detector, holes)
    assert len(at) == 4
    assert (found.score[at] == 0).all()
    assert (found.reason[at] == 0).all()
    rest = Scores(np.delete(found.score, at), np.delete(found.reason, at))
    times = np.delete(np.arange(len(holes)) * 1_000_000_000, at)
    assert same(rest, scored(detector, np.zeros(ROWS, np.int64), times, values))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e151])
def test_a_bad_reading_beside_good_ones(detector: Detector[Any], bad: float) -> None:
    """In one step it scores 0 and leaves no trace, and its neighbours score as without it."""
    state, other = detector.start(), detector.start()
    detector.grow(state, 3)
    detector.grow(other, 3)
    values = np.stack(streams()[:3]).T
    values[650, 1] = bad
    for t, row in enumerate(values):
        time = np.full(3, t * 1_000_000_000)
        found = detector.score(state, np.arange(3), time, row)
        good = np.flatnonzero(np.abs(row) <= 1e150)
        expected = detector.score(other, good, time[good], row[good])
        assert found.score[good].tobytes() == expected.score.tobytes()
        assert t != 650 or (found.score[1] == 0 and found.reason[1] == 0)
    for name, array, _ in state.arrays():
        assert array.tobytes() == getattr(other, name).tobytes(), name


@pytest.mark.parametrize("value", [0.0, 7.3, 1 / 3, 1e-9 / 7, -1e12])
def test_a_constant_stream_is_silent(detector: Detector[Any], value: float) -> None:
    """Nothing happens, nothing is said."""
    if type(detector).kind != "limits":
        assert not alone(detector, np.full(ROWS, value)).score.any()


@pytest.mark.parametrize("times", ["irregular", "gaps", "another year", "all at once"])
def test_when_readings_come_says_nothing(detector: Detector[Any], times: str) -> None:
    """Irregular sampling, gaps of days, another date: the same scores, from all that do not ask for the time of day."""
    rng, values = np.random.default_rng(4), streams()[0]
    spacing = np.full(ROWS, 1_000_000_000)
    if times == "irregular":
        spacing = rng.integers(1, 10**11, ROWS)
    elif times == "gaps":
        spacing[[100, 333, 590]] = 5 * 86_400 * 10**9
    elif times == "all at once":
        spacing[:] = 0
    at = np.cumsum(spacing) + (30 * 365 * 86_400 * 10**9 if times == "another year" else 0)
    found = scored(detector, np.zeros(ROWS, np.int64), at, values)
    assert np.isfinite(found.score).all()
    if type(detector).kind != "seasonal":
        assert same(found, alone(detector, values))


def test_a_seasonal_profile_knows_its_hour_after_a_gap() -> None:
    """Irregular readings with a gap of days in them: what is usual at an hour stays so, what is not is found."""
    rng = np.random.default_rng(5)
    hour = np.sort(rng.uniform(0, 24 * 60, 6000))
    hour[3000:] += 24 * 9 + 7
    values = 10 * np.sin(hour * 2 * np.pi / 24) + rng.normal(0, 0.3, 6000)
    odd = int(np.flatnonzero((hour % 24 > 5) & (hour % 24 < 7))[-20])
    values[odd] = -8.0  # usual at 18 h, at 6 h it is not
    detector = DETECTORS["seasonal"]()
    found = scored(detector, np.zeros(6000, np.int64), (hour * 3600e9).astype(np.int64), values)
    assert np.flatnonzero(found.score >= detector.threshold).tolist() == [odd]


def test_one_huge_value(detector: Detector[Any]) -> None:
    """A huge value is an alarm itself; nothing overflows then or later."""
    values = streams()[0].copy()
    values[400] = 1e140
    found = alone(detector, values)
    assert found.score[400] >= detector.threshold
    assert np.isfinite(found.score).all()


def test_state_is_plain_and_copies(detector: Detector[Any]) -> None:
    """The state is arrays and ints; a copy of them taken half way continues with the same scores."""
    rows, times, values = interleaved(streams())
    state = detector.start()
    detector.grow(state, 5)
    half = len(rows) // 2
    score_batch(detector, state, rows[:half], times[:half], values[:half])
    kept: dict[str, Any] = {}
    for item in dataclasses.fields(state):
        value = getattr(state, item.name)
        assert type(value) in (int, np.ndarray)
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "fiub"
            assert len(value) >= 5
        kept[item.name] = copy.deepcopy(value)
    first = score_batch(detector, state, rows[half:], times[half:], values[half:])
    second = score_batch(detector, type(state)(**kept), rows[half:], times[half:], values[half:])
    assert same(first, second)


def test_memory_is_bounded(detector: Detector[Any]) -> None:
    """Below 64 KB a series, and no more after many readings."""
    state = detector.start()
    detector.grow(state, 64)
    before = sum(array.nbytes for _, array, _ in state.arrays())
    values = np.cumsum(np.random.default_rng(3).normal(0, 1, 3000))
    score_batch(detector, state, np.zeros(3000, np.int64), np.arange(3000), values)
    assert sum(array.nbytes for _, array, _ in state.arrays()) == before
    assert before / 64 < 64 * 1024


def test_growing_keeps_what_was_learned(detector: Detector[Any]) -> None:
    """Room for more series changes nothing for those there."""
    values = streams()[1]
    state = detector.start()
    zero = np.zeros(1, np.int64)
    found = []
    for i, value in enumerate(values):
        detector.grow(state, 1 + i // 50)
        found.append(detector.score(state, zero, np.array([i * 1_000_000_000]), np.array([value])).score[0])
    assert state.series == 14
    assert np.array(found).tobytes() == alone(detector, values).score.tobytes()
