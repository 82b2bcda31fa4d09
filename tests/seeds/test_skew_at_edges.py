"""Training puts values into bins with one library, serving with another: on an edge, beside NaN and at infinity the two
disagree about the side. Scores shift for exactly those machines that run at a round number.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.features import Windows

EDGES, QUANTUM = (18.0, 35.0, 50.0), 2.0**-20
Values = Any
Binned = Callable[[Values, str], Values]


def values() -> Values:
    """Every edge, one quantum and one float to either side of it, what is no number, and values in between."""
    beside = [near for edge in EDGES for near in (edge, edge - QUANTUM, edge + QUANTUM)]
    floats = [np.nextafter(edge, to) for edge in EDGES for to in (-np.inf, np.inf)]
    return np.array([*beside, *floats, 0.0, -0.0, 20.0, 40.0, 60.0, np.nan, np.inf, -np.inf])


def meant(value: float, closed: str) -> float:
    """As the definition reads: the number of edges below the value, or at it where they open a bin."""
    if not np.isfinite(value):
        return np.nan
    return float(sum(edge <= value if closed == "left" else edge < value for edge in EDGES))


def ours(seen: Values, closed: str) -> Values:
    """The reducer, one reading a call as serving may be: no batch of training looks like that."""
    features = Windows.model_validate({"features": [{"kind": "bin", "edges": EDGES, "closed": closed}]})
    state = features.start()
    features.grow(state, 1)
    zero = np.zeros(1, np.int64)
    return np.array(
        [features.reduce(state, zero, zero + at, seen[at : at + 1], zero).features[0, 0] for at in range(len(seen))]
    )


def searched_right(seen: Values, closed: str) -> Values:
    """``bisect_right``, whatever was stated."""
    return np.searchsorted(EDGES, seen, side="right").astype(np.float64)


def digitized(seen: Values, closed: str) -> Values:
    """``np.digitize`` as it comes: [a, b), and NaN above everything."""
    return np.digitize(seen, EDGES).astype(np.float64)


def cut_left(seen: Values, closed: str) -> Values:
    """``pd.cut(right=False)`` with open ends: [a, b), NaN kept, infinities binned."""
    return np.where(np.isnan(seen), np.nan, np.searchsorted(EDGES, seen, side="right"))


def check(binned: Binned, closed: str) -> None:
    seen = values()
    for value, found in zip(seen.tolist(), binned(seen, closed).tolist(), strict=True):
        wanted = meant(value, closed)
        assert found == wanted or (np.isnan(found) and np.isnan(wanted)), (
            f"bin of {value!r}: {found}, meant was {wanted}"
        )


@pytest.mark.parametrize("closed", ["left", "right"])
def test_every_value_is_in_the_bin_that_was_stated(closed: str) -> None:
    check(ours, closed)


@pytest.mark.parametrize("mutant", [searched_right, digitized, cut_left])
def test_the_default_of_a_library_disagrees_on_the_edges(mutant: Binned) -> None:
    with pytest.raises(AssertionError, match=r"bin of 18\.0: 1\.0, meant was 0\.0"):
        check(mutant, "right")


@pytest.mark.parametrize(("mutant", "first"), [(searched_right, "nan"), (digitized, "nan"), (cut_left, "inf")])
def test_where_the_sides_agree_it_disagrees_on_what_is_no_number(mutant: Binned, first: str) -> None:
    with pytest.raises(AssertionError, match=f"bin of {first}: 3.0, meant was nan"):
        check(mutant, "left")
