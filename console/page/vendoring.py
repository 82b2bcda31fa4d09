"""Fetch what the page borrows from npm: ``python -m console.page.vendoring`` writes the files that vendor.json names.

A browser gets everything from the service itself, so these files are kept with the code, with version, licence and the
registry's own digest of the package that they came from.
"""

import base64
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import click
import httpx

FOLDER = Path(__file__).parent / "assets" / "vendor"
LIST = "vendor.json"
_MOST_BYTES = 20_000_000


def named() -> list[dict[str, Any]]:
    """What is borrowed: name, version, licence, integrity, and each file's path in the package by its name here."""
    found: list[dict[str, Any]] = json.loads((FOLDER / LIST).read_text())
    return found


@click.command()
@click.option("--registry", default="https://registry.npmjs.org", show_default=True)
def vendor(registry: str) -> None:
    """Fetch every package that vendor.json names, and keep the files of it that are wanted."""
    for package in named():
        archive = _fetched(registry, package["name"], package["version"])
        if (found := integrity(archive)) != package["integrity"]:
            raise click.ClickException(f"{package['name']} {package['version']} is {found}, not what vendor.json says")
        for name, data in files(archive, package).items():
            (FOLDER / name).write_bytes(data)
            sys.stderr.write(f"{package['name']} {package['version']} ({package['licence']}): {name}\n")


def integrity(archive: bytes) -> str:
    """The digest of a package as npm writes it (Subresource Integrity, W3C)."""
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


def files(archive: bytes, package: dict[str, Any]) -> dict[str, bytes]:
    """The wanted files by their names here. Raises ClickException where one is missing, or the licence is another."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:

        def member(path: str) -> bytes:
            try:
                found = tar.extractfile(f"package/{path}")
            except KeyError:
                found = None
            if found is None:
                raise click.ClickException(f"{package['name']} has no {path}")
            return found.read(_MOST_BYTES)

        licence = json.loads(member("package.json"))["license"]
        if licence != package["licence"]:
            raise click.ClickException(f"{package['name']} is under {licence}, not {package['licence']}")
        return {name: member(path) for name, path in package["files"].items()}


def _fetched(registry: str, name: str, version: str) -> bytes:
    url = f"{registry}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    answer = httpx.get(url, timeout=60.0, follow_redirects=False)
    answer.raise_for_status()
    return answer.content


if __name__ == "__main__":
    vendor()
