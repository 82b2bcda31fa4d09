"""Where bundles are that are not on this machine: a folder that all share, or a bucket.

A bundle is there under its digest, or it is not. In a bucket ``digests.json`` is written last, so that a bundle whose
writer was killed is not there yet. Whatever comes from a store is verified before it is used.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from contracts.errors import BundleRefused, Denied, NotFound, Unavailable
from contracts.sections import ModelsSettings

from .cache import BundleCache, Holding
from .files import DIGESTS, FILES, SIGNATURE, bundle_digest, check_contents, check_sizes, is_digest, unreadable

T = TypeVar("T")
_RETRIES = 2


class BundleStore(Protocol):
    """A place for bundles besides the cache of this machine."""

    @property
    def shown(self) -> str:
        """Its address."""

    def get(self, digest: str) -> dict[str, bytes]:
        """The verified bytes of a bundle. Raises NotFound, BundleRefused, Denied or Unavailable."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Keep a bundle; nothing happens when it is there. Raises Denied or Unavailable."""

    def holdings(self) -> dict[str, Holding]:
        """All bundles, by digest. Raises Denied or Unavailable."""

    def remove(self, digest: str) -> None:
        """Delete a bundle; nothing happens when it is not there. Raises Denied or Unavailable."""


def cache_of(data_dir: Path, settings: ModelsSettings, **more: Any) -> BundleCache:
    """The cache of a data directory with the store behind it and the keys that are trusted, as they are configured."""
    return BundleCache(data_dir, store=open_store(settings), trusted=settings.trusted_keys, **more)


def open_store(settings: ModelsSettings) -> BundleStore | None:
    """The configured store. Nothing is asked yet. Raises Unavailable when the extra s3 is not installed."""
    if not settings.store:
        return None
    if settings.store.startswith("s3://"):
        return ObjectStore.s3(settings)
    return FolderStore(Path(settings.store))


class FolderStore:
    """Bundles in a folder that several machines share; any number may write at once."""

    def __init__(self, folder: Path) -> None:
        # Relative ones would lead elsewhere from another working directory.
        self._folder = folder.absolute()
        self._cache = BundleCache(self._folder)

    @property
    def shown(self) -> str:
        return str(self._folder)

    def get(self, digest: str) -> dict[str, bytes]:
        # An empty folder is what is left of a mount that failed; then nothing can be said of what is in it.
        self._check(self._cache.folder)
        return self._cache.files(digest)

    def put(self, files: Mapping[str, bytes]) -> None:
        self._check(self._folder)
        self._cache.put_files(files)

    def holdings(self) -> dict[str, Holding]:
        self._check(self._folder)
        return self._cache.holdings()

    def remove(self, digest: str) -> None:
        self._cache.remove(digest)

    def _check(self, folder: Path) -> None:
        try:
            folder.stat()
        except FileNotFoundError as error:
            mend = "Mount it, or make the folder and publish to it."
            raise Unavailable(f"bundle store {self._folder}: {folder} is not there", mend=mend) from error
        except OSError as error:
            raise unreadable(f"bundle store {self._folder}: cannot be read", error) from error


class ObjectStore:
    """Bundles in a bucket, each file an object ``PREFIX/DIGEST/NAME``; ``store`` is one of obstore's."""

    def __init__(self, store: Any, shown: str) -> None:
        self._store, self.shown = store, shown

    @classmethod
    def s3(cls, settings: ModelsSettings) -> "ObjectStore":
        """The bucket that the settings name; credentials and region come as for every client of S3."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import S3Store
        except ImportError as error:
            raise Unavailable("models.store is in S3: obstore is missing", mend="Install tocsin[s3].") from error
        endpoint, limit = settings.store_endpoint, timedelta(seconds=settings.store_timeout_s)
        options: Any = {"timeout": limit, "connect_timeout": limit}
        if endpoint:
            options["allow_http"] = endpoint.startswith("http://")
        retry: Any = {"max_retries": _RETRIES, "retry_timeout": limit}
        more: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
        shown = str(settings.store)
        try:
            return cls(S3Store.from_url(shown, client_options=options, retry_config=retry, **more), shown)
        except (BaseError, ValueError, OSError) as error:
            raise Unavailable(f"bundle store {shown}: cannot be opened: {_first(error)}") from error

    def get(self, digest: str) -> dict[str, bytes]:
        listing = self._read(digest, DIGESTS)
        if listing is None:
            # A bucket that is not there says the same of every object.
            self.holdings()
            raise NotFound(f"bundle {digest} is not in {self.shown}")
        files = {DIGESTS: listing}
        for name in (*FILES, SIGNATURE):
            if (data := self._read(digest, name)) is not None:
                files[name] = data
        try:
            if missing := sorted(set(FILES) - set(files)):
                raise BundleRefused(f"missing file: {', '.join(missing)}", kind="missing file")
            check_contents(files, digest)
        except BundleRefused as error:
            raise error.within(f"bundle {self.shown}/{digest}") from error
        return files

    def put(self, files: Mapping[str, bytes]) -> None:
        digest = bundle_digest(files)
        try:
            there = self.get(digest)
        except (NotFound, BundleRefused):
            there = {}
        if SIGNATURE in there and SIGNATURE not in files:
            return
        for name in (SIGNATURE, *FILES, DIGESTS):
            if name in files and files[name] != there.get(name):
                self._ask(f"write {name} of {digest}", partial(self._put, digest, name, files[name]))

    def holdings(self) -> dict[str, Holding]:
        import obstore

        def listed() -> list[Any]:
            return [item for chunk in obstore.list(self._store) for item in chunk]

        out: dict[str, Holding] = {}
        found = self._ask("list", listed)
        if found is None:
            raise Unavailable(f"bundle store {self.shown}: there is no such bucket")
        for item in found:
            folder = str(item["path"]).rpartition("/")[0].rpartition("/")[2]
            if is_digest(folder):
                size, since = out.get(folder, Holding(0, 0))
                out[folder] = Holding(
                    size + int(item["size"]), max(since, int(item["last_modified"].timestamp() * 1000))
                )
        return out

    def remove(self, digest: str) -> None:
        import obstore

        # The one first without which the others are no bundle.
        for name in (DIGESTS, *FILES, SIGNATURE):
            path = self._path(digest, name)
            self._ask(f"delete {name} of {digest}", partial(obstore.delete, self._store, path))

    def _put(self, digest: str, name: str, data: bytes) -> None:
        import obstore

        obstore.put(self._store, self._path(digest, name), data)

    def _read(self, digest: str, name: str) -> bytes | None:
        import obstore

        def fetched() -> bytes:
            found = obstore.get(self._store, self._path(digest, name))
            # Before anything of it is fetched.
            check_sizes({name: int(found.meta["size"])})
            return found.bytes().to_bytes()

        return self._ask(f"read {name} of {digest}", fetched)

    @staticmethod
    def _path(digest: str, name: str) -> str:
        if not is_digest(digest):
            raise BundleRefused(f"{digest[:80]!r} is not the digest of a bundle", kind="name")
        return f"{digest}/{name}"

    def _ask(self, what: str, call: Callable[[], T]) -> T | None:
        """The answer to one request, or None where nothing is there. Raises Denied or Unavailable."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            return call()
        except FileNotFoundError:
            return None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            mend = "Check its credentials and its policy."
            raise Denied(f"bundle store {self.shown}: {what}: {_first(error)}", mend=mend) from error
        except (BaseError, OSError) as error:
            raise Unavailable(f"bundle store {self.shown}: {what}: {_first(error)}") from error


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
