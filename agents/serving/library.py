"""The bundles that a process has in memory: read once, verified in every respect, and then kept."""

from collections.abc import Mapping
from threading import Lock
from typing import Any, Generic, TypeVar

from contracts.errors import BundleRefused, NotFound, TocsinError, Unavailable
from models.bundle import Bundle, builtin
from models.cache import BundleCache

T = TypeVar("T")
#: More than are at work at once; a process that lives for months must not hold every model of its life.
_MOST = 16


class Kept(Generic[T]):
    """The last few of what was made, by name; for several threads."""

    def __init__(self) -> None:
        self._kept: dict[Any, T] = {}
        self._changing = Lock()

    def get(self, key: Any) -> T | None:
        """What is kept under a name."""
        return self._kept.get(key)

    def put(self, key: Any, value: T) -> T:
        """Keep it, and forget what came first where there is too much."""
        with self._changing:
            self._kept.pop(key, None)
            self._kept[key] = value
            while len(self._kept) > _MOST:
                self._kept.pop(next(iter(self._kept)))
        return value


_OPEN: Kept[Bundle] = Kept()


class Library:
    """The bundles of a data directory, and of the store behind it.

    The same digest is always the same bytes, so it does not matter to anybody who loaded them, and when.
    """

    def __init__(self, cache: BundleCache) -> None:
        self._folder, self._cache = cache.folder.absolute(), cache

    def made(self, detector: str, parameters: Mapping[str, Any]) -> str:
        """The digest of a bundle of an untrained streaming detector; it is in the cache afterwards."""
        bundle = builtin(detector, parameters)
        self._cache.put(bundle)
        return bundle.digest

    def read(self, digest: str) -> Bundle:
        """The bundle as it is on disk or in the store now, its golden vectors scored.

        Raises NotFound, BundleRefused or Unavailable.
        """
        return _OPEN.put((self._folder, digest), self._cache.get(digest))

    def get(self, digest: str) -> Bundle:
        """The bundle, read where it is not in memory. Raises as ``read`` does."""
        return _OPEN.get((self._folder, digest)) or self.read(digest)

    def in_force(self, digest: str) -> Bundle:
        """The bundle, which the log says is in force: no other may stand in for it.

        Raises Unavailable, whatever the cause.
        """
        try:
            return self.get(digest)
        except (NotFound, BundleRefused, Unavailable) as error:
            raise missing(digest, error) from error


def missing(digest: str, error: TocsinError) -> Unavailable:
    """What is said when a bundle cannot be had that has to score: nothing else may."""
    return Unavailable(
        f"bundle {digest} is in force in the log and cannot be loaded here: {error.args[0]}",
        mend=error.mend or "Give the data directory (data_dir) or the store (models.store) that has it",
    )
