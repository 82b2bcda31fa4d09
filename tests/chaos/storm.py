"""The bus of a worker under a bad network: requests get lost, replies get lost, requests arrive once more and late.

Every commit and every fencing that was confirmed is written down, for the harness to compare with each other.
"""

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bus.protocol import Commit, Entry, Place
from bus.redis.bus import RedisBus
from bus.redis.server import Servers
from contracts.errors import TocsinError, Unavailable
from contracts.frames import Frame

LOST_REQUEST, LOST_REPLY, ECHO = 0.01, 0.02, 0.05
#: An echo comes after the sender went on: behind newer requests.
ECHO_S = (0.005, 0.3)


class StormyBus(RedisBus):
    """RedisBus on a bad network; without ``chance`` on a good one."""

    def __init__(self, server: Servers, partitions: int, chance: random.Random | None, audit: Path) -> None:
        super().__init__(server, partitions)
        self._chance = chance
        self._audit = os.open(audit, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._echoes: set[asyncio.Task[None]] = set()

    async def commit(self, commit: Commit) -> None:
        send = super().commit

        async def sent() -> None:
            await send(commit)
            self._note("commit", commit.partition, commit.task, commit.token, commit.expected, commit.position)

        async def again() -> None:
            await send(commit)

        await self._through(sent, again)

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        send = super().settle

        async def sent() -> bool:
            return await send(group, place, entry, outputs)

        return bool(await self._through(sent, sent))

    async def fence(self, partition: int, task: str, token: int) -> str:
        found = await super().fence(partition, task, token)
        self._note("fence", partition, task, token, found, found)
        return found

    async def _through(self, send: Callable[[], Awaitable[Any]], again: Callable[[], Awaitable[Any]]) -> Any:
        if self._chance is None:
            return await send()
        fate = self._chance.random()
        if fate < LOST_REQUEST:
            raise Unavailable("storm: the request was lost")
        result = await send()
        if fate < LOST_REPLY:
            raise Unavailable("storm: the reply was lost")
        if fate < LOST_REPLY + ECHO:
            task = asyncio.create_task(self._echo(again, self._chance.uniform(*ECHO_S)))
            self._echoes.add(task)
            task.add_done_callback(self._echoes.discard)
        return result

    @staticmethod
    async def _echo(again: Callable[[], Awaitable[Any]], pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        with suppress(TocsinError):
            await again()

    def _note(self, *words: object) -> None:
        os.write(self._audit, f"{json.dumps(words)}\n".encode())
