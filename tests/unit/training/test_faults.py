"""Planted faults: the same in every run, where they belong, and nowhere else."""

import numpy as np
import pytest

from contracts.instants import SECOND
from models.training.faults import FAULTS, SPIKE, STEP, Planting, Schedule
from models.training.rows import Rows
from models.training.split import Split

SPLIT = Split(0, 600 * SECOND, 800 * SECOND, 4000 * SECOND)


def rows(n: int = 4000) -> Rows:
    step = np.arange(n)
    return Rows(np.zeros(n, np.int64), step * SECOND, np.sin(step / 9), step + 1)


def planting(name: str = "pump-1/flow") -> Planting:
    return Planting(1, {0: name}, {0: Schedule.of(name, SPLIT, 1)}, {0: 0.5})


def test_each_kind_is_planted_once_and_only_where_readings_are_compared() -> None:
    given = rows()
    values, kinds = planting().plant(given)
    assert set(kinds.tolist()) == {-1, 0, 1, 2, 3}
    assert given.times[kinds >= 0].min() >= SPLIT.compare_from
    assert (values[kinds < 0] == given.values[kinds < 0]).all()
    for number, kind in enumerate(FAULTS):
        at = np.flatnonzero(kinds == number)
        assert (np.diff(at) == 1).all()
        assert len(at) == (1 if kind == "spike" else 50)


def test_the_faults_are_what_they_are_called() -> None:
    given = rows()
    values, kinds = planting().plant(given)
    moved = values - given.values
    assert np.abs(moved[kinds == FAULTS.index("spike")]) == pytest.approx([SPIKE * 0.5])
    assert np.abs(moved[kinds == FAULTS.index("step")]) == pytest.approx(np.full(50, STEP * 0.5))
    assert 0.8 < moved[kinds == FAULTS.index("noise")].std() < 2.2
    stuck = np.flatnonzero(kinds == FAULTS.index("stuck"))
    assert set(values[stuck].tolist()) == {given.values[stuck[0] - 1]}


@pytest.mark.parametrize("size", [1, 7, 50, 333])
def test_they_do_not_depend_on_batches(size: int) -> None:
    given, cut = rows(), planting()
    parts = [cut.plant(given.at(np.arange(at, min(at + size, 4000)))) for at in range(0, 4000, size)]
    values, kinds = planting().plant(given)
    assert np.array_equal(np.concatenate([part[0] for part in parts]), values)
    assert np.array_equal(np.concatenate([part[1] for part in parts]), kinds)


def test_two_series_have_theirs_at_different_times() -> None:
    assert Schedule.of("a/b", SPLIT, 1) == Schedule.of("a/b", SPLIT, 1)
    assert Schedule.of("a/b", SPLIT, 1) != Schedule.of("a/c", SPLIT, 1) != Schedule.of("a/c", SPLIT, 2)
