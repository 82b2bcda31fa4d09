"""A model bundle: one directory with everything that a score depends on, named by the digest of its bytes.

    manifest.json        what it is: detector, postprocessor, features, training, environment
    arrays.safetensors   detector state, drift reference, golden vectors
    digests.json         size and BLAKE2b of each of the others

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
from contracts.identity import digest

from . import golden
from .environment import Environment
from .features import FeatureSet, Identity
from .files import (
    ARRAYS,
    DIGESTS,
    MANIFEST,
    bundle_digest,
    listing,
    read_verified,
    write_all,
)
from .manifest import (
    OWN_PAST,
    STREAMING,
    Component,
    DriftReference,
    Features,
    Golden,
    Manifest,
    Reference,
    Training,
    check_environment,
    check_features,
    parse,
)

Arrays = Mapping[str, NDArray[Any]]
Kinds = Mapping[str, Any]
_DTYPES = frozenset({"float64", "float32", "int64", "int32", "uint64", "uint32", "uint8", "bool"})
_GOLDEN = ("golden/scores", "golden/times", "golden/values")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory; ``files`` are the very bytes that its digest is over."""

    manifest: Manifest
    arrays: Arrays
    files: Mapping[str, bytes]
    digest: str

    @property
    def feature_set(self) -> FeatureSet:
        """What the detector sees."""
        return check_features(self.manifest)

    def detector(self, kinds: Kinds | None = None) -> golden.Detector:
        """A detector as the manifest describes it.

        Raises BundleRefused when this version has no such kind, or it does not take these parameters.
        """
        return _made(self.manifest.detector, kinds)


def build(
    name: str,
    detector: golden.Detector,
    *,
    postprocessor: Component,
    features: FeatureSet | None = None,
    arrays: Arrays | None = None,
    training: Training = STREAMING,
) -> Bundle:
    """A bundle of a detector, with golden vectors of its scores.

    ``arrays`` are its state (``state/...``) and the drift reference (``reference/...``).
    Raises ValueError for content that no bundle can hold.
    """
    own = dict(arrays or {})
    _check_arrays(own)
    content = own | golden.make(detector)
    features = features or Identity()
    here = Environment.current()
    manifest = Manifest(
        name=name,
        detector=Component(kind=detector.kind, parameters=_parameters(detector)),
        postprocessor=postprocessor,
        feature_set=features.definition,
        feature_set_hash=features.hash,
        features=Features.of(features),
        drift_reference=_reference(own),
        environment=here,
        environment_hash=here.hash,
        training=training,
        golden=Golden(readings=content["golden/values"].size),
    )
    files = {ARRAYS: _packed(content), MANIFEST: manifest.to_bytes()}
    files[DIGESTS] = listing(files)
    return Bundle(manifest, content, files, bundle_digest(files))


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
    detector = _made(Component(kind=kind, parameters=dict(parameters or {})), kinds)
    return build(name or kind, detector, postprocessor=postprocessor or Component(kind="none"))


def write(bundle: Bundle, folder: Path) -> None:
    """Write the bundle into a new or empty folder; it is on disk when this returns."""
    write_all(bundle.files, folder)


def read(
    folder: Path, *, digest: str | None = None, features: FeatureSet | None = None, kinds: Kinds | None = None
) -> Bundle:
    """The bundle in ``folder``, verified in every respect, its golden vectors scored again.

    ``digest`` is the one it must have, ``features`` the feature set that the caller computes.
    Raises BundleRefused with the one cause, or Unavailable when the disk is at fault.
    """
    files = read_verified(folder, digest)
    try:
        return _opened(files, features, kinds)
    except BundleRefused as error:
        raise BundleRefused(f"bundle {folder}: {error.args[0]}", mend=error.mend) from error


def _opened(files: Mapping[str, bytes], features: FeatureSet | None, kinds: Kinds | None) -> Bundle:
    manifest = parse(files[MANIFEST])
    check_features(manifest, features)
    check_environment(manifest)
    arrays = _unpacked(files[ARRAYS])
    _check_content(manifest, arrays)
    golden.check(_made(manifest.detector, kinds), arrays)
    return Bundle(manifest, arrays, files, bundle_digest(files))


def _made(component: Component, kinds: Kinds | None) -> golden.Detector:
    from .detectors import DETECTORS
    from .multivariate import MULTIVARIATE

    table: Kinds = {**DETECTORS, **MULTIVARIATE} if kinds is None else kinds
    if component.kind not in table:
        known = ", ".join(sorted(table))
        raise BundleRefused(f"detector {component.kind!r} is not known here; known: {known}")
    try:
        made: golden.Detector = table[component.kind](**component.parameters)
    except (TypeError, ValueError) as error:
        raise BundleRefused(f"detector {component.kind!r} does not take its parameters: {error}") from error
    return made


def _parameters(detector: golden.Detector) -> dict[str, Any]:
    """Every parameter, also those at their default: a later default must not change what the bundle means."""
    return detector.model_dump(mode="json")


def _check_arrays(arrays: Arrays) -> None:
    for name, array in arrays.items():
        if not name.startswith(("state/", "reference/")):
            raise ValueError(f"array {name!r}: names begin with state/ or reference/")
        if array.dtype.name not in _DTYPES:
            raise ValueError(f"array {name!r} is of type {array.dtype}, which cannot be kept")


def _reference(arrays: Arrays) -> DriftReference:
    names = tuple(sorted(name for name in arrays if name.startswith("reference/")))
    return Reference(arrays=names, digest=_digest_of(arrays, names)) if names else OWN_PAST


def _digest_of(arrays: Arrays, names: tuple[str, ...]) -> str:
    parts: list[str | bytes] = []
    for name in names:
        array = arrays[name]
        parts += [name, array.dtype.name, str(array.shape), np.ascontiguousarray(array).tobytes()]
    return digest(*parts)


def _packed(arrays: Arrays) -> bytes:
    from safetensors.numpy import save

    # No metadata: safetensors writes it in the order of a hash map, another one each time.
    return save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())})


def _unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleRefused(f"{ARRAYS} does not hold arrays: {error}") from error


def _check_content(manifest: Manifest, arrays: Arrays) -> None:
    """Check that the arrays are those that the manifest tells of."""
    for name in _GOLDEN:
        if name not in arrays:
            raise BundleRefused(f"golden vectors: {name} is missing")
    times, values, scores = (arrays[name] for name in ("golden/times", "golden/values", "golden/scores"))
    kinds = [array.dtype.name for array in (times, values, scores)]
    if (
        kinds != ["int64", "float64", "float64"]
        or values.ndim != 2
        or scores.shape != values.shape
        or times.shape != values.shape[:1]
    ):
        raise BundleRefused("golden vectors: their shapes or types do not fit each other")
    if not values.size or manifest.golden.readings != values.size:
        told = manifest.golden.readings
        raise BundleRefused(f"golden vectors: {values.size} readings, the manifest says {told}")
    reference = manifest.drift_reference
    if isinstance(reference, Reference):
        if missing := sorted(set(reference.arrays) - set(arrays)):
            raise BundleRefused(f"drift reference: {', '.join(missing)} is missing")
        if _digest_of(arrays, reference.arrays) != reference.digest:
            raise BundleRefused("drift reference: its digest differs from the manifest's")
