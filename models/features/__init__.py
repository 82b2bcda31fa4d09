"""Feature sets: what a detector sees of a series, declared once and hashed.

The hash stands on every finding, and a bundle that was made for another feature set is refused, so that
training and serving cannot drift apart unnoticed.
"""

from typing import Any

from pydantic import ValidationError

from contracts.errors import BundleRefused

from .base import FeatureSet, Vectors
from .identity import Identity
from .windows import Windows

__all__ = ["FEATURE_SETS", "FeatureSet", "Identity", "Vectors", "Windows", "feature_set"]

#: kind -> class, for every feature set that this version can compute
FEATURE_SETS: dict[str, type[FeatureSet]] = {"identity": Identity, "windows": Windows}


def feature_set(definition: dict[str, Any]) -> FeatureSet:
    """The feature set that a manifest describes.

    Raises BundleRefused when this version cannot compute it.
    """
    kind = definition.get("kind")
    known = FEATURE_SETS.get(kind) if isinstance(kind, str) else None
    if known is None:
        names = ", ".join(FEATURE_SETS)
        raise BundleRefused(f"feature set of kind {kind!r} is not known here; known: {names}", kind="feature set")
    try:
        return known.model_validate(definition)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleRefused(f"feature set {kind!r}: {where}: {first['msg']}", kind="feature set") from error
