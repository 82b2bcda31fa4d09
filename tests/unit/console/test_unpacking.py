"""A bundle from elsewhere is written nowhere but into its folder, and only as its manifest says."""

import io
import json
import tarfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from console.past.unpacking import MANIFEST, unpack
from contracts.errors import FileRefused

Members = list[tuple[tarfile.TarInfo, bytes]]


def member(
    name: str, data: bytes = b"abc", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, link
    return info, data


def listed(*members: tuple[tarfile.TarInfo, bytes], **changed: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A manifest that fits the members."""
    files = [
        {"path": info.name, "size": info.size, "digest": blake2b(data, digest_size=32).hexdigest()}
        for info, data in members
    ]
    return member(MANIFEST, json.dumps({"kind": "tocsin incident", "format": 1, "files": files, **changed}).encode())


def packed(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w:") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def taken(tmp_path: Path) -> Callable[[Members], Path]:
    """Packs and unpacks; returns the folder."""

    def take(members: Members) -> Path:
        unpack(packed(tmp_path / "bundle.tar", members), tmp_path / "into")
        return tmp_path / "into"

    return take


def test_what_is_listed_is_written(taken: Callable[[Members], Path]) -> None:
    file = member("archive/stream=a/x%3Cy.parquet", b"12345")
    assert (taken([listed(file), file]) / file[0].name).read_bytes() == b"12345"


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "a/./b",
        "a//b",
        "a\\b",
        "a\nb",
        "",
        "a/",
        "C:evil",
        "x" * 500,
        "a/..",
        "~",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, taken: Callable[[Members], Path], tmp_path: Path) -> None:
    evil = member(name)
    with pytest.raises(FileRefused, match="is not a name that a bundle has"):
        taken([listed(evil), evil])
    assert not (tmp_path / "into").exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.BLKTYPE]
)
def test_what_is_no_plain_file_is_refused(kind: bytes, taken: Callable[[Members], Path], tmp_path: Path) -> None:
    evil = member("a", b"", kind, "/etc/passwd")
    with pytest.raises(FileRefused, match="no plain file"):
        taken([listed(), evil])
    assert not (tmp_path / "into").exists()


def test_a_file_with_holes_is_refused(taken: Callable[[Members], Path]) -> None:
    """A sparse file says that it is larger than what there is of it."""
    info, data = member("a", b"1\n0\n512\n" + b"x" * 1000)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    with pytest.raises(FileRefused):
        taken([listed((info, data)), (info, data)])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "it is empty"),
        ([member("a")], "does not begin with manifest.json"),
        ([member(MANIFEST, b"{")], "is not JSON"),
        ([member(MANIFEST, b"[" * 100_000)], "is not JSON"),
        ([member(MANIFEST, b"[]")], "is not that of a bundle"),
        ([listed(format=2)], "format 2, this version reads 1"),
        ([listed(files=3)], "lists no files"),
        ([listed(files=[{"path": "a"}])], "does not list its files"),
        ([listed(files=[{"path": "a", "size": -1, "digest": ""}])], "impossible size"),
        ([listed(files=[{"path": "a", "size": 1 << 60, "digest": ""}])], "impossible size"),
        ([listed(member("a"), member("a"))], "lists a file twice"),
        ([listed(member("a"))], "a is missing: the file was cut off"),
        ([listed(), member("a")], "a is there twice, or not listed"),
        ([listed(member("a")), member("a"), member("a")], "a is there twice"),
        ([listed(member("a")), member("a", b"abcd")], "a has 4 bytes, manifest.json says 3"),
        ([listed(member("a")), member("a", b"abx")], "a is damaged: its digest"),
    ],
)
def test_what_does_not_fit_its_manifest_is_refused(
    members: Members, message: str, taken: Callable[[Members], Path]
) -> None:
    with pytest.raises(FileRefused, match=message):
        taken(members)


@pytest.mark.parametrize("at", [0, 100, 600, 1100, 1600, 2048])
def test_a_bundle_that_was_cut_off_is_refused(at: int, tmp_path: Path) -> None:
    file = member("a", b"x" * 3000)
    path = packed(tmp_path / "bundle.tar", [listed(file), file])
    path.write_bytes(path.read_bytes()[:at])
    with pytest.raises(FileRefused):
        unpack(path, tmp_path / "into")


def test_a_compressed_tar_is_refused(tmp_path: Path) -> None:
    """What is inflated may have any size; bundles are plain."""
    path = tmp_path / "bundle.tar"
    file = member("a", bytes(10_000_000))
    with tarfile.open(path, "w:gz") as tar:
        for info, data in [listed(file), file]:
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(FileRefused, match="not a whole tar file"):
        unpack(path, tmp_path / "into")
