"""Chores: one process of the fleet at a time, and another one when that dies."""

from collections.abc import Sequence

import anyio
import pytest
from pydantic import PrivateAttr

from agents.parts import Chore, Log
from agents.runtime.chores import ChoreRunner
from agents.runtime.home import Home
from bus.memory import MemoryBus
from bus.news import News
from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import Event, HealthChanged
from contracts.identity import home_of
from contracts.settings import BusSettings

QUICK = BusSettings(partitions=4, lease_s=0.5, backoff_s=0.05, backoff_max_s=0.05)


class Counting(Chore):
    """Tells how often it looked; fails at some looks."""

    every_s: float = 0.02
    fails: frozenset[int] = frozenset()
    _looks: int = PrivateAttr(default=0)

    async def tend(self, log: Log) -> Sequence[Event]:
        self._looks += 1
        if self._looks in self.fails:
            raise Unavailable("not now")
        told = {"check": f"look {self._looks}", "state": "ok", "found": ""}
        return [HealthChanged.of(cause="x", time=log.now_ns, asset="c", discriminator=str(log.now_ns), **told)]


async def looks(bus: MemoryBus) -> list[str]:
    return [event.check for event in await News([HealthChanged]).read(bus) if isinstance(event, HealthChanged)]


async def wait_for_looks(bus: MemoryBus, count: int) -> None:
    with anyio.fail_after(40):
        while len(await looks(bus)) < count:  # noqa: ASYNC110 - the log wakes nobody
            await anyio.sleep(0.01)


async def test_what_is_told_stands_in_one_order_and_an_outage_is_waited_for() -> None:
    """In the home partition of its stream, whatever the chore is called."""
    bus, chore = MemoryBus(4), Counting(fails=frozenset({2, 3}))
    home = Home(bus, "one", QUICK)
    async with anyio.create_task_group() as group:
        group.start_soon(ChoreRunner(home, "c", chore).run)
        await wait_for_looks(bus, 3)
        home.stop.set()
    assert (await looks(bus))[:3] == ["look 1", "look 4", "look 5"]
    ends = await bus.ends([Place("health", number) for number in range(4)])
    assert [place.partition for place, end in ends.items() if end] == [home_of("health", 4)]


@pytest.mark.parametrize("dies", [True, False])
async def test_another_process_takes_over(dies: bool) -> None:
    """After a lease when the first one is dead, at once when it leaves in order; never two at a time."""
    bus, chores = MemoryBus(4), [Counting(), Counting()]
    homes = [Home(bus, name, QUICK) for name in ("one", "two")]
    async with anyio.create_task_group() as group:
        first = anyio.CancelScope()

        async def one() -> None:
            with first:
                await ChoreRunner(homes[0], "c", chores[0]).run()

        group.start_soon(one)
        await wait_for_looks(bus, 2)
        group.start_soon(ChoreRunner(homes[1], "c", chores[1]).run)
        await anyio.sleep(0.3)
        assert chores[1]._looks == 0
        if dies:
            # As a kill does: no lease is given back.
            first.cancel()
        else:
            homes[0].stop.set()
        with anyio.fail_after(40):
            while not chores[1]._looks:  # noqa: ASYNC110 - the chore wakes nobody
                await anyio.sleep(0.01)
        homes[1].stop.set()
