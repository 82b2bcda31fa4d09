"""Bundles on the local disk, each in a folder that is named by its digest.

A folder is complete or not there: it is written beside, verified, and moved into place in one step. So any
number of processes may put and get at once, and one that is killed leaves nothing that could be taken for a bundle.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from contracts.errors import BundleRefused, NotFound, Unavailable

from . import bundle as bundles
from .bundle import Bundle, Kinds
from .features import FeatureSet
from .files import bundle_digest, is_digest, read_verified, sync, write_all
from .locks import locked, try_lock

#: Told the name of each step as it begins; tests kill the process there.
Step = Callable[[str], None]
_STAGING = ".staging-"


def no_step(name: str) -> None:
    """Goes on."""


class BundleCache:
    """The bundles under ``<data_dir>/bundles``."""

    def __init__(self, data_dir: Path, step: Step = no_step) -> None:
        self.folder = data_dir / "bundles"
        self._step = step

    def put(self, bundle: Bundle) -> Path:
        """Keep the bundle and return its folder; nothing happens when it is there already.

        Raises Unavailable when the disk is at fault.
        """
        return self.put_files(bundle.files)

    def put_files(self, files: Mapping[str, bytes]) -> Path:
        """Keep the bundle of these bytes.

        Raises BundleRefused when they are not a complete bundle, or Unavailable.
        """
        digest = bundle_digest(files)
        target = self.path(digest)
        if self._is_sound(digest):
            return target
        try:
            with self._staging() as stage:
                self._step("write")
                write_all(files, stage / digest)
                self._step("verify")
                read_verified(stage / digest, digest)
                self._step("move")
                self._move(stage, digest)
                self._step("done")
        except OSError as error:
            raise Unavailable(f"bundle cache {self.folder}: cannot be written: {error.strerror}") from error
        return target

    def get(self, digest: str, *, features: FeatureSet | None = None, kinds: Kinds | None = None) -> Bundle:
        """The bundle of this digest, verified and scored as ``bundle.read`` does.

        Raises NotFound when it is not here, BundleRefused when it must not be served, Unavailable.
        """
        return bundles.read(self._there(digest), digest=digest, features=features, kinds=kinds)

    def files(self, digest: str) -> dict[str, bytes]:
        """The verified bytes of a bundle, whether or not it could be served here.

        Raises NotFound, BundleRefused or Unavailable.
        """
        return read_verified(self._there(digest), digest)

    def list(self) -> tuple[str, ...]:
        """Digests of all bundles here."""
        with suppress(FileNotFoundError):
            return tuple(sorted(item.name for item in os.scandir(self.folder) if is_digest(item.name)))
        return ()

    def path(self, digest: str) -> Path:
        """Where the bundle of this digest is or would be.

        Raises BundleRefused when it is not a digest: it may come from outside, and becomes a path.
        """
        if not is_digest(digest):
            raise BundleRefused(f"{digest[:80]!r} is not the digest of a bundle")
        return self.folder / digest

    def _there(self, digest: str) -> Path:
        path = self.path(digest)
        if not os.path.lexists(path):
            raise NotFound(f"bundle {digest} is not in {self.folder}")
        return path

    def _is_sound(self, digest: str) -> bool:
        try:
            self.files(digest)
        except (NotFound, BundleRefused):
            return False
        return True

    def _move(self, stage: Path, digest: str) -> None:
        target = self.folder / digest
        # Short, and only here: whoever comes second finds the first one's folder.
        with locked(self.folder / ".lock"):
            if self._is_sound(digest):
                return
            if os.path.lexists(target):
                # Damaged: out of the way, to be removed with the staging folder.
                target.rename(stage / "damaged")
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
