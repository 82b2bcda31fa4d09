"""Streams for programs of others, in Redis: any client can read them."""

from collections.abc import Mapping

from .. import keys
from ..feeds import REMEMBERED
from .server import Argument, Servers


class RedisFeeds:
    """The Feeds part of the bus."""

    def __init__(self, server: Servers) -> None:
        self._server = server

    async def feed(self, name: str, key: str, fields: Mapping[str, str | bytes], *, most: int) -> bool:
        flat: list[Argument] = [part for pair in fields.items() for part in pair]
        arguments: list[Argument] = [key, most, REMEMBERED, *flat]
        return int(await self._server.script("feed", [keys.feed(name), keys.fed(name)], arguments)) == 1
