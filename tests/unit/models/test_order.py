"""Rows by series: as numpy's stable sort gives them, whatever way is taken."""

import numpy as np
import pytest

from models.order import order_of


@pytest.mark.parametrize("most", [1, 40, 65_535, 65_536, 2**40])
def test_it_is_the_stable_order(most: int) -> None:
    """Below and above what fits 16 bits, where a number that is cut off would stand in the wrong place."""
    rows = np.random.default_rng(1).integers(0, most, 5_000)
    rows[:2] = most
    assert order_of(rows).tolist() == np.argsort(rows, kind="stable").tolist()


def test_no_rows_have_no_order() -> None:
    assert len(order_of(np.zeros(0, np.int64))) == 0
