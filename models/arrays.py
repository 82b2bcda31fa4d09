"""The arrays of a bundle: numbers in safetensors, little-endian and of no device, whatever they were computed on."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BundleRefused
from contracts.identity import digest

from .files import ARRAYS
from .manifest import OWN_PAST, DriftReference, Manifest, Reference

Arrays = Mapping[str, NDArray[Any]]
STATE, REFERENCE, GOLDEN = "state/", "reference/", "golden/"
_DTYPES = frozenset(
    {"float64", "float32", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"}
)


def named(arrays: Iterable[str], prefix: str) -> tuple[str, ...]:
    """The names that begin with a prefix, in order."""
    return tuple(sorted(name for name in arrays if name.startswith(prefix)))


def check_buildable(arrays: Arrays) -> None:
    """Raises ValueError for a name or a type that no bundle can hold."""
    for name, array in arrays.items():
        if not name.startswith((STATE, REFERENCE)):
            raise ValueError(f"array {name!r}: names begin with state/ or reference/")
        if array.dtype.name not in _DTYPES:
            raise ValueError(f"array {name!r} is of type {array.dtype}, which cannot be kept")


def reference_of(arrays: Arrays) -> DriftReference:
    """What drift is measured against: the arrays ``reference/...``, or each series' own past."""
    names = named(arrays, REFERENCE)
    return Reference(arrays=names, digest=_digest_of(arrays, names)) if names else OWN_PAST


def packed(arrays: Arrays) -> bytes:
    """The content of ``arrays.safetensors``; equal arrays give equal bytes."""
    from safetensors.numpy import save

    # No metadata: safetensors writes it in the order of a hash map, another one each time.
    return save({name: _plain(array) for name, array in sorted(arrays.items())})


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    # Not ascontiguousarray: it makes one dimension of none.
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays in these bytes. Raises BundleRefused."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleRefused(f"{ARRAYS} does not hold arrays: {error}", kind="arrays") from error


def check_content(manifest: Manifest, arrays: Arrays) -> None:
    """Check that the arrays are those that the manifest tells of. Raises BundleRefused."""
    told = named(arrays, STATE) if manifest.schema_version == 1 else manifest.state
    _check_names("state", told, named(arrays, STATE))
    reference = manifest.drift_reference
    _check_names("reference", getattr(reference, "arrays", ()), named(arrays, REFERENCE))
    if isinstance(reference, Reference) and _digest_of(arrays, reference.arrays) != reference.digest:
        raise BundleRefused("drift reference: its digest differs from the manifest's", kind="reference")
    if others := sorted(name for name in arrays if not name.startswith((STATE, REFERENCE, GOLDEN))):
        raise BundleRefused(f"{ARRAYS} holds {', '.join(others)}, which nothing tells of", kind="arrays")


def _check_names(kind: str, told: Iterable[str], found: Iterable[str]) -> None:
    words = {"state": "state", "reference": "drift reference"}[kind]
    if missing := sorted(set(told) - set(found)):
        raise BundleRefused(f"{words}: {', '.join(missing)} is missing", kind=kind)
    if more := sorted(set(found) - set(told)):
        raise BundleRefused(f"{words}: {', '.join(more)} is there, and the manifest does not say so", kind=kind)


def _digest_of(arrays: Arrays, names: tuple[str, ...]) -> str:
    parts: list[str | bytes] = []
    for name in names:
        array = arrays[name]
        parts += [name, array.dtype.name, str(array.shape), np.ascontiguousarray(array).tobytes()]
    return digest(*parts)
