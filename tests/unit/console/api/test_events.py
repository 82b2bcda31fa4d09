"""Events by Server-Sent Events: each once, in order, whatever happens to the connection."""

import random
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from bus.memory import MemoryBus
from bus.protocol import Entry, Place
from console.api.streaming import subscription, tail
from console.api.streaming.position import Numbers, joined
from tests.apis import Client, alerts, put, running_api, until


async def test_a_subscriber_is_told_what_happens_from_now_on() -> None:
    """And gets a position before anything happened."""
    bus = MemoryBus(2)
    await put(bus, alerts(0, 3))
    async with running_api(bus) as api, Client(api.port) as client:
        assert (client.status, client.answer["content-type"]) == (200, "text/event-stream; charset=utf-8")
        first = await client.block()
        assert first["id"]
        assert 1_000 <= int(first["retry"]) <= 5_000
        await put(bus, alerts(3, 2), 1)
        assert [row["alert"] for row in await client.events(2)] == ["a3", "a4"]


async def test_nothing_is_missed_and_nothing_doubled_over_cut_connections() -> None:
    """Also where the connection is cut within an entry, and events come meanwhile."""
    bus, random_ = MemoryBus(4), random.Random(5)
    seen: list[str] = []
    async with running_api(bus) as api:
        client = Client(api.port)
        async with client:
            await client.block()
        for round_ in range(12):
            for part in range(4):
                await put(bus, alerts(round_ * 100 + part * 25, 25, asset=f"p{part}"), part)
            async with client:
                seen += [row["id"] for row in await client.events(random_.randrange(1, 150 if round_ < 11 else 2))]
        async with client:
            seen += [row["id"] for row in await client.events(1_200 - len(seen))]
            await put(bus, alerts(9_999, 1))
            assert (await client.event())[1]["alert"] == "a9999"
    assert len(seen) == len(set(seen)) == 1_200


async def test_who_comes_back_meets_the_order_of_each_partition() -> None:
    """Positions say how far, partition by partition."""
    bus = MemoryBus(3)
    async with running_api(bus) as api:
        client = Client(api.port)
        async with client:
            await client.block()
        for n in range(30):
            await put(bus, alerts(n, 1, asset=f"p{n % 3}"), n % 3)
        async with client:
            rows = await client.events(30)
    for part in range(3):
        assert [row["alert"] for row in rows if row["asset"] == f"p{part}"] == [f"a{n}" for n in range(part, 30, 3)]


@pytest.mark.parametrize(("items", "chunk"), [(8, 500), (50, 1), (4_096, 2_000)])
async def test_who_falls_out_of_the_tail_reads_the_log(monkeypatch: pytest.MonkeyPatch, items: int, chunk: int) -> None:
    """Slower than the events come, it misses none, and is handed on a little at a time."""
    monkeypatch.setattr(tail, "_MOST_ITEMS", items)
    monkeypatch.setattr(subscription, "_CHUNK", chunk)
    bus = MemoryBus(2)
    async with running_api(bus) as api, Client(api.port) as slow, Client(api.port) as quick:
        for n in range(0, 400, 20):
            await put(bus, alerts(n, 20), n // 20 % 2)
            await quick.events(20)
        assert len({row["alert"] for row in await slow.events(400)}) == 400
        await put(bus, alerts(400, 1))
        assert (await slow.event())[1]["alert"] == (await quick.event())[1]["alert"] == "a400"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?severity=critical", ["a1", "a3"]),
        ("?match=asset=%22pump-2%22", ["a2"]),
        ("?match=asset=~%22pump-.*%22&severity=warning", ["a0", "a1", "a2", "a3"]),
        ("?match=asset!=%22pump-2%22&match={site=%22north%22}", ["a1"]),
        ("?types=AlertChanged,DriftDetected&match=state!=%22open%22", ["a3"]),
    ],
)
async def test_a_subscriber_chooses(query: str, told: list[str]) -> None:
    """By type, severity and labels; an event without a label has its own field of that name."""
    bus = MemoryBus(1)
    async with running_api(bus) as api, Client(api.port, query) as client:
        assert client.status == 200
        await client.block()
        await put(bus, alerts(0, 1))
        await put(bus, alerts(1, 1, severity="critical", labels={"site": "north"}))
        await put(bus, alerts(2, 1, asset="pump-2"))
        await put(bus, alerts(3, 1, severity="critical", state="resolved"))
        # All of these let it pass: whatever comes before it was chosen.
        await put(bus, alerts(4, 1, "pump-2", severity="critical", state="resolved", labels={"site": "north"}))
        if "!=%22pump" in query:
            await put(bus, alerts(4, 1, "pump-3", labels={"site": "north"}))
        found = [(await client.event())[1]["alert"] for _ in range(len(told) + 1)]
        assert found == [*told, "a4"]


async def test_the_past_is_told_from_a_time_on() -> None:
    """Events before it are left out, also those that stand behind later ones."""
    bus = MemoryBus(1)
    await put(bus, [*alerts(1_000, 5), *alerts(10, 1), *alerts(2_000, 5)])
    async with running_api(bus) as api, Client(api.port, "?since=1970-01-01T00:00:00.000001003Z") as client:
        assert [row["alert"] for row in await client.events(7)] == [
            "a1003",
            "a1004",
            *(f"a{n}" for n in range(2000, 2005)),
        ]


REFUSED = [
    ("?types=Nothing", "", 422),
    ("?types=ReadingsAccepted", "", 422),
    ("?match=asset", "", 422),
    ("?severity=loud", "", 422),
    ("?since=yesterday", "", 422),
    ("?wish=1", "", 422),
    ("", "rubbish", 400),
    ("", "1AAAAAA~alerts:AQE", 400),
    ("", "MARK~alerts:AQ", 400),
    ("", "MARK~alerts:AAEAAg", 400),
    ("", "MARK~alerts:CQE", 400),
    ("", "MARK~alerts:gICAgICAgICAgICAgICAgICAAQ", 400),
    ("", "MARK~drift:AAE", 400),
    ("", "MARK~alerts:AAE~alerts:AAE", 400),
    ("", "MARK~alerts:" + "A" * 9_000, 400),
    ("", "MARK~alerts:", 200),
]


async def test_what_cannot_be_meant_is_refused() -> None:
    """Without a subscription that is left behind."""
    bus = MemoryBus(2)
    found = []
    async with running_api(bus) as api:
        for query, last, status in REFUSED:
            async with Client(api.port, query, last.replace("MARK", api.application.hub.mark)) as client:
                found.append(client.status)
            assert status == 200 or api.application.hub.size == 0
    assert found == [status for _, _, status in REFUSED]


async def test_a_position_ahead_of_the_log_is_told_as_a_gap() -> None:
    """A failover lost what it speaks of: what comes in its place may differ, so it is told."""
    bus = MemoryBus(1)
    await put(bus, alerts(0, 3))
    async with running_api(bus) as api:
        ahead = f"{api.application.hub.mark}~alerts:AAk"
        async with Client(api.port, last=ahead) as client:
            kind, data = await client.event()
            assert (kind, data["first"], data["last"]) == ("tocsin.gap", 4, 9)
            await put(bus, alerts(3, 1))
            assert (await client.event())[1]["alert"] == "a3"


async def test_one_too_many_is_asked_to_come_later() -> None:
    """And its place is free when another one left."""
    bus = MemoryBus(1)
    async with running_api(bus, subscribers=2) as api, Client(api.port) as first:
        async with Client(api.port), Client(api.port) as third:
            assert (third.status, third.answer["retry-after"]) == (503, "1")
        await put(bus, alerts(0, 1))
        await first.event()
        await until(lambda: api.application.hub.size == 1)
        async with Client(api.port) as fourth:
            assert fourth.status == 200


async def test_nothing_is_left_when_all_are_gone() -> None:
    """Neither a task nor what was kept of the streams."""
    bus = MemoryBus(1)
    async with running_api(bus) as api:
        async with Client(api.port) as client:
            await client.block()
        hub: Any = api.application.hub
        await until(lambda: not hub.size)
        assert (hub.tails, hub._tasks, hub._members) == ({}, [], {})


class Held(MemoryBus):
    """A log whose news arrive late at whoever waits for them."""

    def __init__(self) -> None:
        super().__init__(1)
        self.gate = anyio.Event()

    async def read(self, after: Mapping[Place, int], *, count: int, block_s: float = 0) -> dict[Place, list[Entry]]:
        found = await super().read(after, count=count, block_s=block_s)
        await self.gate.wait()
        return found


async def test_a_position_from_another_process_may_be_ahead_of_this_one() -> None:
    """What was read there is not told again here."""
    bus = Held()
    async with running_api(bus) as api, Client(api.port) as first:
        await first.block()
        await put(bus, alerts(0, 10))
        position = joined(api.application.hub.mark, {"alerts": Numbers({0: 6}).text})
        async with Client(api.port, last=position) as second:
            await second.block()
            bus.gate.set()
            assert [row["alert"] for row in await second.events(4)] == ["a6", "a7", "a8", "a9"]
        assert len(await first.events(10)) == 10
