"""Removing from the log what nobody needs any more, by one script on the partition's slot."""

from collections.abc import Sequence

from .. import keys
from ..protocol import Commit, Place
from ..scan import STREAMS
from .ledger import check
from .server import Argument, Servers


class RedisRetention:
    """The Retention part of the bus, and where streams begin."""

    def __init__(self, server: Servers) -> None:
        self._server = server

    async def advance(self, commit: Commit) -> None:
        arguments: list[Argument] = [commit.task, commit.token, commit.expected, commit.position]
        check(commit, await self._server.script("advance", [keys.ledger(commit.partition)], arguments))

    async def starts(self, places: Sequence[Place]) -> dict[Place, int]:
        return {place: (await self._trim(place, 0))[0] + 1 for place in places}

    async def trim(self, place: Place, upto: int) -> int:
        return (await self._trim(place, upto))[0]

    async def readers(self, place: Place) -> dict[str, int]:
        return (await self._trim(place, 0))[1]

    async def _trim(self, place: Place, upto: int) -> tuple[int, dict[str, int]]:
        names = [keys.ledger(place.partition), keys.stream(place)]
        gone, *rest = await self._server.script("trim", names, [place.stream, max(0, upto)])
        readers = zip(rest[::2], rest[1::2], strict=True)
        return int(gone), {name.decode(): int(ordinal) for name, ordinal in readers}

    async def retire(self, partition: int, reader: str) -> bool:
        return int(await self._server.script("retire", [keys.ledger(partition)], [reader, *STREAMS])) == 1
