"""Consumer groups on Redis Streams."""

from collections.abc import Collection, Sequence
from typing import Any

from contracts.errors import Unavailable
from contracts.frames import Frame

from .. import keys
from ..protocol import Delivery, Entry, Place
from .ledger import in_script
from .log import BEHIND, by_partition, entries, entry_id
from .polling import poll
from .server import MAX_BLOCK_S, Argument, ServerRefused, Servers


class RedisInbox:
    """The Inbox part of the bus."""

    def __init__(self, server: Servers) -> None:
        self._server = server

    async def subscribe(self, group: str, places: Sequence[Place]) -> None:
        for place, mark in zip(places, await self._marks(group, places), strict=True):
            try:
                await self._server.call("XGROUP", "CREATE", keys.stream(place), group, _restart(mark), "MKSTREAM")
            except ServerRefused as error:
                if error.word != "BUSYGROUP":
                    raise

    async def fetch(
        self, group: str, consumer: str, places: Sequence[Place], *, count: int, block_s: float = 0
    ) -> list[Delivery]:
        groups = [list(places)] if self._server.one_slot else by_partition(places)
        if block_s > 0 and self._server.one_slot:
            block = max(1, int(min(block_s, MAX_BLOCK_S) * 1000))
            send = self._server.wait(*_fetching(group, consumer, count, places, block))
            return _deliveries(places, [await self._grouped(send, group, places)])
        commands = [_fetching(group, consumer, count, some) for some in groups]

        async def look() -> list[Delivery]:
            return _deliveries(places, await self._grouped(self._server.many(commands), group, places))

        return await poll(look, block_s)

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int, after: int = 0) -> list[Delivery]:
        return await self._taken(group, place, [group, consumer, -1, f"{after}-{BEHIND}", count])

    async def claim(
        self,
        group: str,
        consumer: str,
        place: Place,
        *,
        idle_s: float,
        count: int,
        of: Collection[str] | None = None,
    ) -> list[Delivery]:
        if of is not None and not of:
            return []
        return await self._taken(group, place, [group, consumer, int(idle_s * 1000), "0-0", count, *(of or ())])

    async def _taken(self, group: str, place: Place, arguments: list[Argument]) -> list[Delivery]:
        rows = await self._grouped(self._server.script("take", [keys.stream(place)], arguments), group, [place])
        found = entries([(name, flat) for name, _, flat in rows])
        return [Delivery(place, entry, int(row[1]) + 1) for entry, row in zip(found, rows, strict=True)]

    async def touch(
        self, group: str, consumer: str, place: Place, entries: Sequence[Entry], *, tries: int | None = None
    ) -> list[Entry]:
        names = {entry_id(entry).encode(): entry for entry in entries}
        arguments: list[Argument] = [group, consumer, tries or 0, *names]
        ours = await self._grouped(self._server.script("touch", [keys.stream(place)], arguments), group, [place])
        return [names[name] for name in ours]

    async def consumers(self, group: str, places: Sequence[Place]) -> dict[Place, dict[str, int]]:
        return {place: await self._holders(group, place) for place in places}

    async def _holders(self, group: str, place: Place) -> dict[str, int]:
        try:
            reply = await self._server.call("XPENDING", keys.stream(place), group)
        except ServerRefused as error:
            if error.word != "NOGROUP":
                raise
            # Nobody has begun to read there; looking must not make the group.
            return {}
        return {name.decode(): int(count) for name, count in reply[3] or ()}

    async def dismiss(self, group: str, consumer: str, places: Sequence[Place]) -> bool:
        gone = True
        for place in places:
            reply = self._server.script("dismiss", [keys.stream(place)], [group, consumer])
            gone = bool(await self._grouped(reply, group, [place])) and gone
        return gone

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        streams, frames = in_script(place.partition, outputs)
        names = [keys.stream(place), keys.ledger(place.partition), *streams]
        arguments: list[Argument] = [group, entry_id(entry), place.stream, *frames]
        reply = await self._grouped(self._server.script("settle", names, arguments), group, [place])
        return int(reply) == 1

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        marks = await self._marks(group, places)
        return {place: int(_restart(mark).partition("-")[0]) for place, mark in zip(places, marks, strict=True)}

    async def _marks(self, group: str, places: Sequence[Place]) -> list[bytes | None]:
        return await self._server.many(
            [("HGET", keys.ledger(place.partition), f"settled:{group}:{place.stream}") for place in places]
        )

    async def _grouped(self, reply, group: str, places: Sequence[Place]):  # type: ignore[no-untyped-def] # any reply
        try:
            return await reply
        except ServerRefused as error:
            if error.word != "NOGROUP":
                raise
            await self.subscribe(group, places)
            raise Unavailable(f"group {group} was gone", mend="It was made again at its last settled place") from error


def _fetching(group: str, consumer: str, count: int, places: Sequence[Place], block_ms: int = 0) -> list[Argument]:
    block = ("BLOCK", block_ms) if block_ms else ()
    names = [keys.stream(place) for place in places]
    return ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, *block, "STREAMS", *names, *(">" for _ in names)]


def _deliveries(places: Sequence[Place], replies: Sequence[Any]) -> list[Delivery]:
    names = {keys.stream(place).encode(): place for place in places}
    return [
        Delivery(names[name], entry, 1) for reply in replies for name, rows in reply or () for entry in entries(rows)
    ]


def _restart(mark: bytes | None) -> str:
    """The id after which a group begins: nothing settled may come again, nothing unsettled be skipped."""
    if mark is None:
        return "0"
    kind, _, name = mark.decode().partition(" ")
    last, _, count = name.partition("-")
    return f"{int(last) - int(count)}-18446744073709551615" if kind == "before" else name
