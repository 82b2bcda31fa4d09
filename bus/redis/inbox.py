"""Consumer groups on Redis Streams."""

from collections.abc import Sequence

from contracts.errors import Unavailable
from contracts.frames import Frame

from .. import keys
from ..protocol import Delivery, Entry, Place
from .ledger import in_script
from .log import entries, entry_id
from .server import MAX_BLOCK_S, Argument, Server, ServerRefused


class RedisInbox:
    """The Inbox part of the bus."""

    def __init__(self, server: Server) -> None:
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
        names = {keys.stream(place): place for place in places}
        command: list[Argument] = ["XREADGROUP", "GROUP", group, consumer, "COUNT", count]
        if block_s > 0:
            command += ["BLOCK", max(1, int(min(block_s, MAX_BLOCK_S) * 1000))]
        command += ["STREAMS", *names, *(">" for _ in names)]
        send = self._server.wait if block_s > 0 else self._server.call
        reply = await self._grouped(send(*command), group, places)
        return [Delivery(names[name.decode()], entry, 1) for name, rows in reply or () for entry in entries(rows)]

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int) -> list[Delivery]:
        name = keys.stream(place)
        reply = await self._grouped(
            self._server.call("XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", name, "0"),
            group,
            [place],
        )
        return await self._counted(group, consumer, place, entries(reply[0][1]) if reply else [])

    async def claim(self, group: str, consumer: str, place: Place, *, idle_s: float, count: int) -> list[Delivery]:
        name = keys.stream(place)
        idle = int(idle_s * 1000)
        rows = await self._grouped(
            self._server.call("XPENDING", name, group, "IDLE", idle, "-", "+", count), group, [place]
        )
        ids = [row[0] for row in rows or () if row[1] != consumer.encode()]
        if not ids:
            return []
        # XCLAIM with the idle time again: of two members that saw the same entry, one gets it.
        claimed = await self._grouped(self._server.call("XCLAIM", name, group, consumer, idle, *ids), group, [place])
        return await self._counted(group, consumer, place, entries(claimed))

    async def touch(self, group: str, consumer: str, place: Place, entries: Sequence[Entry]) -> None:
        ids = [entry_id(entry) for entry in entries]
        command: list[Argument] = ["XCLAIM", keys.stream(place), group, consumer, 0, *ids, "JUSTID"]
        await self._grouped(self._server.call(*command), group, [place])

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        names = [keys.stream(place), keys.ledger(place.partition)]
        arguments: list[Argument] = [group, entry_id(entry), place.stream]
        for stream, frame in outputs:
            names.append(keys.stream(Place(stream, place.partition)))
            arguments += (stream, *in_script(frame))
        reply = await self._grouped(self._server.script("settle", names, arguments), group, [place])
        return int(reply) == 1

    async def settled(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        marks = await self._marks(group, places)
        return {place: int(_restart(mark).partition("-")[0]) for place, mark in zip(places, marks, strict=True)}

    async def _marks(self, group: str, places: Sequence[Place]) -> list[bytes | None]:
        return await self._server.many(
            [("HGET", keys.ledger(place.partition), f"settled:{group}:{place.stream}") for place in places]
        )

    async def _counted(self, group: str, consumer: str, place: Place, found: list[Entry]) -> list[Delivery]:
        if not found:
            return []
        # All of ours in that span: between those just claimed there may be others that we had before.
        span = (entry_id(found[0]), entry_id(found[-1]), found[-1].last - found[0].first + 1)
        rows = await self._grouped(
            self._server.call("XPENDING", keys.stream(place), group, *span, consumer), group, [place]
        )
        tries = {row[0].decode(): int(row[3]) for row in rows}
        return [Delivery(place, entry, tries.get(entry_id(entry), 1)) for entry in found]

    async def _grouped(self, reply, group: str, places: Sequence[Place]):  # type: ignore[no-untyped-def] # any reply
        try:
            return await reply
        except ServerRefused as error:
            if error.word != "NOGROUP":
                raise
            await self.subscribe(group, places)
            raise Unavailable(f"group {group} was gone", mend="It was made again at its last settled place") from error


def _restart(mark: bytes | None) -> str:
    """The id after which a group begins: nothing settled may come again, nothing unsettled be skipped."""
    if mark is None:
        return "0"
    kind, _, name = mark.decode().partition(" ")
    last, _, count = name.partition("-")
    return f"{int(last) - int(count)}-18446744073709551615" if kind == "before" else name
