"""Feature sets: what a detector sees of a series, declared once and hashed.

The hash stands on every finding, and a bundle that was made for another feature set is refused, so that
training and serving cannot drift apart unnoticed.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import BundleRefused
from contracts.identity import digest

from .files import canonical


class FeatureSet(BaseModel):
    """Base of all feature sets: every field is part of the definition, and so of the hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    dtype: ClassVar[str] = "float64"

    @property
    def names(self) -> tuple[str, ...]:
        """The features in the order in which a detector gets them."""
        raise NotImplementedError

    @property
    def definition(self) -> dict[str, Any]:
        """As plain data; the same definition always has the same spelling."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """Names the definition, the features, their order and their type."""
        return digest("feature set", canonical(self.definition), self.dtype, *self.names)


class Identity(FeatureSet):
    """The accepted value as it is.

    >>> Identity().names
    ('value',)
    """

    kind: Literal["identity"] = "identity"

    @property
    def names(self) -> tuple[str, ...]:
        return ("value",)


#: kind -> class, for every feature set that this version can compute
FEATURE_SETS: dict[str, type[FeatureSet]] = {"identity": Identity}


def feature_set(definition: dict[str, Any]) -> FeatureSet:
    """The feature set that a manifest describes.

    Raises BundleRefused when this version cannot compute it.
    """
    kind = definition.get("kind")
    known = FEATURE_SETS.get(kind) if isinstance(kind, str) else None
    if known is None:
        names = ", ".join(FEATURE_SETS)
        raise BundleRefused(f"feature set of kind {kind!r} is not known here; known: {names}")
    try:
        return known.model_validate(definition)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleRefused(f"feature set {kind!r}: {where}: {first['msg']}") from error
