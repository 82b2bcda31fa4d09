"""State: what was saved comes back, bit for bit, and nothing else is taken for it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from agents.state import dump, restore
from contracts.errors import CorruptEvent

DTYPES = st.sampled_from(["f8", "f4", "i8", "i4", "u1", "?"]).map(np.dtype)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
KEYS = st.one_of(TEXT, st.integers(), st.tuples(TEXT, st.integers()))


@dataclass
class Inner:
    array: NDArray[Any]
    word: str = ""


@dataclass
class Outer:
    inner: Inner
    array: NDArray[Any]
    table: dict[Any, Any] = field(default_factory=dict)
    pair: tuple[Any, ...] = ()
    items: list[Any] = field(default_factory=list)
    number: float = 0.0


def blank(state: Outer) -> Outer:
    """A fresh state of the same shape."""
    return Outer(Inner(np.zeros_like(state.inner.array)), np.zeros_like(state.array))


STATES = st.builds(
    Outer,
    st.builds(Inner, arrays.arrays(DTYPES, SHAPES), TEXT),
    arrays.arrays(DTYPES, SHAPES),
    st.dictionaries(KEYS, LEAF | st.lists(LEAF, max_size=3), max_size=4),
    st.tuples(LEAF, st.tuples(LEAF)),
    st.lists(LEAF | st.lists(LEAF, max_size=2), max_size=3),
    st.floats(),
)


@given(STATES)
def test_restored_state_is_the_one_that_was_dumped(state: Outer) -> None:
    data = dump(state)
    back = restore(blank(state), data)
    assert dump(back) == data
    assert back.array.tobytes() == state.array.tobytes()
    assert (back.array.shape, back.array.dtype) == (state.array.shape, state.array.dtype)
    assert back.inner.array.tobytes() == state.inner.array.tobytes()
    assert (back.inner.word, back.table, back.pair, back.items) == (
        state.inner.word, state.table, state.pair, state.items,
    )  # fmt: skip
    assert repr(back.number) == repr(state.number)


@given(arrays.arrays(np.float64, st.integers(1, 5)))
def test_restored_arrays_can_be_written_to_and_share_nothing(array: NDArray[np.float64]) -> None:
    data = dump(Inner(array))
    one, other = restore(Inner(np.zeros(0)), data), restore(Inner(np.zeros(0)), data)
    one.array[0] = 7.0 if array[0] != 7.0 else 8.0
    assert other.array.tobytes() == array.tobytes()


def test_views_are_saved_as_they_read() -> None:
    array = np.arange(12.0).reshape(3, 4).T[::2]
    assert restore(Inner(np.zeros((1, 1))), dump(Inner(array))).array.tolist() == array.tolist()


@pytest.mark.parametrize("value", [object(), np.int64(1), {1, 2}, b"bytes", [object()], {"a": {"b": 1}}])
def test_what_cannot_be_saved_is_refused_when_saving(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be saved"):
        dump(Inner(np.zeros(1), value))  # type: ignore[arg-type] # a mistake that mypy would find


@pytest.mark.parametrize(
    "template",
    [Inner(np.zeros(1, np.float32)), Inner(np.zeros((1, 1))), Outer(Inner(np.zeros(1)), np.zeros(1))],
    ids=["other dtype", "other dimensions", "other fields"],
)
def test_state_of_another_shape_is_refused(template: Any) -> None:
    with pytest.raises(CorruptEvent, match="not a state of"):
        restore(template, dump(Inner(np.zeros(1))))


def test_cut_and_foreign_bytes_are_refused() -> None:
    data = dump(Inner(np.arange(3.0), "word"))
    for length in range(len(data)):
        with pytest.raises(CorruptEvent):
            restore(Inner(np.zeros(0)), data[:length])
    for foreign in (b"x" * 200, (7).to_bytes(8, "little") + b"[1,2,3]", (2).to_bytes(8, "little") + b"{}"):
        with pytest.raises(CorruptEvent):
            restore(Inner(np.zeros(0)), foreign)
