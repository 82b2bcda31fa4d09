"""Waiting for news in several slots of a cluster, where no single command can.

A blocked command waits for the streams of one slot, and needs a connection as long as it waits: with many tasks and
partitions that is thousands. So every partition is asked, in one pipeline for each node, with pauses that grow.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

#: A busy stream is seen at once, a quiet one costs few commands.
_FIRST_S, _MOST_S = 0.002, 0.1

Found = TypeVar("Found")


async def poll(look: Callable[[], Awaitable[Found]], within_s: float) -> Found:
    """What ``look`` finds, waiting up to ``within_s`` seconds while that is nothing."""
    until = anyio.current_time() + within_s
    pause = _FIRST_S
    while not (found := await look()):
        left = until - anyio.current_time()
        if left <= 0:
            break
        await anyio.sleep(min(pause, left))
        pause = min(2 * pause, _MOST_S)
    return found
