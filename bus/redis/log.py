"""Ordered reading from Redis Streams.

An entry's id is ``<ordinal of its last event>-<number of its events>``: positions are ours, the same in every run,
and do not depend on the server's clock; a hole shows by arithmetic.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import Unavailable

from .. import keys
from ..protocol import Entry, Place
from .polling import poll
from .server import MAX_BLOCK_S, Servers

#: The id just behind every entry that ends at an ordinal.
BEHIND = "18446744073709551615"
#: Entries in one reply of a range: few, because each may be a megabyte.
_PAGE = 64


class RedisLog:
    """The Log part of the bus, but for ``check`` and ``fullness``."""

    _server: Servers
    _identity: str

    @property
    def identity(self) -> str:
        return self._identity

    def note(self, after: Mapping[Place, int]) -> None:
        """Told of where readers stand; see ``RedisHealth``."""

    async def read(self, after: Mapping[Place, int], *, count: int, block_s: float = 0) -> dict[Place, list[Entry]]:
        if not after:
            return {}
        self.note(after)
        if not self._server.one_slot:
            return await poll(lambda: self._read_apart(after, count), block_s)
        names = {keys.stream(place): place for place in after}
        command: list[str | int] = ["XREAD", "COUNT", count]
        if block_s > 0:
            command += ["BLOCK", max(1, int(min(block_s, MAX_BLOCK_S) * 1000))]
        command += ["STREAMS", *names, *(f"{last}-{BEHIND}" for last in after.values())]
        send = self._server.wait if block_s > 0 else self._server.call
        reply = await send(*command) or ()
        return {names[name.decode()]: entries(rows) for name, rows in reply}

    async def _read_apart(self, after: Mapping[Place, int], count: int) -> dict[Place, list[Entry]]:
        """One command for each partition."""
        names = {keys.stream(place): place for place in after}
        commands: list[list[str | int]] = []
        for group in by_partition(list(after)):
            streams = [keys.stream(place) for place in group]
            behind = [f"{after[place]}-{BEHIND}" for place in group]
            commands.append(["XREAD", "COUNT", count, "STREAMS", *streams, *behind])
        replies = await self._server.many(commands)
        return {names[name.decode()]: entries(rows) for reply in replies for name, rows in reply or ()}

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        found: list[Entry] = []
        start = max(first, 1)
        while last >= start and len(found) < count:
            rows = entries(
                await self._server.call(
                    "XRANGE", keys.stream(place), f"{start}-0", "+", "COUNT", min(count - len(found), _PAGE)
                )
            )
            wanted = [entry for entry in rows if entry.first <= last]
            found += wanted
            if not rows or len(wanted) < len(rows):
                break
            start = rows[-1].last + 1
        return found

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        replies = await self._server.many(
            [("HGET", keys.ledger(place.partition), f"end:{place.stream}") for place in places]
        )
        return {place: int(reply or 0) for place, reply in zip(places, replies, strict=True)}


def by_partition(places: Sequence[Place]) -> list[list[Place]]:
    """Places whose streams share a slot together."""
    groups: dict[int, list[Place]] = {}
    for place in places:
        groups.setdefault(place.partition, []).append(place)
    return list(groups.values())


def entries(rows: Sequence[Any] | None) -> list[Entry]:
    """Entries from a stream reply; one that was deleted while pending has no fields."""
    return [_entry(name, flat) for name, flat in rows or ()]


def _entry(name: bytes, flat: Sequence[bytes] | None) -> Entry:
    last, _, count = name.partition(b"-")
    if count == b"0":
        raise Unavailable(
            f"entry {name.decode()} was written by another program",
            mend="Only Tocsin may write to its streams: give other programs a user without write rights on tocsin:*",
        )
    # By an iterator that is asked twice: this runs for every single event, and two slices would cost more.
    names = iter(flat or ())
    return Entry(int(last), int(count), dict(zip(names, names, strict=True)))


def entry_id(entry: Entry) -> str:
    """The transport's id of an entry."""
    return f"{entry.last}-{entry.count}"
