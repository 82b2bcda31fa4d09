"""Who vouches for a bundle: an Ed25519 signature of its digest, in a file beside the others.

The digest says that no byte was changed since; the signature says who stands for them. It is no part of the digest: a
bundle keeps its name when it is signed, or signed by somebody else.
"""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import BundleRefused, ConfigError

from .files import SIGNATURE, bundle_digest, canonical, sync, unreadable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FIELDS = {"algorithm", "bundle", "key", "signature"}
_ALGORITHM = "ed25519"
_OTHERS = 0o077


def create_key(path: Path) -> str:
    """Write a new signing key, readable by its owner alone, and return its public key, 64 hexadecimal digits.

    Raises Unavailable, also when the file is there already: no key is written over.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(key.private_bytes_raw().hex().encode() + b"\n")
            file.flush()
            os.fsync(number)
        sync(path.absolute().parent)
    except OSError as error:
        raise unreadable(f"key {path}: cannot be written", error) from error
    return _public(key)


def read_key(path: Path) -> "Ed25519PrivateKey":
    """The signing key in a file.

    Raises ConfigError when others may read it or it is no key, Unavailable when it cannot be read.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ConfigError([f"key {path} can be read by others"], mend=f"Run: chmod 600 {path}")
            data = file.read(1000)
    except OSError as error:
        raise unreadable(f"key {path}: cannot be read", error) from error
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(data.decode().strip()))
    except ValueError as error:
        raise ConfigError([f"key {path} is not a signing key"], mend="Make one with: tocsin models key") from error


def public_key(path: Path) -> str:
    """The public key of the signing key in a file. Raises as ``read_key`` does."""
    return _public(read_key(path))


def sign(digest: str, path: Path) -> bytes:
    """The content of ``signature.json`` for the bundle of this digest. Raises as ``read_key`` does."""
    key = read_key(path)
    told = {"algorithm": _ALGORITHM, "bundle": digest, "key": _public(key)}
    return canonical({**told, "signature": key.sign(_message(digest)).hex()})


def signed_by(files: Mapping[str, bytes]) -> str:
    """The public key that signed these files; empty when nobody did.

    Raises BundleRefused when there is a signature and it is not one of this bundle.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if SIGNATURE not in files:
        return ""
    told = _parsed(files[SIGNATURE])
    digest = bundle_digest(files)
    if told["bundle"] != digest:
        raise _refused(f"it is of bundle {told['bundle'][:80]}, not of {digest}")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["key"]))
        key.verify(bytes.fromhex(told["signature"]), _message(digest))
    except (ValueError, InvalidSignature) as error:
        raise _refused(f"it was not made with the key {told['key'][:80]}") from error
    return told["key"]


def check(files: Mapping[str, bytes], trusted: Collection[str]) -> None:
    """Refuse a bundle with a wrong signature, and, where keys are trusted, one that none of them signed.

    Raises BundleRefused.
    """
    if SIGNATURE not in files and not trusted:
        return
    key = signed_by(files)
    if trusted and not key:
        raise _refused("there is none", mend="Sign it: tocsin models sign.")
    if trusted and key not in trusted:
        raise _refused(f"{key} is not a trusted key", mend="Add the key to models.trusted_keys if you trust it.")


def _parsed(data: bytes) -> dict[str, str]:
    try:
        told = json.loads(data)
        sound = set(told) == _FIELDS and all(isinstance(value, str) for value in told.values())
        sound = sound and told["algorithm"] == _ALGORITHM and canonical(told) == data
        # The other case of a digit would mean the same.
        sound = sound and all(bytes.fromhex(told[name]).hex() == told[name] for name in ("key", "signature"))
    except (ValueError, TypeError, RecursionError) as error:
        raise _refused(f"{SIGNATURE} does not hold one") from error
    if not sound:
        raise _refused(f"{SIGNATURE} does not hold one in its canonical spelling")
    return dict(told)


def _message(digest: str) -> bytes:
    # Nothing else that is ever signed with the key begins like this.
    return f"tocsin bundle {digest}".encode()


def _public(key: "Ed25519PrivateKey") -> str:
    return key.public_key().public_bytes_raw().hex()


def _refused(why: str, mend: str = "") -> BundleRefused:
    return BundleRefused(f"signature: {why}", kind="signature", mend=mend)
