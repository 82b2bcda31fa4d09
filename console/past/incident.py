"""A bundle of an incident: what is needed to run a part of the past again on another machine, in one file.

manifest.json   what it is of, versions, and the digest of every other file
archive/        the entries and the saved states that are needed, as an archive
config.json     the configuration in force, without secrets
bundles/        the models that were loaded
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.archive import Archive
from contracts.errors import FileRefused

from ..options import Choices, Loaded
from .unpacking import unpack

ARCHIVE, CONFIG, MODELS = "archive", "config.json", "bundles"
_MOST_PARTITIONS = 4096
#: What a row group of an archive may be when it is read; ours are a few megabytes.
_MOST_GROUP_BYTES = 256 << 20


@dataclass(frozen=True)
class Incident:
    """A bundle that was taken apart into a folder, which is its data directory."""

    folder: Path
    manifest: Mapping[str, Any]
    archive: Archive
    loaded: Loaded

    @property
    def span(self) -> tuple[int, int]:
        """The time that it was made for: the first and the last event time, ns."""
        return int(self.manifest["since"]), int(self.manifest["until"])

    def take_model(self, digest: str, data_dir: Path | None) -> None:
        """Put a model from a data directory beside those of the bundle, where it is not one of these.

        Raises NotFound when it is in neither place, BundleRefused when it is damaged.
        """
        from models.cache import BundleCache

        cache = BundleCache(self.folder)
        if digest not in cache.list():
            cache.put_files(BundleCache(data_dir or Path(".tocsin")).files(digest))


@contextmanager
def opened(path: Path | None, said: Choices) -> Iterator[Incident | None]:
    """Take a bundle apart into a folder that is gone afterwards; None for no bundle.

    ``said`` may name another configuration, and a data directory with further models. Raises FileRefused when the
    bundle is damaged or not what it says.
    """
    if path is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-incident-") as name:
        folder = Path(name)
        manifest = unpack(path, folder)
        archive = _archive(path, folder, manifest)
        loaded = Choices(said.config or folder / CONFIG, folder).load()
        yield Incident(folder, manifest, archive, loaded)


def _archive(path: Path, folder: Path, manifest: Mapping[str, Any]) -> Archive:
    try:
        partitions, identity = int(manifest["partitions"]), str(manifest["log"])
        since, until = int(manifest["since"]), int(manifest["until"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileRefused(f"{path}: its manifest does not say what it is of ({error!r})") from error
    if not 1 <= partitions <= _MOST_PARTITIONS or since > until:
        raise FileRefused(f"{path}: its manifest says what cannot be: {partitions} partitions, {since} to {until}")
    _check_segments(path, folder / ARCHIVE)
    return Archive(folder / ARCHIVE, identity, partitions)


def _check_segments(path: Path, archive: Path) -> None:
    """Refuse lists that name files outside of the bundle, and files that would be inflated without end."""
    import pyarrow as pa
    from pyarrow.parquet import read_metadata

    for listing in sorted(archive.glob("stream=*/partition=*/manifest.jsonl")):
        for line in listing.read_bytes().splitlines():
            try:
                file = (archive / str(json.loads(line)["file"])).resolve()
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise FileRefused(f"{path}: {listing.relative_to(archive.parent)} is not a list of files") from error
            if not file.is_relative_to(listing.parent.resolve()) or not file.is_file():
                raise FileRefused(f"{path}: {listing.relative_to(archive.parent)} names a file outside of the bundle")
            try:
                found = read_metadata(file)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise FileRefused(f"{path}: {file.relative_to(archive.resolve())} is not Parquet ({error})") from error
            sizes = [found.row_group(number).total_byte_size for number in range(found.num_row_groups)]
            if max(sizes, default=0) > _MOST_GROUP_BYTES:
                raise FileRefused(f"{path}: {file.name} would be inflated to {max(sizes):,} bytes")
