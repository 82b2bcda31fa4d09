"""redis-py as people use it at its best: pipelines, one round trip to acknowledge and to read on, nothing decoded."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import redis.asyncio as aioredis
from pydantic import BaseModel

from .workload import PIPE, ROWS, batches, bodies


class Header(BaseModel):
    """What a columnar entry says of itself."""

    event_id: str
    source: str
    n: int
    columns: list[tuple[str, str]]


#: A reading as it is usually kept: sensor, time, value.
COLUMNS = [("sensor", "<i4"), ("ts", "<f8"), ("value", "<f8")]


@cache
def columns(count: int) -> Sequence[bytes]:
    """The columns of each batch, one behind the other."""
    return [
        item.readings.code.tobytes() + (item.readings.time / 1e9).tobytes() + item.readings.value.tobytes()
        for item in batches(count)
    ]


class Raw:
    """Cells without Tocsin."""

    def __init__(self, url: str) -> None:
        # redis-py pays a timeout context per reply otherwise.
        self.client: Any = aioredis.from_url(url, socket_timeout=None)

    async def publish(self, count: int) -> None:
        everything = bodies(count)
        for at in range(0, count, PIPE):
            pipe = self.client.pipeline(transaction=False)
            for body in everything[at : at + PIPE]:
                pipe.xadd("s", {"d": body})
            await pipe.execute()

    async def consume(self, count: int) -> None:
        await self._consumed(count, PIPE, lambda entries: None)

    async def publish_columns(self, count: int) -> None:
        everything = columns(count)
        for at in range(0, count, PIPE):
            pipe = self.client.pipeline(transaction=False)
            for number in range(at, min(at + PIPE, count)):
                header = Header(event_id=f"{number:032x}", source="plc", n=ROWS, columns=COLUMNS)
                pipe.xadd("s", {"h": header.model_dump_json(), "c": everything[number]})
            await pipe.execute()

    async def consume_columns(self, count: int) -> None:
        total = [0.0]

        def use(entries: list[Any]) -> None:
            for _, fields in entries:
                header = Header.model_validate_json(fields[b"h"])
                at, found = 0, {}
                for name, dtype in header.columns:
                    array: Any = np.frombuffer(fields[b"c"], dtype, header.n, at)
                    at += array.nbytes
                    found[name] = array
                total[0] += found["value"].sum()

        await self._consumed(count, 100, use)

    async def group(self) -> None:
        """A consumer group from the beginning."""
        await self.client.xgroup_create("s", "g", id="0")

    async def _consumed(self, count: int, size: int, use: Any) -> None:
        got = 0
        ids: list[bytes] = []
        while got < count:
            pipe = self.client.pipeline(transaction=False)
            if ids:
                pipe.execute_command("XACK", "s", "g", *ids)
            pipe.execute_command("XREADGROUP", "GROUP", "g", "c", "COUNT", size, "STREAMS", "s", ">")
            reply = (await pipe.execute())[-1]
            entries = reply[0][1]
            ids = [entry[0] for entry in entries]
            use(entries)
            got += len(entries)
        await self.client.xack("s", "g", *ids)
