"""A dashboard loses its connection before the first event, and is told from the present end on when it
is back. The alert that came meanwhile is never shown, and neither side knows.
"""

import pytest

from bus.memory import MemoryBus
from console.api.streaming import subscription
from tests.apis import Client, alerts, put, running_api


async def check() -> None:
    """A connection is lost before anything was told; what comes meanwhile is in two partitions."""
    bus, told = MemoryBus(2), list[str]()
    async with running_api(bus) as api:
        client = Client(api.port)
        async with client:
            await client.block()
        await put(bus, alerts(0, 2))
        await put(bus, alerts(2, 1, "fan"), 1)
        async with client:
            await client.block()
            # Behind all of them, in each partition: what comes before these was told.
            await put(bus, alerts(8, 1))
            await put(bus, alerts(9, 1, "fan"), 1)
            while not {"a8", "a9"} <= set(told):
                told += [row["alert"] for row in await client.events(1)]
    assert sorted(told) == ["a0", "a1", "a2", "a8", "a9"], f"told: {sorted(told)}"


async def test_who_comes_back_is_told_what_came_meanwhile() -> None:
    await check()


async def test_who_begins_at_the_end_again_misses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = subscription.Subscription.begin

    async def at_the_end(self: subscription.Subscription, position: str) -> None:
        await begin(self, "")

    monkeypatch.setattr(subscription.Subscription, "begin", at_the_end)
    with pytest.raises(AssertionError, match=r"told: \['a8', 'a9'\]"):
        await check()
