"""The parts that detectors are made of, against their plain definitions."""

import numpy as np
import pytest

from models.detectors import DETECTORS, blocks, nearest
from models.detectors.base import as_key, rectangles
from models.detectors.exact import log2
from models.detectors.records import Records


def test_windows_are_those_of_the_definition() -> None:
    """Mean, maximum and minimum of the last 16, 64 and 256 readings, for series at different ages."""
    values = np.random.default_rng(1).normal(-5, 1, (3, 900))
    state = blocks.Blocks(series=0, **blocks.empty())
    Records().grow(state, 3)  # type: ignore[arg-type]  # a state of the tests' own
    for t in range(900):
        live = np.array([0, 2]) if t < 37 else np.array([0, 1, 2])
        age = np.array([t if row != 1 else t - 37 for row in live])
        found = blocks.windows(state, as_key(live), age, values[live, t])
        for i, row in enumerate(live):
            for j, width in enumerate(blocks.WIDTHS):
                if age[i] >= width - 1:
                    last = values[row, t - width + 1 : t + 1]
                    assert found[i, 0, j] == pytest.approx(last.mean(), abs=1e-13)
                    assert found[i, 1, j] == last.max()
                    assert found[i, 2, j] == last.min()


def test_a_huge_reading_leaves_no_rounding_error_in_the_means() -> None:
    """256 readings after 1e140 the means are exact again."""
    state = blocks.Blocks(series=0, **blocks.empty())
    Records().grow(state, 1)  # type: ignore[arg-type]  # a state of the tests' own
    values = np.full(600, 0.1)
    values[100] = 1e140
    found = np.empty((1, 3, 3))
    for t, value in enumerate(values):
        found = blocks.windows(state, slice(0, 1), np.array([t]), np.array([value]))
    assert np.abs(found[0, 0] - 0.1).max() < 1e-15


@pytest.mark.parametrize("t", [1, 5, 16, 40, 256])
def test_a_stretch_of_readings_is_as_many_steps(t: int) -> None:
    """Windows over a stretch equal those reading by reading, bit for bit, and so does the state after it."""
    values = np.random.default_rng(1).normal(-5, 1, (3, 700))
    one, many = (blocks.Blocks(series=0, **blocks.empty()) for _ in range(2))
    for state in (one, many):
        Records().grow(state, 3)  # type: ignore[arg-type]  # a state of the tests' own
    age = np.zeros(3, np.int64)
    for start in range(0, 700, t):
        live = np.array([0, 2]) if start == 0 else np.array([0, 1, 2])  # so that ages differ
        part = values[live, start : start + t].T
        steps = [blocks.windows(one, as_key(live), age[live] + i, row) for i, row in enumerate(part)]
        found = blocks.stretch(many, as_key(live), age[live], part)
        age[live] += len(part)
        assert found.tobytes() == np.stack(steps).tobytes()
        for name, array, _ in one.arrays():
            assert array.tobytes() == getattr(many, name).tobytes(), name


def test_distance_is_to_the_nearest_value_within_a_share_of_the_range() -> None:
    """The bounded memory answers like one that keeps every value; alone and among others alike."""
    values = np.cumsum(np.random.default_rng(2).normal(0, 1, (3000, 2)), axis=0)
    state = nearest.Net(series=0, **nearest.empty())
    alone = nearest.Net(series=0, **nearest.empty())
    Records().grow(state, 2)  # type: ignore[arg-type]  # a state of the tests' own
    Records().grow(alone, 2)  # type: ignore[arg-type]  # a state of the tests' own
    for t in range(3000):
        fresh = np.array([t == 0, t == 0])
        found, low, high = nearest.novelty(state, slice(0, 2), fresh, values[t : t + 1])
        for i in range(2):
            one = nearest.novelty(alone, slice(i, i + 1), fresh[:1], values[t : t + 1, i : i + 1])
            assert one[0][0, 0] == found[0, i]
        if t:
            true = np.abs(values[:t] - values[t]).min(axis=0)
            assert (found[0] >= true).all()
            assert (found[0] <= true + 1.01 * nearest.SHARE * (high - low)[0]).all()
    assert state.kept.max() <= nearest.ROOM - 2


@pytest.mark.parametrize("height", [2, 7, 60, 300])
def test_values_looked_up_together_are_those_looked_up_one_by_one(height: int) -> None:
    """Where many series keep something at once, and often; at grids, where little is new; with the rows mixed."""
    rng, rows = np.random.default_rng(2), np.array([4, 0, 3, 1])
    values = np.cumsum(rng.normal(size=(900, 4)), axis=0)
    values[:, 1] = np.round(values[:, 1])
    values[:, 2] = np.exp(np.abs(values[:, 2]) / 3)
    one, many = (nearest.Net(series=0, **nearest.empty()) for _ in range(2))
    for state in (one, many):
        Records().grow(state, 5)  # type: ignore[arg-type]  # a state of the tests' own
    for start in range(0, 900, height):
        part = values[start : start + height]
        steps = [
            nearest.novelty(one, rows, np.full(4, start + i == 0), row[None]) for i, row in enumerate(part)
        ]  # fmt: skip
        found = nearest.novelty(many, rows, np.full(4, start == 0), part)
        for each, together in zip(zip(*steps, strict=True), found, strict=True):
            assert np.concatenate(each).tobytes() == together.tobytes()
        for name, array, _ in one.arrays():
            assert array.tobytes() == getattr(many, name).tobytes(), name


def test_one_absurd_value_does_not_stretch_the_range() -> None:
    """The range leaves out the outermost value on each side."""
    state = nearest.Net(series=0, **nearest.empty())
    Records().grow(state, 1)  # type: ignore[arg-type]  # a state of the tests' own
    values = np.append(np.linspace(0, 1, 50), [1e9, 0.5])[:, None]
    _, low, high = nearest.novelty(state, slice(0, 1), np.array([True]), values)
    assert high[-1, 0] - low[-1, 0] < 1.0


def test_rectangles_hold_each_reading_once_in_the_order_of_its_series() -> None:
    """A batch is cut into rectangles of readings by series."""
    rows = np.array([4, 2, 4, 4, 2, 0])
    assert [r.tolist() for r in rectangles(rows)] == [[[5, 1, 0]], [[4, 2]], [[3]]]
    mixed = np.random.default_rng(3).integers(0, 7, 5000)
    cut = list(rectangles(mixed))
    assert np.sort(np.concatenate([r.ravel() for r in cut])).tolist() == list(range(5000))
    assert max(len(r) for r in cut) <= 256
    for series in range(7):
        mine = np.concatenate([r[:, mixed[r[0]] == series].ravel() for r in cut])
        assert mine.tolist() == np.flatnonzero(mixed == series).tolist()


def test_log2_is_right_to_the_last_digits() -> None:
    """Within 1e-12 of the library's logarithm over the whole range of ratios."""
    x = np.geomspace(1e-12, 1e12, 10_001)
    assert np.abs(log2(x) - np.log2(x)).max() < 1e-12


def test_every_kind_is_found() -> None:
    """The detectors of the tree are listed by kind."""
    assert {"records", "limits", "ewma", "mad", "seasonal"} <= set(DETECTORS)
    assert all(cls.kind == kind for kind, cls in DETECTORS.items())
