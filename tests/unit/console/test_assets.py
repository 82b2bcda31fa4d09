"""What a browser is sent besides its views: small, known by version and licence, and nothing that data could become."""

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import click
import pytest

from console.page.assets import FOLDER, Assets
from console.page.vendoring import FOLDER as VENDOR
from console.page.vendoring import files, integrity, named

TEMPLATES = FOLDER.parent / "templates"
LICENCES = {"MIT": "Permission is hereby granted", "0BSD": "Permission to use, copy, modify"}
OWN = sorted(path for path in FOLDER.rglob("*.js") if VENDOR not in path.parents)
MOST_PACKED = 200_000


def package(licence: str = "MIT", **content: str) -> bytes:
    """A package as npm has it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in {"package.json": json.dumps({"license": licence}), **content}.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def test_everything_is_small_when_packed() -> None:
    """All views together: a phone loads it once."""
    assert 0 < Assets().packed_bytes < MOST_PACKED


def test_every_borrowed_file_is_named_with_version_and_licence() -> None:
    """And nothing else lies there."""
    there = {path.name for path in VENDOR.iterdir()} - {"vendor.json"}
    assert there == {name for each in named() for name in each["files"]}
    for each in named():
        text = "\n".join((VENDOR / name).read_text() for name in each["files"] if name.endswith(".LICENSE"))
        assert LICENCES[each["licence"]] in text, each["name"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", each["version"])
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", each["integrity"])


def test_a_package_is_taken_by_its_digest_and_licence() -> None:
    """Both as vendor.json says; each file that is wanted must be in it."""
    about: dict[str, Any] = {"name": "some", "licence": "MIT", "files": {"some.js": "dist/some.js"}}
    archive = package(**{"dist/some.js": "let a"})
    assert files(archive, about) == {"some.js": b"let a"}
    assert (
        integrity(b"")
        == "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
    )
    with pytest.raises(click.ClickException, match=re.escape("under GPL-3.0, not MIT")):
        files(package("GPL-3.0", **{"dist/some.js": ""}), about)
    with pytest.raises(click.ClickException, match=re.escape("no dist/some.js")):
        files(package(), about)


def test_the_address_changes_with_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers keep it for ever."""
    monkeypatch.setattr("console.page.assets.FOLDER", tmp_path)
    seen = set()
    for text in ("a", "b", "a"):
        (tmp_path / "one.js").write_text(text)
        seen.add(Assets().prefix)
    assert len(seen) == 2
    assert all(re.fullmatch(r"/static/[0-9a-f]{16}", prefix) for prefix in seen)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_script_of_ours_makes_markup_of_text_or_code_of_data(path: Path) -> None:
    """Data becomes text, by textContent alone; and nothing is asked of another host."""
    text = re.sub(r"(?m)^\s*//.*$", "", path.read_text())
    found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://", text)
    # The name space of drawings is no address.
    assert [each for each in found if not ("http" in each and "www.w3.org/2000/svg" in text)] == []


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_no_template_has_script_style_or_unescaped_text(path: Path) -> None:
    """What the page's policy would not let run is not there in the first place."""
    text = path.read_text()
    assert (
        re.findall(r"<script(?! src=| type=\"module\" src=)|<style|\sstyle=|\son[a-z]+=|\|\s*safe\b|javascript:", text)
        == []
    )
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", text) == []
