"""The parts that validity rests on: bets of mean 1, exactly uniform ranks, independent hashes."""

import numpy as np
import pytest

from models.drift import DriftTest
from models.drift.bets import DEPENDENCE, LEVELS, RECORDS, SLOTS, WEIGHTS, book
from models.drift.chance import uniform
from models.drift.knots import BLOCK, BLOCKS, CLASSES, counted_below
from models.drift.panel import TESTED
from models.drift.ranking import Ranks, rank
from models.drift.residuals import Residuals
from models.drift.words import Rows

from .streams import noise


def test_every_bet_has_mean_one_under_uniform_ranks() -> None:
    b = book()
    tables = b.tables.reshape(-1, b.cells, b.tables.shape[1])
    means = (tables * b.width[None, :, None]).sum(axis=1)[:, :TESTED]
    assert np.abs(means - 1).max() < 1e-9
    assert (tables[:, :, : DEPENDENCE.start] > 0).all()
    dependence = b.dependence.reshape(LEVELS + 1, b.cells, 4)
    assert np.abs((dependence * b.width[None, :, None]).sum(axis=1) - 1).max() < 1e-9
    assert len(b.cell_of_slot) == SLOTS
    assert b.weights.sum() == 1.0 or abs(b.weights.sum() - 1) < 1e-12


def _ranks_of(reference: np.ndarray, live: np.ndarray) -> Ranks:
    """Ranks of live readings; with so short a reference no autoregression is fitted."""
    test = DriftTest()
    state = test.start()
    test.adopt(state, 0, test.fit(reference, None))
    rows = Rows.of(np.zeros(1, np.int64))
    found = Residuals(
        ((live - state.levels[0, 0] - state.season[0, 0]) / state.scales[0, 0])[None],
        np.zeros((1, len(live)), np.int64),
        state.history,
        state.h,
        cold=np.zeros((1, len(live)), np.bool_),
        warm=state.warm,
    )
    return rank(state, rows, found, np.ones(1, np.bool_), book())


def test_ranks_are_uniform_even_against_a_tiny_reference() -> None:
    """Against the reference alone, 60 readings would leave a bias that no stream length averages out."""
    b = book()
    cells = np.concatenate([_ranks_of(noise(i, 57), noise(900 + i, 120)).cells[0] for i in range(150)])
    seen = np.bincount(cells, minlength=b.cells).cumsum() / len(cells)
    assert np.abs(seen - b.width.cumsum()).max() < 1.63 / len(cells) ** 0.5


def test_the_bet_on_records_has_mean_one() -> None:
    """It depends on how many readings went beyond the reference so far; on average it must not gain by that."""
    gains = np.concatenate([_ranks_of(noise(i, 57), noise(900 + i, 100)).gains[0, :, RECORDS] for i in range(200)])
    assert gains.std() > 0.1
    assert abs(gains.mean() - 1) < 4 * gains.std() / len(gains) ** 0.5


def test_ranks_of_tied_values_are_uniform() -> None:
    b = book()
    cells = np.concatenate(
        [_ranks_of(np.round(noise(i, 57) / 20), np.round(noise(900 + i, 120) / 20)).cells[0] for i in range(150)]
    )
    seen = np.bincount(cells, minlength=b.cells).cumsum() / len(cells)
    assert np.abs(seen - b.width.cumsum()).max() < 1.63 / len(cells) ** 0.5


def test_hashes_look_uniform_and_uncorrelated() -> None:
    u = uniform(np.array([[5], [6]], np.uint64), np.arange(20_000, dtype=np.uint64)[None])
    assert max(abs(float(row.mean()) - 0.5) for row in u) < 0.01
    assert abs(float(np.mean((u[0] - 0.5) * (u[1] - 0.5)))) < 0.0025
    assert abs(float(np.mean((u[0, 1:] - 0.5) * (u[0, :-1] - 0.5)))) < 0.0025
    assert u.min() >= 0
    assert u.max() < 1


@pytest.mark.parametrize("t", [1, 2, 7, 24, 25, 60])
def test_counts_below_a_class_are_those_of_the_definition(t: int) -> None:
    """Whichever way is taken: a block for each reading, or the sums of all classes."""
    rng, rows = np.random.default_rng(4), Rows.of(np.array([0, 2, 3]))
    fine = rng.poisson(3, (5, BLOCK * BLOCKS)).astype(np.uint16)
    coarse = fine.reshape(5, BLOCKS, BLOCK).sum(axis=2).astype(np.uint16)
    cls = rng.integers(0, CLASSES, (3, t))
    cls[:, 0] = 0, CLASSES - 1, BLOCK
    low, same = counted_below(fine, coarse, rows, cls)
    for i, row in enumerate((0, 2, 3)):
        assert low[i].tolist() == [int(fine[row, :at].sum()) for at in cls[i]]
        assert same[i].tolist() == [int(fine[row, at]) for at in cls[i]]


def test_what_all_bets_are_below_their_mean_is_below() -> None:
    """The evidence is added up for the series alone that come near their limit: the weights may not exceed 1."""
    assert 0.98 < WEIGHTS.sum() <= 1 + 1e-12
    assert (WEIGHTS >= 0).all()
