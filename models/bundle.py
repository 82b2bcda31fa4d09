"""A model bundle: one directory with everything that a score depends on, named by the digest of its bytes.

    manifest.json        what it is: detector, postprocessor, features, training, environment
    arrays.safetensors   detector state, drift reference, golden vectors
    digests.json         size and BLAKE2b of each of the others
    signature.json       who vouches for it, where somebody does; not part of the digest

The same content gives the same bytes and so the same digest, on any day and in any folder. There is no
pickle: JSON and arrays cannot run anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BundleRefused

from . import golden
from . import kinds as known
from .arrays import STATE, Arrays, check_buildable, check_content, named, packed, reference_of, unpacked
from .environment import Environment
from .features import FeatureSet, Identity
from .files import ARRAYS, DIGESTS, MANIFEST, bundle_digest, listing, read_verified, write_all
from .kinds import Kinds, component, made, score
from .manifest import (
    STREAMING,
    Component,
    Features,
    Golden,
    Manifest,
    Training,
    check_environment,
    check_features,
    parse,
)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory; ``files`` are the very bytes that its digest is over, and its signature if it has one."""

    manifest: Manifest
    arrays: Arrays
    files: Mapping[str, bytes]
    digest: str

    @property
    def feature_set(self) -> FeatureSet:
        """What the detector sees."""
        return check_features(self.manifest)

    @property
    def state(self) -> Arrays:
        """The arrays ``state/...`` that the detector begins with; none for most streaming detectors."""
        return {name: self.arrays[name] for name in named(self.arrays, STATE)}

    def detector(self, kinds: Kinds | None = None) -> Any:
        """The detector as the manifest describes it, a streaming or a fitted one (``is_fitted``).

        Raises BundleRefused when this version has no such kind, or it does not take these parameters.
        """
        return made(self.manifest.detector, known.detectors() if kinds is None else kinds)

    def postprocessor(self, kinds: Kinds | None = None) -> Any:
        """What makes scores of a fitted detector's raw ones. Raises BundleRefused as ``detector`` does."""
        return made(self.manifest.postprocessor, known.postprocessors() if kinds is None else kinds, "postprocessor")


def is_fitted(detector: Any) -> bool:
    """Whether a detector was fitted to vectors of features; the others are streaming and have a state per series."""
    return not hasattr(detector, "start")


def build(
    name: str,
    detector: golden.Named,
    *,
    postprocessor: Component,
    features: FeatureSet | None = None,
    arrays: Arrays | None = None,
    training: Training = STREAMING,
    examples: NDArray[np.float64] | None = None,
) -> Bundle:
    """A bundle of a detector, with golden vectors of its scores.

    ``arrays`` are its state (``state/...``) and the drift reference (``reference/...``). ``examples`` are vectors of
    features, float64[n, k], whose scores become the golden vectors of a fitted detector: a few hundred of its training.
    Raises ValueError for content that no bundle can hold, BundleRefused for parts that do not fit each other.
    """
    own = dict(arrays or {})
    check_buildable(own)
    features = features or Identity()
    here = Environment.current()
    vectors = _golden(detector, postprocessor, own, len(features.names), examples)
    manifest = Manifest(
        name=name,
        detector=component(detector),
        postprocessor=postprocessor,
        feature_set=features.definition,
        feature_set_hash=features.hash,
        features=Features.of(features),
        state=named(own, STATE),
        drift_reference=reference_of(own),
        environment=here,
        environment_hash=here.hash,
        training=training,
        golden=Golden(readings=golden.size(vectors)),
    )
    files = {ARRAYS: packed(own | vectors), MANIFEST: manifest.to_bytes()}
    files[DIGESTS] = listing(files)
    return Bundle(manifest, own | vectors, files, bundle_digest(files))


def builtin(
    kind: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    postprocessor: Component | None = None,
    kinds: Kinds | None = None,
) -> Bundle:
    """A bundle of an untrained streaming detector.

    ``name`` is its kind unless told.
    Raises BundleRefused for an unknown kind or parameters that it does not take.
    """
    table = known.detectors() if kinds is None else kinds
    told = Component(kind=kind, parameters=dict(parameters or {}), revision=known.revision(table.get(kind)))
    return build(name or kind, made(told, table), postprocessor=postprocessor or Component(kind="none"))


def write(bundle: Bundle, folder: Path) -> None:
    """Write the bundle into a new or empty folder; it is on disk when this returns."""
    write_all(bundle.files, folder)


def read(
    folder: Path, *, digest: str | None = None, features: FeatureSet | None = None, kinds: Kinds | None = None
) -> Bundle:
    """The bundle in ``folder``, verified in every respect, its golden vectors scored again.

    ``digest`` is the one it must have, ``features`` the feature set that the caller computes.
    Raises BundleRefused with the one cause, or Unavailable when the disk is at fault (Denied: its permissions).
    """
    files = read_verified(folder, digest)
    try:
        return opened(files, features=features, kinds=kinds)
    except BundleRefused as error:
        raise error.within(f"bundle {folder}") from error


def opened(files: Mapping[str, bytes], *, features: FeatureSet | None = None, kinds: Kinds | None = None) -> Bundle:
    """The bundle of these bytes, which are known to be whole, verified in every other respect.

    Raises BundleRefused.
    """
    manifest = parse(files[MANIFEST])
    check_features(manifest, features)
    check_environment(manifest)
    arrays = unpacked(files[ARRAYS])
    check_content(manifest, arrays)
    bundle = Bundle(manifest, arrays, files, bundle_digest(files))
    _check_golden(bundle, kinds)
    return bundle


def _golden(
    detector: Any, after: Component, arrays: Arrays, count: int, examples: NDArray[np.float64] | None
) -> dict[str, NDArray[Any]]:
    if not is_fitted(detector):
        return golden.make(detector)
    from .trained import golden_inputs

    post = made(after, known.postprocessors(), "postprocessor")
    vectors = golden_inputs(count) if examples is None else np.ascontiguousarray(examples, np.float64)
    if vectors.ndim != 2 or vectors.shape[1] != count or not len(vectors):
        raise ValueError(f"examples are of shape {vectors.shape}, the feature set has {count} features")
    try:
        return golden.make_fitted(lambda inputs: score(detector, post, arrays, inputs), vectors)
    except KeyError as error:
        raise BundleRefused(f"state: {error} is missing", kind="state") from error


def _check_golden(bundle: Bundle, kinds: Kinds | None) -> None:
    told, there = bundle.manifest.golden.readings, golden.size(bundle.arrays)
    detector = bundle.detector(kinds)
    if is_fitted(detector):
        post = bundle.postprocessor()
        count = bundle.manifest.features.count
        golden.check_fitted(lambda inputs: score(detector, post, bundle.arrays, inputs), bundle.arrays, count)
    else:
        golden.check(detector, bundle.arrays)
    if not there or told != there:
        raise BundleRefused(f"golden vectors: {there} readings, the manifest says {told}", kind="golden vectors")
