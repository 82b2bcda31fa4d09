"""Bundles on the local disk, each in a folder that is named by its digest.

A folder is complete or not there: it is written beside, verified, and moved into place in one step. So any
number of processes may put and get at once, and one that is killed leaves nothing that could be taken for a bundle.
What is not here is fetched from the store behind it, where there is one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contracts.errors import BundleRefused, NotFound

from . import signature
from .bundle import Bundle, opened
from .features import FeatureSet
from .files import SIGNATURE, bundle_digest, is_digest, read_verified, sync, unreadable, write_all
from .kinds import Kinds
from .locks import locked, try_lock

if TYPE_CHECKING:
    from .stores import BundleStore

#: Told the name of each step as it begins; tests kill the process there.
Step = Callable[[str], None]
_STAGING = ".staging-"


def no_step(name: str) -> None:
    """Goes on."""


class Holding(NamedTuple):
    """A bundle that is kept somewhere: its size, and since when it is there."""

    bytes: int
    since_ms: int


class BundleCache:
    """The bundles under ``<data_dir>/bundles``, with those of ``store`` behind them.

    With ``trusted`` keys a bundle is served only when one of them signed it, or this object was given it as a Bundle:
    then it was built by this very process.
    """

    def __init__(
        self,
        data_dir: Path,
        step: Step = no_step,
        *,
        store: "BundleStore | None" = None,
        trusted: Collection[str] = (),
    ) -> None:
        self.folder, self.store = data_dir / "bundles", store
        self._step, self._trusted, self._own = step, trusted, set[str]()

    def put(self, bundle: Bundle) -> Path:
        """Keep the bundle and return its folder; nothing happens when it is there already.

        Raises Denied or Unavailable when the disk is at fault.
        """
        self._own.add(bundle.digest)
        return self.put_files(bundle.files)

    def put_files(self, files: Mapping[str, bytes]) -> Path:
        """Keep the bundle of these bytes; a signature that it did not have yet is added.

        Raises BundleRefused when they are not a complete bundle, Denied or Unavailable.
        """
        digest = bundle_digest(files)
        target = self.path(digest)
        if self._is_sound(digest, files):
            return target
        try:
            with self._staging() as stage:
                self._step("write")
                write_all(files, stage / digest)
                self._step("verify")
                read_verified(stage / digest, digest)
                self._step("move")
                self._move(stage, digest, files)
                self._step("done")
        except OSError as error:
            raise unreadable(f"bundle cache {self.folder}: cannot be written", error) from error
        return target

    def get(self, digest: str, *, features: FeatureSet | None = None, kinds: Kinds | None = None) -> Bundle:
        """The bundle of this digest, verified and scored as ``bundle.read`` does; fetched where it is not here.

        Raises NotFound when it is nowhere, BundleRefused when it must not be served, Denied or Unavailable.
        """
        files = self.fetched(digest)
        try:
            self.check_signature(files)
            return opened(files, features=features, kinds=kinds)
        except BundleRefused as error:
            raise error.within(f"bundle {self.path(digest)}") from error

    def fetched(self, digest: str) -> dict[str, bytes]:
        """The verified bytes of a bundle; from the store where it is not here, or damaged. Raises as ``get`` does."""
        try:
            return self.files(digest)
        except (NotFound, BundleRefused):
            if self.store is None or not is_digest(digest):
                raise
        files = self.store.get(digest)
        self.put_files(files)
        return files

    def files(self, digest: str) -> dict[str, bytes]:
        """The verified bytes of a bundle that is here, whether or not it could be served.

        Raises NotFound, BundleRefused, Denied or Unavailable.
        """
        return read_verified(self._there(digest), digest)

    def check_signature(self, files: Mapping[str, bytes]) -> None:
        """Refuse a wrong signature, and none or another's where keys are trusted. Raises BundleRefused."""
        signature.check(files, () if bundle_digest(files) in self._own else self._trusted)

    def list(self) -> tuple[str, ...]:
        """Digests of all bundles here. Raises Denied or Unavailable."""
        try:
            return tuple(sorted(item.name for item in os.scandir(self.folder) if is_digest(item.name)))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise unreadable(f"bundle cache {self.folder}: cannot be read", error) from error

    def holdings(self) -> dict[str, Holding]:
        """All bundles here, by digest. Raises Denied or Unavailable."""
        out = {}
        try:
            for digest in self.list():
                folder = self.folder / digest
                size = sum(item.stat().st_size for item in os.scandir(folder))
                out[digest] = Holding(size, int(folder.stat().st_mtime * 1000))
        except OSError as error:
            raise unreadable(f"bundle cache {self.folder}: cannot be read", error) from error
        return out

    def remove(self, digest: str) -> None:
        """Delete a bundle from here; nothing happens when it is not here. Raises Denied or Unavailable."""
        try:
            with self._staging() as stage:
                # First out of the way in one step: half a bundle is never seen.
                if os.path.lexists(target := self.path(digest)):
                    target.rename(stage / digest)
        except OSError as error:
            raise unreadable(f"bundle cache {self.folder}: cannot be written", error) from error

    def path(self, digest: str) -> Path:
        """Where the bundle of this digest is or would be.

        Raises BundleRefused when it is not a digest: it may come from outside, and becomes a path.
        """
        if not is_digest(digest):
            raise BundleRefused(f"{digest[:80]!r} is not the digest of a bundle", kind="name")
        return self.folder / digest

    def _there(self, digest: str) -> Path:
        path = self.path(digest)
        try:
            path.lstat()
        except FileNotFoundError as error:
            raise NotFound(f"bundle {digest} is not in {self.folder}") from error
        except OSError as error:
            raise unreadable(f"bundle {path}: cannot be read", error) from error
        return path

    def _is_sound(self, digest: str, files: Mapping[str, bytes]) -> bool:
        """Whether the bundle is here, with the signature that these files have."""
        try:
            there = self.files(digest)
        except (NotFound, BundleRefused):
            return False
        return SIGNATURE not in files or there.get(SIGNATURE) == files[SIGNATURE]

    def _move(self, stage: Path, digest: str, files: Mapping[str, bytes]) -> None:
        target = self.folder / digest
        # Short, and only here: whoever comes second finds the first one's folder.
        with locked(self.folder / ".lock"):
            if self._is_sound(digest, files):
                return
            if os.path.lexists(target):
                # Damaged, or not signed yet: out of the way, to be removed with the staging folder.
                target.rename(stage / "before")
            (stage / digest).rename(target)
            sync(self.folder)

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder of our own on the same disk; those of processes that died are swept away."""
        with locked(self.folder / ".lock"):
            self._sweep()
            stage = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.folder))
            number = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try_lock(number)
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            os.close(number)

    def _sweep(self) -> None:
        for item in os.scandir(self.folder):
            if not item.name.startswith(_STAGING):
                continue
            number = os.open(item.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if try_lock(number):
                    shutil.rmtree(item.path, ignore_errors=True)
            finally:
                os.close(number)
