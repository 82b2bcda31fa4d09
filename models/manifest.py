"""The manifest: what a bundle says of itself, as JSON."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from contracts.errors import BundleRefused
from contracts.strictjson import loads

from .environment import Environment
from .features import FeatureSet, feature_set
from .files import MANIFEST, canonical

#: Version 2 tells the state arrays and the revision of what scores; bundles of version 1 are read as they are.
SCHEMA_VERSION = 2
_READABLE = (1, 2)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Component(_Section):
    """A detector or a postprocessor: which class, every one of its parameters, and the revision of its code.

    A class raises its ``revision`` when it computes other scores than before.
    """

    kind: str
    parameters: dict[str, JsonValue] = {}
    revision: int = 1


class Untrained(_Section):
    """The bundle was not made from data."""

    kind: Literal["none"] = "none"
    why: str


class TrainedOn(_Section):
    """The range of the log that the bundle was made from, and the digest of what was read there."""

    kind: Literal["range"] = "range"
    stream: str
    partitions: dict[str, tuple[int, int]] = Field(description="partition -> first and last ordinal")
    since: int = Field(description="event time of the first reading, ns")
    until: int = Field(description="event time of the last reading, ns")
    readings: int
    digest: str


class NoReference(_Section):
    """Drift is not measured against this bundle."""

    kind: Literal["none"] = "none"
    why: str


class Reference(_Section):
    """The arrays ``reference/...`` of the bundle are what drift is measured against."""

    kind: Literal["arrays"] = "arrays"
    arrays: tuple[str, ...]
    digest: str


Training = Annotated[Untrained | TrainedOn, Field(discriminator="kind")]
DriftReference = Annotated[NoReference | Reference, Field(discriminator="kind")]
STREAMING = Untrained(why="streaming detector, calibrates itself on each series")
OWN_PAST = NoReference(why="each series is compared with its own past")


class Features(_Section):
    """The features that the detector gets, spelled out beside the definition that they follow from."""

    count: int
    names: tuple[str, ...]
    dtype: str

    @classmethod
    def of(cls, definition: FeatureSet) -> "Features":
        """The features of a feature set."""
        return cls(count=len(definition.names), names=definition.names, dtype=definition.dtype)


class Golden(_Section):
    """How many readings, or vectors of features, the golden vectors hold; they are the arrays ``golden/...``."""

    readings: int


class Manifest(_Section):
    """Everything of a bundle that is not an array; nothing (time, path) that differs between two builds."""

    schema_version: Literal[1, 2] = 2
    name: str
    detector: Component
    postprocessor: Component
    feature_set: dict[str, JsonValue]
    feature_set_hash: str
    features: Features
    state: tuple[str, ...] = Field(default=(), description="the arrays that the detector begins with, all of them")
    drift_reference: DriftReference = OWN_PAST
    environment: Environment
    environment_hash: str
    training: Training = STREAMING
    device: Literal["cpu"] = "cpu"
    golden: Golden

    def to_bytes(self) -> bytes:
        """The content of ``manifest.json``."""
        return canonical(self.model_dump(mode="json"))


def parse(data: bytes) -> Manifest:
    """The manifest in these bytes.

    Raises BundleRefused: not JSON, another schema version, or the field that does not fit.
    """
    try:
        tree = loads(data)
    except ValueError as error:
        raise BundleRefused(f"{MANIFEST} is not JSON: {error}", kind="manifest") from error
    if not isinstance(tree, dict):
        raise BundleRefused(f"{MANIFEST} is not a JSON object", kind="manifest")
    _check_version(tree.get("schema_version"))
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleRefused(f"{MANIFEST}: {where}: {first['msg']}", kind="manifest") from error


def _check_version(version: object) -> None:
    if isinstance(version, int) and not isinstance(version, bool) and version in _READABLE:
        return
    newer = isinstance(version, int) and version > SCHEMA_VERSION
    raise BundleRefused(
        f"schema version is {version!r}, this Tocsin reads {' and '.join(map(str, _READABLE))}",
        kind="schema",
        mend="Upgrade this agent." if newer else "Build the bundle again.",
    )


def check_features(manifest: Manifest, expected: FeatureSet | None = None) -> FeatureSet:
    """The feature set of the manifest, once its parts agree with each other and with ``expected``.

    Raises BundleRefused; count, name, order, type and hash each have a message of their own.
    """
    definition = feature_set(dict(manifest.feature_set))
    _compare(manifest.features, definition, "the definition in the bundle")
    if manifest.feature_set_hash != definition.hash:
        told = manifest.feature_set_hash
        raise BundleRefused(f"feature-set hash is {told}, its definition gives {definition.hash}", kind="feature set")
    if expected is not None:
        _compare(manifest.features, expected, "this agent")
        if definition.hash != expected.hash:
            raise BundleRefused(
                f"feature-set hash is {definition.hash}, this agent computes {expected.hash}",
                kind="feature set",
                mend="Serve the bundle with the feature set that it was made for.",
            )
    return definition


def _compare(features: Features, definition: FeatureSet, whose: str) -> None:
    names, wanted = features.names, definition.names
    both = f"the bundle has {', '.join(names)}; {whose} has {', '.join(wanted)}"
    if features.count != len(names):
        told = f"feature count: the bundle says {features.count} and names {len(names)}"
        raise BundleRefused(told, kind="feature count")
    if len(names) != len(wanted):
        counts = f"feature count: the bundle has {len(names)}, {whose} {len(wanted)}"
        raise BundleRefused(counts, kind="feature count")
    if sorted(names) != sorted(wanted):
        raise BundleRefused(f"feature names: {both}", kind="feature names")
    if names != wanted:
        raise BundleRefused(f"feature order: {both}", kind="feature order")
    if features.dtype != definition.dtype:
        types = f"feature type: the bundle has {features.dtype}, {whose} {definition.dtype}"
        raise BundleRefused(types, kind="feature type")


def check_environment(manifest: Manifest, here: Environment | None = None) -> None:
    """Refuse a bundle whose scores could differ here.

    Raises BundleRefused naming each package with both versions.
    """
    found = manifest.environment.hash
    if manifest.environment_hash != found:
        told = f"environment hash is {manifest.environment_hash}, its versions give {found}"
        raise BundleRefused(told, kind="environment")
    manifest.environment.require(here or Environment.current())
