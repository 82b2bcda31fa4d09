"""What a manifest names by kind, made from its parameters: detectors, and what comes after them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from contracts.errors import BundleRefused

from .manifest import Component

Kinds = Mapping[str, Any]
Floats = NDArray[np.float64]


class Bare(BaseModel, frozen=True, extra="forbid"):
    """The postprocessor that leaves features and scores as they are."""

    kind: ClassVar[str] = "none"

    def scale(self, arrays: Mapping[str, NDArray[Any]], features: Floats) -> Floats:
        """The features that the detector gets, float64[n, k]."""
        return features

    def calibrate(self, arrays: Mapping[str, NDArray[Any]], raw: Floats) -> Floats:
        """The scores that its raw ones mean, float64[n]."""
        return raw


def detectors() -> Kinds:
    """Kind -> class of every detector: of single series, of assets, and those that are fitted to features."""
    from .detectors import DETECTORS
    from .multivariate import MULTIVARIATE
    from .trained import TRAINED

    return {**DETECTORS, **MULTIVARIATE, **TRAINED}


def postprocessors() -> Kinds:
    """Kind -> class of every postprocessor."""
    from .trained import POSTPROCESSORS

    return {Bare.kind: Bare, **POSTPROCESSORS}


def score(detector: Any, postprocessor: Any, arrays: Mapping[str, NDArray[Any]], features: Floats) -> Floats:
    """The scores of a fitted detector with its postprocessor, float64[n, k] -> float64[n].

    Raises KeyError when the arrays lack one that either needs.
    """
    raw = detector.score(arrays, postprocessor.scale(arrays, features))
    scores: Floats = postprocessor.calibrate(arrays, raw)
    return scores


def component(part: Any) -> Component:
    """How a manifest names a detector or postprocessor.

    Every parameter, also those at their default: a later default must not change what the bundle means.
    """
    return Component(kind=part.kind, parameters=part.model_dump(mode="json"), revision=revision(part))


def revision(part: Any) -> int:
    """Raised by a class when it computes other scores than before."""
    return int(getattr(part, "revision", 1))


def made(told: Component, kinds: Kinds, what: str = "detector") -> Any:
    """The detector or postprocessor that a manifest describes.

    Raises BundleRefused when this version has no such kind, or another revision of it, or it does not take these
    parameters.
    """
    if told.kind not in kinds:
        known = ", ".join(sorted(kinds))
        raise BundleRefused(f"{what} {told.kind!r} is not known here; known: {known}", kind=what)
    known_as = kinds[told.kind]
    if told.revision != (here := revision(known_as)):
        raise BundleRefused(
            f"{what} {told.kind!r} was revision {told.revision}, here it is {here}",
            kind="revision",
            mend="It computes other scores since: build the bundle again.",
        )
    try:
        return known_as(**told.parameters)
    except (TypeError, ValueError) as error:
        raise BundleRefused(f"{what} {told.kind!r} does not take its parameters: {error}", kind=what) from error
