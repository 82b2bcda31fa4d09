"""What is counted of a real server: the time that commits took, what it refused, and trace contexts in its entries."""

from dataclasses import replace

import pytest

from agents.telemetry import Telemetry, metered
from agents.telemetry.families import SECONDS
from agents.telemetry.metrics import quantile
from bus.protocol import Bus, Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.errors import Fenced, Unavailable
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import STREAM, TASK, everything, frame, step
from tests.servers import Fate, LiveServer, proxied

PLACE = Place(STREAM, 0)
HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DELAY_S = 0.06


async def test_a_slow_line_shows_in_the_time_of_commits(server: LiveServer) -> None:
    telemetry = Telemetry()
    async with proxied(server) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=2.0), PARTITIONS)
        await bus._server.call("FLUSHALL")
        proxy.delay_s = DELAY_S
        seen = metered(bus, telemetry)
        for number in range(1, 6):
            await seen.commit(step(1, str(number - 1 or ""), str(number)))
        await bus.close()
    *counts, total = telemetry.metrics.series["tocsin_commit_seconds"][TASK,]
    assert sum(counts) == 5
    assert total >= 5 * DELAY_S
    assert (quantile(counts, SECONDS, 0.01) or 0.0) > DELAY_S


async def test_refusals_and_lost_replies_of_a_real_server_are_counted(server: LiveServer) -> None:
    telemetry = Telemetry()
    async with proxied(server) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=0.5), PARTITIONS)
        await bus._server.call("FLUSHALL")
        seen = metered(bus, telemetry)
        await seen.fence(0, TASK, 2)
        with pytest.raises(Fenced):
            await seen.commit(step(1, "", "1"))
        await seen.commit(step(2, "", "1"))
        proxy.plan = lambda request: Fate.LOSE_REPLY
        with pytest.raises(Unavailable):
            await seen.commit(step(2, "1", "2"))
        await bus.close()
    series = telemetry.metrics.series
    assert series["tocsin_refusals"] == {(TASK, "fenced"): [1.0]}
    assert series["tocsin_unavailable"] == {("commit",): [1.0]}
    assert sum(series["tocsin_commit_seconds"][TASK,][:-1]) == 1


async def test_a_trace_context_comes_back_from_every_bus_and_changes_nothing_else(bus: Bus) -> None:
    plain, traced = step(1, "", "1", 1), step(1, "1", "2", 2)
    outputs = [(stream, replace(one, trace=HEADER)) for stream, one in traced.outputs]
    await bus.commit(plain)
    await bus.commit(replace(traced, outputs=outputs))
    await bus.append(PLACE, [replace(frame(3), trace=HEADER)])
    entries = (await bus.read({PLACE: 0}, count=10))[PLACE]
    assert [entry.fields.get(b"x") for entry in entries] == [None, HEADER.encode(), HEADER.encode()]
    assert [entry.frame().trace for entry in entries] == ["", HEADER, HEADER]
    assert [entry.frame().digest for entry in entries[1:]] == [traced.outputs[0][1].digest, frame(3).digest]
    assert await everything(bus) == [1, 2, 3]


async def test_looking_at_a_group_does_not_make_it(bus: Bus) -> None:
    """Else whoever looks would hold a stream for a sink that never runs."""
    await bus.append(PLACE, [frame(1), frame(2)])
    assert await bus.consumers("nobody", [PLACE]) == {PLACE: {}}
    assert "group nobody" not in await bus.readers(PLACE)
    await bus.subscribe("somebody", [PLACE])
    assert await bus.consumers("somebody", [PLACE]) == {PLACE: {}}
    taken = await bus.fetch("somebody", "one", [PLACE], count=10)
    assert await bus.consumers("somebody", [PLACE]) == {PLACE: {"one": len(taken)}}
