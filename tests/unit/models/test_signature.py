"""Signatures: whoever trusts keys serves what they signed, and nothing else."""

import json
import stat
from pathlib import Path

import pytest

from contracts.errors import BundleRefused, ConfigError, Denied, Unavailable
from models.bundle import Bundle, builtin, opened
from models.cache import BundleCache
from models.files import DIGESTS, SIGNATURE, bundle_digest, canonical, check_contents
from models.signature import check, create_key, public_key, sign, signed_by

from .privileges import unprivileged


@pytest.fixture(scope="module")
def made() -> Bundle:
    return builtin("ewma")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_key(tmp_path / "key")
    return tmp_path / "key"


def refusal(files: dict[str, bytes], trusted: tuple[str, ...]) -> str:
    with pytest.raises(BundleRefused) as caught:
        check(files, trusted)
    assert caught.value.kind == "signature"
    return str(caught.value).removeprefix("signature: ")


def test_a_signed_bundle_keeps_its_digest_and_is_trusted(made: Bundle, key: Path) -> None:
    files = {**made.files, SIGNATURE: sign(made.digest, key)}
    assert bundle_digest(files) == made.digest
    assert signed_by(files) == public_key(key)
    check(files, (public_key(key),))
    assert opened(files).digest == made.digest


def test_signing_again_gives_the_same_bytes(made: Bundle, key: Path) -> None:
    assert sign(made.digest, key) == sign(made.digest, key)


def test_unsigned_wrongly_signed_and_signed_by_others_are_told_apart(made: Bundle, key: Path, tmp_path: Path) -> None:
    trusted = (public_key(key),)
    assert refusal(dict(made.files), trusted).startswith("there is none")
    create_key(other := tmp_path / "other")
    theirs = {**made.files, SIGNATURE: sign(made.digest, other)}
    assert refusal(theirs, trusted).startswith(f"{public_key(other)} is not a trusted key")
    another = {**made.files, SIGNATURE: sign("0" * 64, key)}
    assert refusal(another, trusted).startswith(f"it is of bundle {'0' * 64}, not of {made.digest}")
    claimed = json.loads(sign(made.digest, other)) | {"key": public_key(key)}
    assert refusal({**made.files, SIGNATURE: canonical(claimed)}, trusted).startswith("it was not made with the key")


def test_without_trusted_keys_none_is_needed_and_a_wrong_one_is_refused(made: Bundle, key: Path) -> None:
    check(made.files, ())
    assert refusal({**made.files, SIGNATURE: sign("0" * 64, key)}, ()).startswith("it is of bundle")


def test_no_flip_or_cut_of_a_signature_is_accepted(made: Bundle, key: Path) -> None:
    data = sign(made.digest, key)
    damaged = [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]
    for wrong in [*damaged, *(data[:at] for at in range(len(data)))]:
        with pytest.raises(BundleRefused):
            check({**made.files, SIGNATURE: wrong}, ())


def test_a_key_is_for_its_owner_alone_and_never_written_over(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(Unavailable, match="File exists"):
        create_key(key)
    key.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        sign("0" * 64, key)
    assert "chmod 600" in caught.value.mend


def test_what_is_no_key_is_told_apart_from_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a key")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ConfigError, match="is not a signing key"):
        public_key(tmp_path / "text")
    with pytest.raises(Unavailable, match="No such file"):
        public_key(tmp_path / "absent")


def test_a_key_that_may_not_be_read_is_denied(key: Path) -> None:
    key.chmod(0)
    with unprivileged(), pytest.raises(Denied, match="cannot be read: Permission denied"):
        public_key(key)


def test_a_cache_with_trusted_keys_serves_what_is_signed_and_what_it_built(
    made: Bundle, key: Path, tmp_path: Path
) -> None:
    trusted = (public_key(key),)
    ours = BundleCache(tmp_path / "a", trusted=trusted)
    ours.put(made)
    assert ours.get(made.digest).digest == made.digest
    foreign = BundleCache(tmp_path / "a", trusted=trusted)
    with pytest.raises(BundleRefused, match="signature: there is none"):
        foreign.get(made.digest)
    foreign.put_files({**made.files, SIGNATURE: sign(made.digest, key)})
    assert SIGNATURE in foreign.get(made.digest).files
    # Keeping it again without the signature does not lose it.
    foreign.put_files(made.files)
    assert SIGNATURE in BundleCache(tmp_path / "a").files(made.digest)
    assert foreign.holdings().keys() == {made.digest}


def test_a_signature_is_not_listed_among_the_digests(made: Bundle, key: Path) -> None:
    rows = json.loads(made.files[DIGESTS])
    assert SIGNATURE not in {row["path"] for row in rows}
    forged = canonical([*rows, {"path": SIGNATURE, "size": 1, "digest": "0"}])
    with pytest.raises(BundleRefused, match="unexpected file"):
        check_contents({**made.files, DIGESTS: forged, SIGNATURE: b"x"})
