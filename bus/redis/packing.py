"""Commands into bytes by hiredis.

The library does it in Python on its asynchronous connections, argument by argument: for a commit of 500 events that
took more time than everything else that we do.
"""

from typing import Any, cast

import redis.asyncio as aioredis
from hiredis import pack_command
from redis.connection import HiredisRespSerializer


class _Packing:
    """A part of a connection's class."""

    def pack_command(self, *command: Any) -> list[bytes]:
        if isinstance(command[0], str) and " " not in command[0]:
            return [pack_command(command)]
        # Some of the library's own commands are two words in one.
        return cast(list[bytes], HiredisRespSerializer().pack(*command))


def pack_fast(client: aioredis.Redis) -> None:
    """Have all connections of a client pack their commands by hiredis."""
    pool = client.connection_pool
    kind: Any = pool.connection_class
    pool.connection_class = type(f"Packing{kind.__name__}", (_Packing, kind), {})
