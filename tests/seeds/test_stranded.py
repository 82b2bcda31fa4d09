"""A consumer is stopped or dies with entries that it was given and did not finish. They stay pending under its name:
after the restart it asks for new ones only, and the other consumers never see them.
"""

from collections.abc import Collection, Sequence

import anyio
import pytest

from agents.runtime.sinks.sinking import SinkRunner
from bus.protocol import Delivery, Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import NotificationDue
from tests.servers import LiveServer
from tests.unit.runtime.counting import home
from tests.unit.runtime.test_sinking import pager, posted

PLACE = Place(NotificationDue.stream, 0)
NOTHING: list[Delivery] = []


class NewOnly(RedisBus):
    """Asks for new entries only."""

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int, after: int = 0) -> list[Delivery]:
        return NOTHING


class Unclaimed(RedisBus):
    """Leaves alone what belongs to others."""

    async def claim(
        self,
        group: str,
        consumer: str,
        place: Place,
        *,
        idle_s: float,
        count: int,
        of: Collection[str] | None = None,
    ) -> list[Delivery]:
        return NOTHING


async def check(server: LiveServer, kind: type[RedisBus], successor: str, limit_s: float) -> None:
    """One is given ``a`` and dies; the successor works for a while."""
    bus, sink = kind(Server(server.url), 1), pager()
    await bus._server.call("FLUSHALL")
    await posted(bus, "a", "b")
    await bus.subscribe("pager", [PLACE])
    assert len(await bus.fetch("pager", "one", [PLACE], count=1)) == 1
    await anyio.sleep(0.4)
    surroundings = home(bus, owner=successor, lease_s=0.11)
    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(surroundings, "pager", sink, [PLACE.stream]).run)
        await settled(bus, 2, limit_s)
        surroundings.stop.set()
    await bus.close()
    assert sorted(sink._calls) == ["a", "b"], f"delivered: {' '.join(sink._calls)}"


async def settled(bus: RedisBus, last: int, limit_s: float) -> None:
    with anyio.move_on_after(limit_s):
        while (await bus.settled("pager", [PLACE]))[PLACE] < last:  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.01)


def lives(*kinds: type[RedisBus]) -> Sequence[tuple[type[RedisBus], str]]:
    return list(zip(kinds, ("one", "two"), strict=True))


@pytest.mark.parametrize(("kind", "successor"), lives(RedisBus, RedisBus))
async def test_next_life_and_other_members_deliver_it(server: LiveServer, kind: type[RedisBus], successor: str) -> None:
    await check(server, kind, successor, 10)


@pytest.mark.parametrize(("kind", "successor"), lives(NewOnly, Unclaimed))
async def test_otherwise_it_is_stranded(server: LiveServer, kind: type[RedisBus], successor: str) -> None:
    with pytest.raises(AssertionError, match="delivered: b"):
        await check(server, kind, successor, 0.5)
