"""What a walk goes through: log and archive as one, the index of alerts, and the bundles on this machine."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agents.coordinator.index import AlertIndex
from agents.coordinator.index.store import Version
from bus.history import History
from bus.protocol import Entry, Place
from bus.scan import Found, read, scan
from contracts.errors import NotFound, TocsinError
from contracts.events import Finding
from models.cache import BundleCache
from models.files import MANIFEST
from models.manifest import Manifest, parse


class Stale(Exception):
    """The log has something else where the index said that the finding is; the index is made anew."""


@dataclass(frozen=True)
class Past:
    """Handed to every walk."""

    history: History
    index: AlertIndex
    data_dir: Path

    @cached_property
    def cache(self) -> BundleCache:
        """The bundles on this machine."""
        return BundleCache(self.data_dir)

    @cached_property
    def versions(self) -> list[Version]:
        """Every version that was told of."""
        return self.index.versions()

    def manifests(self, told: Callable[[str, str], None]) -> dict[str, Manifest]:
        """By digest, of every bundle on this machine; ``told`` hears of those that cannot be read."""
        found = {}
        for digest in self.cache.list():
            try:
                found[digest] = parse(self.cache.files(digest)[MANIFEST])
            except TocsinError as error:
                told(f"bundle {digest[:16]}", str(error))
        return found

    async def finding(self, place: Place, ordinal: int, identity: str) -> Finding:
        """The finding that the index has there, read in the log. Raises Stale, NotFound, and what the log raises."""
        entries: list[Entry] = await self.history.range(place, ordinal, ordinal, count=1)
        if not entries:
            raise NotFound(
                f"{identity} was {place.stream}/{place.partition}:{ordinal}, which is gone from the log",
                mend="It was trimmed or deleted without being archived; its MLflow run still holds it",
            )
        found = read(place, entries[0])
        if found.problem:
            raise NotFound(f"{identity} cannot be read any more: {found.problem}")
        number = ordinal - entries[0].first
        event = found.events[number] if 0 <= number < len(found.events) else None
        if not isinstance(event, Finding) or event.id != identity:
            raise Stale(f"{place.stream}/{place.partition}:{ordinal} is not {identity}")
        return event

    def scan(self, place: Place, first: int, last: int) -> AsyncIterator[Found]:
        """Entries of log and archive."""
        return scan(self.history, place, first, last)
