"""Members that join, leave, die or sleep: how long a partition has no owner, and what a former owner can still do."""

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from agents.runtime.ownership import Ownership
from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from bus.redis.bus import RedisBus
from contracts.errors import Fenced
from tests.conftest import PARTITIONS, Servers, emptied
from tests.integration.runtime.conftest import Mortals
from tests.unit.runtime.counting import INPUT, Counter, Hands, feed, home, plant, process, story

TASK = f"counter<{INPUT}"
STREAMS = ("incidents", "dead-letters")
READINGS, ASSETS = 400, 12
PLACES = [Place(INPUT, number) for number in range(PARTITIONS)]


@pytest.fixture
async def log(servers: Servers) -> AsyncIterator[tuple[RedisBus, str]]:
    live = servers.get("valkey")
    bus = await emptied(live)
    yield bus, live.url
    await bus.close()


async def expected() -> list[str]:
    undisturbed = MemoryBus(PARTITIONS)
    await both_halves(undisturbed)
    await process(home(undisturbed), Counter())
    return await story(undisturbed, *STREAMS)


async def both_halves(bus: Bus) -> None:
    for number, half in enumerate(plant(READINGS, ASSETS).cut(READINGS // 2)):
        await feed(bus, half, 7, task=f"source:{number}")


async def shared(bus: Bus, *owners: str) -> dict[str, list[int]]:
    """Wait until every owner has its share of the partitions."""
    with anyio.fail_after(40):
        while True:
            held: dict[str, list[int]] = {owner: [] for owner in owners}
            for partition in range(PARTITIONS):
                held.setdefault((await bus.sign(partition, TASK)).rsplit(" ", 2)[0], []).append(partition)
            if sorted(map(len, held.values())) == [PARTITIONS // len(owners)] * len(owners):
                return held
            await anyio.sleep(0.01)


async def caught_up(bus: Bus, since: float) -> float:
    """Wait until everything is handled; returns the seconds since a moment."""
    ends = await bus.ends(PLACES)
    with anyio.fail_after(30):
        for place, end in ends.items():
            while int(await bus.position(place.partition, TASK) or 0) < end:  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.005)
    return anyio.current_time() - since


async def test_member_that_is_killed_is_replaced_soon_after_its_lease(
    log: tuple[RedisBus, str], mortals: Mortals
) -> None:
    bus, url = log
    pids = {owner: mortals.start(url, owner=owner) for owner in ("one", "two")}
    await shared(bus, *pids)
    first, second = plant(READINGS, ASSETS).cut(READINGS // 2)
    await feed(bus, first, 7, task="source:0")
    mortals.end(pids["one"], signal.SIGKILL)
    died = anyio.current_time()
    await feed(bus, second, 7, task="source:1")
    took = await caught_up(bus, died)
    print(f"no owner for {took:.2f} s after kill -9, with leases of 1 s")  # noqa: T201 - shown with -rP
    mortals.end(pids["two"], signal.SIGTERM)
    assert took < 1.0 + 15.0, "on a busy machine; what it takes on a quiet one is printed"
    assert await story(bus, *STREAMS) == await expected()


async def test_member_that_leaves_in_order_is_replaced_without_waiting_for_its_lease(
    log: tuple[RedisBus, str], mortals: Mortals
) -> None:
    bus, url = log
    # Waiting for the lease would take nine seconds.
    pids = {owner: mortals.start(url, owner=owner, settings={"lease_s": 9.0}) for owner in ("one", "two")}
    await shared(bus, *pids)
    first, second = plant(READINGS, ASSETS).cut(READINGS // 2)
    await feed(bus, first, 7, task="source:0")
    mortals.end(pids["one"], signal.SIGTERM)
    left = anyio.current_time()
    await feed(bus, second, 7, task="source:1")
    took = await caught_up(bus, left)
    print(f"no owner for {took:.2f} s after SIGTERM, with leases of 9 s")  # noqa: T201 - shown with -rP
    mortals.end(pids["two"], signal.SIGTERM)
    assert took < 1.0 + 6.0, "six seconds for a busy machine; the look itself is tested on a clock that stands, below"
    assert await story(bus, *STREAMS) == await expected()


async def test_member_that_slept_for_three_leases_changes_nothing_when_it_wakes(
    log: tuple[RedisBus, str], mortals: Mortals
) -> None:
    bus, url = log
    pids = {owner: mortals.start(url, owner=owner) for owner in ("one", "two")}
    held = await shared(bus, *pids)
    first, second = plant(READINGS, ASSETS).cut(READINGS // 2)
    await feed(bus, first, 7, task="source:0")
    os.kill(pids["one"], signal.SIGSTOP)
    slept = anyio.current_time()
    await feed(bus, second, 7, task="source:1")
    await caught_up(bus, slept)
    await anyio.sleep(max(0.0, 3.0 - (anyio.current_time() - slept)))
    before = {number: await standing(bus, number) for number in held["one"]}
    os.kill(pids["one"], signal.SIGCONT)
    # It takes part again with leases of its own, so it is awake, and what it meant to do is done or refused.
    await shared(bus, *pids)
    told = await story(bus, *STREAMS)
    for pid in pids.values():
        mortals.end(pid, signal.SIGTERM)
    assert told == await expected()
    for number, (position, snapshot) in before.items():
        assert (await standing(bus, number))[0] == position
        assert int((await bus.snapshots(number, TASK))[0].position) >= int(snapshot)


async def standing(bus: Bus, partition: int) -> tuple[str, str]:
    return await bus.position(partition, TASK), (await bus.snapshots(partition, TASK))[0].position


async def test_former_owner_can_do_nothing_to_the_task(bus: Bus) -> None:
    token = await bus.acquire(0, TASK, "old", seen=None)
    assert token
    await bus.begin(0, TASK, token, "old life")
    new = await bus.acquire(0, TASK, "new", seen=await bus.sign(0, TASK))
    assert new
    await bus.begin(0, TASK, new, "new life")
    await bus.attempt(0, TASK, new, "7 1 new life")
    with pytest.raises(Fenced):
        await bus.begin(0, TASK, token, "old life")
    with pytest.raises(Fenced):
        await bus.attempt(0, TASK, token, "9 9 old life")
    assert not await bus.renew(0, TASK, "old", token)
    await bus.release(0, TASK, "old", token)
    assert await bus.begin(0, TASK, new, "new life") == ("new life", "7 1 new life")


async def test_life_is_forgotten_with_the_lease_and_the_try_is_not(bus: Bus) -> None:
    token = await bus.acquire(0, TASK, "one", seen=None)
    assert token
    assert await bus.begin(0, TASK, token, "a") == ("", "")
    await bus.attempt(0, TASK, token, "7 1 a")
    await bus.release(0, TASK, "one", token)
    token = await bus.acquire(0, TASK, "one", seen=None)
    assert token
    assert await bus.begin(0, TASK, token, "b") == ("", "7 1 a")
    assert await bus.begin(0, TASK, token, "c") == ("b", "7 1 a")


# ---------------------------------------------------------------- shares


def fleet(bus: Bus, hands: Hands, *owners: str) -> list[Ownership]:
    return [Ownership(home(bus, owner, hands.clock, lease_s=6.0), TASK) for owner in owners]


async def settle(hands: Hands, members: list[Ownership]) -> int:
    """Rounds of every member until nothing changes; how many partitions were given up on the way."""
    moved, quiet, begun = 0, 0, hands.now_s
    while quiet < 3:
        assert hands.now_s - begun < 100, "they never agree"
        changed = 0
        for member in members:
            changes = await member.refresh()
            for partition in changes.surplus:
                await member.release(partition)
            moved += len(changes.surplus) + len(changes.lost)
            changed += len(changes.surplus) + len(changes.lost) + len(changes.gained)
        quiet = 0 if changed else quiet + 1
        hands.now_s += 0.5
    return moved


async def test_joining_moves_only_what_has_to_move() -> None:
    bus, hands = MemoryBus(12), Hands()
    members: list[Ownership] = []
    for count, moves in ((1, 0), (2, 6), (3, 4), (4, 3)):
        members += fleet(bus, hands, f"member {count}")
        assert await settle(hands, members) == moves
        assert [len(member.held) for member in members] == [12 // count] * count


async def test_leaving_moves_nothing_of_the_others() -> None:
    bus, hands = MemoryBus(12), Hands()
    members = fleet(bus, hands, "a", "b", "c", "d")
    await settle(hands, members)
    before = [set(member.held) for member in members[1:]]
    await members[0].leave()
    assert await settle(hands, members[1:]) == 0
    assert all(old <= set(member.held) for old, member in zip(before, members[1:], strict=True))
    assert [len(member.held) for member in members[1:]] == [4, 4, 4]


async def test_others_look_twice_a_second_and_see_who_left(bus: Bus) -> None:
    """However long a lease is: with nobody's share changed a look is one request."""
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    await settle(hands, [one, two])
    hands.now_s += 0.5
    await two.refresh()
    before = two.due
    await one.leave()
    hands.now_s += 0.5
    assert (before, two.due) == (False, True)
    assert len((await two.refresh()).gained) == PARTITIONS // 2


async def test_names_of_owners_may_have_spaces(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "host one/1", "host two/2 b")
    await settle(hands, [one, two])
    assert (len(one.held), len(two.held)) == (2, 2)
    token = one.held[next(iter(one.held))]
    assert await bus.renew(next(iter(one.held)), TASK, "host one/1", token)
    while len(two.held) < PARTITIONS and hands.now_s < 1100:
        await settle(hands, [two])
    assert len(two.held) == PARTITIONS, "the silent member was taken for dead"


async def test_member_that_is_long_dead_is_forgotten(bus: Bus) -> None:
    hands = Hands()
    one, two = fleet(bus, hands, "one", "two")
    await settle(hands, [one, two])
    for _ in range(21 * 3 + 1):
        await two.refresh()
        hands.now_s += 2
    assert await bus.members(TASK, "two", 10**6) == {"two": str(10**6)}
    await one.refresh()
    assert set(await bus.members(TASK, "two", 10**6 + 1)) == {"one", "two"}, "it wakes up, and is a member again"


async def test_long_step_gives_signs_of_life() -> None:
    """While the work takes longer than a lease, the lease is kept."""
    bus: Any = MemoryBus(2)
    surroundings = home(bus, "one", lease_s=0.3)
    mine = Ownership(surroundings, TASK)
    await mine.refresh()
    async with anyio.create_task_group() as group:
        group.start_soon(mine.keep)
        signs: set[str] = set()
        with anyio.fail_after(40):
            while len(signs) < 4:
                signs.add(await bus.sign(0, TASK))
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
