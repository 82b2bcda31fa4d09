"""Readings and events as hypothesis makes them: every bit pattern, every length, every name."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contracts.readings import Readings, Series

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
SERIES = st.lists(st.builds(Series, NAMES, NAMES, NAMES), min_size=1, max_size=5, unique=True)


@st.composite
def batches(draw: st.DrawFn, min_size: int = 0, max_size: int = 40) -> Readings:
    """Readings whose values are any 64 bits: NaN payloads, infinities and negative zeros among them."""
    count = draw(st.integers(min_size, max_size))
    series = draw(SERIES)
    bits = draw(arrays.arrays(np.int64, count, elements=INT64))
    special = draw(st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324]))
    values = bits.view(np.float64).copy()
    values[: count // 3] = special
    return Readings.of(
        series,
        draw(arrays.arrays(np.int32, count, elements=st.integers(0, len(series) - 1))),
        draw(arrays.arrays(np.int64, count, elements=INT64)),
        values,
        draw(arrays.arrays(np.int64, count, elements=INT64)),
        quality=draw(arrays.arrays(np.uint8, count)),
        verdict=draw(arrays.arrays(np.uint8, count)),
        notes=draw(st.dictionaries(st.integers(0, count - 1), st.text(st.characters(codec="utf-8"), max_size=20)))
        if count
        else None,
    )
