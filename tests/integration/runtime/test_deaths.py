"""Processes that die at every step, of an event, or of not being pure: the log is the one of an undisturbed run."""

import signal

import anyio
import pytest

from agents.standstill import standing_still
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.events import DeadLettered, PartitionStopped
from contracts.identity import partition_of
from tests.conftest import PARTITIONS, Servers, emptied
from tests.integration.runtime.conftest import Mortals
from tests.integration.runtime.mortal import KILLED, LETHAL
from tests.unit.runtime.counting import INPUT, Counter, feed, home, of_type, plant, process, story

TASK = f"counter<{INPUT}"
STREAMS = ("incidents", "dead-letters")
READINGS, ASSETS, CUT = 120, 6, 7
POISON = (17, 60)
#: What a lane asks of the bus, in the order of its life.
VERBS = (
    "members", "acquire", "check", "fence", "snapshots", "begin", "ends", "save", "read", "attempt", "range", "commit",
    "release",
)  # fmt: skip


async def expected(*poison: int) -> list[str]:
    undisturbed = MemoryBus(PARTITIONS)
    await feed(undisturbed, plant(READINGS, ASSETS, poison=poison), 1000)
    await process(home(undisturbed), Counter())
    return await story(undisturbed, *STREAMS)


async def dies_at(mortals: Mortals, bus: RedisBus, url: str, fail: tuple[str, int, str], *, again: bool) -> list[int]:
    """The exit codes of a life that dies at a point and of the next; before them one that died in the middle."""
    await bus._server.call("FLUSHALL")
    await feed(bus, plant(READINGS, ASSETS, poison=POISON), CUT)
    codes = [mortals.live(url, fail=("commit", 4, "after"))] if again else []
    return [*codes, mortals.live(url, fail=fail), mortals.live(url)]


@pytest.mark.parametrize("verb", VERBS)
async def test_death_before_or_after_any_call_loses_and_doubles_nothing(
    verb: str, servers: Servers, mortals: Mortals
) -> None:
    live = servers.get("valkey")
    bus, wanted, died = await emptied(live), await expected(*POISON), 0
    # Before the first step; and with snapshot, position and dead letters of an earlier life that died, too.
    for number, when, again in ((1, "before", verb in ("attempt", "range")), (2, "after", True)):
        fail = (verb, number, when)
        codes = await dies_at(mortals, bus, live.url, fail, again=again)
        assert codes[-1] == 0, (fail, codes)
        died += codes[-2] == KILLED
        assert await story(bus, *STREAMS) == wanted, fail
        assert await of_type(bus, PartitionStopped) == [], fail
    assert died, "the point was reached"
    await bus.close()


@pytest.mark.soak
@pytest.mark.parametrize("verb", VERBS)
async def test_death_at_every_single_call(verb: str, servers: Servers, mortals: Mortals) -> None:
    live = servers.get("redis")
    bus, wanted = await emptied(live), await expected(*POISON)
    for again in (False, True):
        for when in ("before", "after"):
            for number in range(1, 100):
                codes = await dies_at(mortals, bus, live.url, (verb, number, when), again=again)
                assert codes[-1] == 0, (number, when, codes)
                assert await story(bus, *STREAMS) == wanted, (number, when, again)
                if codes[-2] == 0:
                    break
    await bus.close()


@pytest.mark.parametrize("kind", ["exits", "crashes", "hangs", "leaks"])
async def test_event_that_ends_its_process_is_buried_after_three_deaths(
    kind: str, servers: Servers, mortals: Mortals
) -> None:
    live = servers.get("valkey")
    bus = await emptied(live)
    await feed(bus, plant(READINGS, ASSETS), CUT)
    codes: list[int] = []
    while len(codes) < 6 and (not codes or codes[-1]):
        codes.append(mortals.live(live.url, kind=kind, settings={"hang_s": 0.3} if kind == "hangs" else {}))
    code = {"exits": 3, "crashes": -signal.SIGSEGV, "hangs": 70, "leaks": 70}[kind]
    assert codes == [code, code, code, 0]
    (letter,) = await of_type(bus, DeadLettered)
    assert "killed the process that handled it, 3 times" in letter.reason
    mine = partition_of(f"m{LETHAL % ASSETS}", PARTITIONS)
    assert await others(bus, mine) == [line for line in await expected() if f"/{mine}:" not in line] != []
    assert await bus.position(mine, TASK) == str((await bus.ends([input_place(mine)]))[input_place(mine)])
    told = await story(bus, *STREAMS)
    assert mortals.live(live.url, owner="two") == 0
    assert await story(bus, *STREAMS) == told, "it stays buried"
    await bus.close()


def input_place(partition: int) -> Place:
    return Place(INPUT, partition)


async def others(bus: RedisBus, mine: int) -> list[str]:
    return [line for line in await story(bus, *STREAMS) if f"/{mine}:" not in line]


async def test_processor_that_is_not_deterministic_is_stopped_where_it_was_killed(
    servers: Servers, mortals: Mortals
) -> None:
    """Nothing is written a second time, the partition is named, and what it had not begun goes on."""
    live = servers.get("valkey")
    bus = await emptied(live)
    await feed(bus, plant(READINGS, 1), CUT)
    mine = partition_of("m0", PARTITIONS)
    # No snapshot is due between its start and its death.
    slow = {"snapshot_s": 1000}
    assert mortals.live(live.url, kind="guesses", fail=("commit", 4, "after"), settings=slow) == KILLED
    told, position = await story(bus, *STREAMS), await bus.position(mine, TASK)
    assert told != []
    pid = mortals.start(live.url, kind="guesses", settings=slow)
    with anyio.fail_after(40):
        while not (found := await of_type(bus, PartitionStopped)):  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.02)
    await feed(bus, plant(READINGS, ASSETS), CUT, task="source:more")
    others = [number for number in range(PARTITIONS) if number != mine]
    with anyio.fail_after(40):
        while not all([await at_end(bus, number) for number in others]):  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.02)
    mortals.end(pid, signal.SIGTERM)
    assert [(item.partition, item.event) for item in await standing_still(bus)] == [(mine, found[0])]
    assert (found[0].agent, found[0].origin, found[0].position) == (TASK, INPUT, int(position))
    assert "DataQualityIncident" in found[0].error
    assert await bus.position(mine, TASK) == position
    assert [line for line in await story(bus, *STREAMS) if f"/{mine}:" in line] == told
    await bus.close()


async def at_end(bus: RedisBus, partition: int) -> bool:
    place = input_place(partition)
    return int(await bus.position(partition, TASK) or 0) == (await bus.ends([place]))[place]
