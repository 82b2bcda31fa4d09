"""Golden vectors: a short series, and the scores that the detector gave for it when its bundle was built.

They are scored again wherever the bundle is loaded. Equal bits there mean that code, versions and processor
compute what they computed at the build; no list of versions can promise that.
"""

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BundleRefused
from contracts.instants import SECOND

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
#: Enough for most detectors to leave their warm-up; the longer ones are for those that take their time.
LENGTHS = (400, 1_600, 6_400)
SERIES = 2
_START = 1_700_000_000 * SECOND


class Detector(Protocol):
    """What is needed of a detector here; ``models.detectors.base`` has the whole of it."""

    kind: ClassVar[str]

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...

    def start(self) -> Any: ...

    def grow(self, state: Any, n: int) -> None: ...

    def score(self, state: Any, rows: Int64, times: Int64, values: Float64) -> Any: ...


def inputs(length: int) -> tuple[Int64, Float64]:
    """Times (one per step) and values (one per step and series) of the golden vectors.

    Only integers, and float operations that IEEE 754 rounds in one way: no generator whose stream may change.
    """
    steps = np.arange(length, dtype=np.uint64)
    times = _START + np.arange(length, dtype=np.int64) * SECOND
    values = np.empty((length, SERIES))
    for number in range(SERIES):
        # The sum of four even numbers is close enough to normal noise.
        noise = sum(_hashed(steps * np.uint64(8) + np.uint64(4 * number + k)) for k in range(4))
        values[:, number] = 20.0 * (number + 1) + np.asarray(noise, np.float64) / 2.0**51 - 8.0
    # Something to find, twice in each series: a spike in the third quarter, a step in the last.
    values[5 * length // 8, :] += 32.0
    values[7 * length // 8 :, :] += 6.0
    return times, values


def _hashed(numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """SplitMix64 (Steele, Lea and Flood, 2014), the upper 53 bits: every one of them is exact as a float."""
    x = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64)


def scores(detector: Detector, times: Int64, values: Float64) -> Float64:
    """The scores of a fresh detector, step by step as serving computes them."""
    state = detector.start()
    detector.grow(state, values.shape[1])
    rows = np.arange(values.shape[1])
    out = np.empty(values.shape)
    for step in range(len(times)):
        out[step] = detector.score(state, rows, np.full(len(rows), times[step]), values[step]).score
    return out


def make(detector: Detector) -> dict[str, NDArray[Any]]:
    """The golden vectors of a detector, as arrays of its bundle.

    They are as short as they can be with more than one score in them. Where there is none such (limits that the
    readings never reach), the shortest.
    """
    tried = (_vectors(detector, length) for length in LENGTHS)
    speaking = (arrays for arrays in tried if len(np.unique(arrays["golden/scores"])) > 1)
    return next(speaking, None) or _vectors(detector, LENGTHS[0])


def _vectors(detector: Detector, length: int) -> dict[str, NDArray[Any]]:
    times, values = inputs(length)
    return {"golden/scores": scores(detector, times, values), "golden/times": times, "golden/values": values}


def check(detector: Detector, arrays: dict[str, NDArray[Any]]) -> None:
    """Score the golden vectors again.

    Raises BundleRefused unless every score is the same, bit for bit.
    """
    times, values = arrays["golden/times"], arrays["golden/values"]
    expected = arrays["golden/scores"]
    found = scores(detector, times, values)
    differs = found.view(np.int64) != expected.view(np.int64)
    if differs.any():
        step, number = (int(index[0]) for index in np.nonzero(differs))
        here, built = found[step, number], expected[step, number]
        raise BundleRefused(
            f"golden vectors differ in {int(differs.sum()):,} of {differs.size:,} scores, first at step {step}"
            f" of series {number}: {here} here, {built} when it was built",
            mend="This machine or code computes other scores: build the bundle again here.",
        )
