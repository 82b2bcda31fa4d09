"""Old entries are trimmed while somebody still needs them. That is a reader that is behind, a state that recovers from
further back, a member that has not finished what it was handed, or a group that has to be made anew.
"""

from collections.abc import Awaitable, Callable

import pytest

from bus import keys
from bus.protocol import Commit, Place, Snapshot
from bus.redis.bus import RedisBus
from tests.integration.bus.frames import STREAM, everything, frame
from tests.seeds.mutants import Mutation, ours, without

PLACE, READER, WRITER = Place(STREAM, 0), f"reader<{STREAM}", "writer<letters"


async def position(bus: RedisBus) -> None:
    await bus.commit(Commit(0, READER, 1, "", "4"))


async def snapshot(bus: RedisBus) -> None:
    await bus.commit(Commit(0, READER, 1, "", "10"))
    await bus.save(0, READER, 1, Snapshot("4", b"state"))


async def older_snapshot(bus: RedisBus) -> None:
    await snapshot(bus)
    await bus.save(0, READER, 1, Snapshot("10", b"state"))


async def outputs(bus: RedisBus) -> None:
    await bus.fence(0, WRITER, 1)
    await bus.save(0, WRITER, 1, Snapshot("1", b"state", {STREAM: 4}))


async def not_delivered(bus: RedisBus) -> None:
    await bus._server.call("XGROUP", "CREATE", keys.stream(PLACE), "sink", "4-2")


async def pending(bus: RedisBus) -> None:
    await not_delivered(bus)
    await bus.fetch("sink", "me", [PLACE], count=99)


async def lost_group(bus: RedisBus) -> None:
    await bus.subscribe("sink", [PLACE])
    first, second = await bus.fetch("sink", "me", [PLACE], count=2)
    for delivery in (first, second):
        await bus.settle("sink", PLACE, delivery.entry)
    await bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), "sink")


#: Whoever needs what follows the fourth event, and the part of the script that asks for it.
NEEDS: dict[str, tuple[Callable[[RedisBus], Awaitable[None]], str]] = {
    "position": (position, "if input == name then needs(task, fields['position:' .. task]) end"),
    "snapshot": (snapshot, "if input == name then needs(task, saved[1]) end"),
    "older snapshot": (older_snapshot, ", ':previous'"),
    "outputs": (outputs, "if whole and type(ends) == 'table' and ends[name] then needs(task, ends[name]) end"),
    "not delivered": (not_delivered, "needs('group ' .. said['name'], unread and before(unread[1]) or last)"),
    "pending": (pending, "if pending then needs('group ' .. said['name'], before(pending[1])) end"),
    "lost group": (
        lost_group,
        "needs('group ' .. group, kind == 'before' and before(id) or string.match(id, '^%d+'))",
    ),
}


async def check(bus: RedisBus, need: Callable[[RedisBus], Awaitable[None]], mutate: Mutation) -> None:
    mutate(bus)
    await bus.append(PLACE, [frame(value, value + 1) for value in range(1, 11, 2)])
    await need(bus)
    await bus.trim(PLACE, 99)
    assert await everything(bus) == [5, 6, 7, 8, 9, 10], "somebody still needed it"


@pytest.mark.parametrize("name", NEEDS)
async def test_what_is_needed_stays_and_the_rest_goes(redis_bus: RedisBus, name: str) -> None:
    await check(redis_bus, NEEDS[name][0], ours)


@pytest.mark.parametrize("name", NEEDS)
async def test_a_script_that_does_not_ask_trims_what_is_needed(redis_bus: RedisBus, name: str) -> None:
    need, question = NEEDS[name]
    with pytest.raises(AssertionError, match="somebody still needed it"):
        await check(redis_bus, need, without("trim", question))
