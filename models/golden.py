"""Golden vectors: a short series, and the scores that the detector gave for it when its bundle was built.

Where the detector was fitted to features it gets vectors of features instead, and the scores are those that the
postprocessor makes of its own. They are scored again wherever the bundle is loaded. Equal bits there mean that code,
versions and processor compute what they computed at the build; no list of versions can promise that.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BundleRefused
from contracts.instants import SECOND

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
#: Gives the score of each vector of features, float64[n, k] -> float64[n].
Scored = Callable[[Float64], Float64]
#: Enough for most detectors to leave their warm-up; the longer ones are for those that take their time.
LENGTHS = (400, 1_600, 6_400)
SERIES = 2
_START = 1_700_000_000 * SECOND


class Named(Protocol):
    """What a manifest can name."""

    kind: ClassVar[str]

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


class Detector(Named, Protocol):
    """What is needed of a streaming detector here; ``models.detectors.base`` has the whole of it."""

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
    """The golden vectors of a streaming detector, as arrays of its bundle.

    They are as short as they can be with more than one score in them. Where there is none such (limits that the
    readings never reach), the shortest.
    """
    tried = (_vectors(detector, length) for length in LENGTHS)
    speaking = (arrays for arrays in tried if len(np.unique(arrays["golden/scores"])) > 1)
    return next(speaking, None) or _vectors(detector, LENGTHS[0])


def _vectors(detector: Detector, length: int) -> dict[str, NDArray[Any]]:
    times, values = inputs(length)
    return {"golden/scores": scores(detector, times, values), "golden/times": times, "golden/values": values}


def check(detector: Detector, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Score the golden vectors of a streaming detector again.

    Raises BundleRefused unless they are whole and every score is the same, bit for bit.
    """
    times, values, expected = _named(arrays, "golden/times", "golden/values", "golden/scores")
    kinds = [array.dtype.name for array in (times, values, expected)]
    shaped = values.ndim == 2 and expected.shape == values.shape and times.shape == values.shape[:1]
    if kinds != ["int64", "float64", "float64"] or not shaped:
        raise _refused("their shapes or types do not fit each other")
    _compare(scores(detector, times, values), expected)


def make_fitted(scored: Scored, examples: Float64) -> dict[str, NDArray[Any]]:
    """The golden vectors of a detector that was fitted: these feature vectors, float64[n, k], with their scores."""
    return {"golden/inputs": examples, "golden/scores": scored(examples)}


def check_fitted(scored: Scored, arrays: Mapping[str, NDArray[Any]], count: int) -> None:
    """Score the golden vectors of a fitted detector again; ``count`` is its number of features.

    Raises BundleRefused unless they are whole and every score is the same, bit for bit.
    """
    examples, expected = _named(arrays, "golden/inputs", "golden/scores")
    shaped = examples.ndim == 2 and examples.shape[1] == count and expected.shape == examples.shape[:1]
    if [array.dtype.name for array in (examples, expected)] != ["float64", "float64"] or not shaped:
        raise _refused("their shapes or types do not fit each other")
    try:
        found = scored(examples)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise _refused(f"they cannot be scored with this state: {error!r}") from error
    _compare(found, expected)


def size(arrays: Mapping[str, NDArray[Any]]) -> int:
    """How many readings, or vectors of features, the golden vectors hold."""
    if "golden/inputs" in arrays:
        return len(arrays["golden/inputs"])
    return int(arrays["golden/values"].size) if "golden/values" in arrays else 0


def _named(arrays: Mapping[str, NDArray[Any]], *names: str) -> list[NDArray[Any]]:
    for name in names:
        if name not in arrays:
            raise _refused(f"{name} is missing")
    return [arrays[name] for name in names]


def _refused(why: str, mend: str = "") -> BundleRefused:
    return BundleRefused(f"golden vectors: {why}", kind="golden vectors", mend=mend)


def _compare(found: Float64, expected: Float64) -> None:
    differs = found.view(np.int64) != expected.view(np.int64)
    if not differs.any():
        return
    place = tuple(int(index[0]) for index in np.nonzero(differs))
    where = f"step {place[0]} of series {place[1]}" if len(place) > 1 else f"vector {place[0]}"
    raise BundleRefused(
        f"golden vectors differ in {int(differs.sum()):,} of {differs.size:,} scores, first at {where}:"
        f" {found[place]} here, {expected[place]} when it was built",
        kind="golden vectors",
        mend="This machine or code computes other scores: build the bundle again here.",
    )
