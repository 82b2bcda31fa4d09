"""A time limit for each command.

The library has one, and starts a task for every command to watch it: that took a third of the time of a hop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis import exceptions as wire


def limited(execute: Callable[..., Awaitable[Any]], limit_s: float) -> Callable[..., Awaitable[Any]]:
    """``execute`` that raises the library's TimeoutError when it takes longer.

    The library closes the connection of a command that is given up, so a late reply is never taken for another's.
    """

    async def run(*command: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(limit_s):
                return await execute(*command, **options)
        except TimeoutError as error:
            raise wire.TimeoutError(f"no reply within {limit_s:g} s") from error

    return run
