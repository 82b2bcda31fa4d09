"""FastStream on the same server, as its documentation shows it: a consumer per message, and one per batch."""

import logging
from importlib.util import find_spec
from typing import Any

import anyio

from contracts.events import NotificationSent

from .workload import PIPE, events


def installed() -> bool:
    """Whether there is anything to compare with."""
    return find_spec("faststream") is not None


class FastStream:
    """Cells of FastStream."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def publish(self, count: int) -> None:
        broker = self._broker()
        await broker.connect()
        for at in range(0, count, PIPE):
            async with broker._connection.pipeline(transaction=False) as pipe:
                for event in events(count)[at : at + PIPE]:
                    await broker.publish(event, stream="s", pipeline=pipe)
                await pipe.execute()
        await broker._connection.xgroup_create("s", "g", id="0")
        await broker.stop()

    async def consume(self, count: int) -> None:
        await self._consume(count, batch=False)

    async def consume_batches(self, count: int) -> None:
        await self._consume(count, batch=True)

    async def _consume(self, count: int, *, batch: bool) -> None:
        from faststream import AckPolicy
        from faststream.redis import StreamSub

        seen, done, broker = [0], anyio.Event(), self._broker()
        sub = StreamSub("s", group="g", consumer="c", max_records=PIPE, batch=batch, polling_interval=1000)
        subscriber = broker.subscriber(stream=sub, ack_policy=AckPolicy.NACK_ON_ERROR)

        def note(number: int) -> None:
            seen[0] += number
            if seen[0] >= count:
                done.set()

        async def one(message: NotificationSent) -> None:
            note(1)

        async def many(messages: list[NotificationSent]) -> None:
            note(len(messages))

        subscriber(many if batch else one)
        await broker.start()
        await done.wait()
        while (await broker._connection.xpending("s", "g"))["pending"]:  # noqa: ASYNC110 - it tells nobody
            await anyio.sleep(0.001)
        await broker.stop()

    def _broker(self) -> Any:
        from faststream.redis import RedisBroker

        logging.getLogger("faststream").setLevel(logging.ERROR)
        return RedisBroker(self.url, logger=None, socket_timeout=None)  # type: ignore[arg-type] # None: no log at all
