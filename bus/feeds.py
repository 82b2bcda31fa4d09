"""Streams for programs of others, in one process; see ``bus.protocol.Feeds`` for what they promise."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Keys by which a stream notices that it is given something again.
REMEMBERED = 10_000


@dataclass
class Feed:
    """One subscriber's stream: the entries that are kept, by their numbers, and the keys of the last ones."""

    entries: dict[int, dict[str, str | bytes]] = field(default_factory=dict)
    keys: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    last: int = 0


class MemoryFeeds:
    """The Feeds part of the memory bus."""

    _feeds: dict[str, Feed]

    async def feed(self, name: str, key: str, fields: Mapping[str, str | bytes], *, most: int) -> bool:
        feed = self._feeds.setdefault(name, Feed())
        if key in feed.keys:
            return False
        feed.last += 1
        feed.entries[feed.last] = dict(fields)
        feed.keys.append(key)
        while len(feed.entries) > most:
            del feed.entries[next(iter(feed.entries))]
        return True
