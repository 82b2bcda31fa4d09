"""The supervisor: one runner's failure is its own, and a stop drains."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from agents.runtime.home import Home
from agents.supervisor import Runner, Supervisor
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import AgentFailed, DataQualityIncident, ReadingsAcquired
from tests.unit.runtime.counting import INPUT, Counter, Fragile, Hands, Shelf, caught_up, finished, home, of_type, story

TASK = f"counter<{INPUT}"


def pipeline(surroundings: Home, *parts: Placed, live: bool = True) -> Supervisor:
    placed = parts or (Placed("acquisition", "plant", Shelf()), Placed("counter", "counter", Counter()))
    topology = Topology(placed)
    return Supervisor(surroundings, topology, placed, live)


class Scripted(Supervisor):
    """A supervisor whose runners a test brings along."""

    script: dict[str, Runner]

    def runners(self) -> dict[str, Runner]:
        return self.script


class Failing:
    """Raises at its first lives, as a test says, and then works until everything stops."""

    def __init__(self, surroundings: Home, *errors: Exception) -> None:
        self.home, self.errors, self.begun = surroundings, list(errors), list[float]()

    async def run(self) -> None:
        self.begun.append(anyio.current_time())
        if self.errors:
            raise self.errors.pop(0)
        await self.home.stop.wait()


def scripted(surroundings: Home, **runners: Runner) -> Scripted:
    made = Scripted(surroundings, Topology([]), [])
    made.script = runners
    return made


async def until(condition: Any) -> None:
    with anyio.fail_after(40):
        while not condition():  # noqa: ASYNC110 - what is waited for is a plain value
            await anyio.sleep(0.005)


async def test_runner_that_raises_is_started_again_after_growing_pauses_and_others_go_on() -> None:
    bus = MemoryBus(1)
    surroundings = home(bus, backoff_s=0.04, backoff_max_s=10.0)
    bad = Failing(surroundings, *(ValueError(f"no {number}") for number in range(4)))
    good = Failing(surroundings)
    async with anyio.create_task_group() as group:
        group.start_soon(scripted(surroundings, bad=bad, good=good).run)
        await until(lambda: len(bad.begun) == 5)
        surroundings.stop.set()
    assert len(good.begun) == 1
    pauses = [later - earlier for earlier, later in zip(bad.begun, bad.begun[1:], strict=False)]
    for number, pause in enumerate(pauses):
        assert pause >= 0.04 * 2**number / 2 * 0.95, f"pause {number} doubles, with jitter"
    failures = await of_type(bus, AgentFailed)
    assert [event.error for event in failures] == [f"ValueError: no {number}" for number in range(4)]
    assert {event.agent for event in failures} == {"bad"}


async def test_server_that_is_away_is_waited_for_without_a_failure_event() -> None:
    bus = MemoryBus(1)
    surroundings = home(bus)
    waiting = Failing(surroundings, Unavailable("away"), Unavailable("away"))
    async with anyio.create_task_group() as group:
        group.start_soon(scripted(surroundings, waiting=waiting).run)
        await until(lambda: len(waiting.begun) == 3)
        surroundings.stop.set()
    assert await of_type(bus, AgentFailed) == []


async def test_failure_that_cannot_be_told_to_the_log_still_leads_to_a_new_start() -> None:
    bus = Fragile(MemoryBus(1), lambda verb, number: "before" if verb == "append" else "")
    surroundings = home(bus)
    bad = Failing(surroundings, ValueError("no"))
    async with anyio.create_task_group() as group:
        group.start_soon(scripted(surroundings, bad=bad).run)
        await until(lambda: len(bad.begun) == 2)
        surroundings.stop.set()


async def test_runner_that_was_healthy_for_long_begins_with_a_short_pause_again() -> None:
    hands, bus = Hands(), MemoryBus(1)
    surroundings = home(bus, clock=hands.clock, backoff_s=0.05, backoff_max_s=30.0)

    class Aging(Failing):
        async def run(self) -> None:
            hands.now_s += 100
            await super().run()

    bad = Aging(surroundings, *(ValueError("no") for _ in range(6)))
    async with anyio.create_task_group() as group:
        group.start_soon(scripted(surroundings, bad=bad).run)
        await until(lambda: len(bad.begun) == 7)
        surroundings.stop.set()
    pauses = [later - earlier for earlier, later in zip(bad.begun, bad.begun[1:], strict=False)]
    assert max(pauses) < 0.7, "doubling would have come to 1.6 s"


async def test_stop_ends_a_long_pause() -> None:
    surroundings = home(MemoryBus(1), backoff_s=60.0, backoff_max_s=60.0)
    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(scripted(surroundings, bad=Failing(surroundings, ValueError("no"))).run)
            await anyio.sleep(0.05)
            surroundings.stop.set()


@pytest.mark.parametrize("live", [True, False])
async def test_stop_drains_saves_and_gives_back(live: bool) -> None:
    bus = MemoryBus(2)
    surroundings = home(bus)
    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(pipeline(surroundings, live=live).run)
            while not await finished(bus):  # noqa: ASYNC110 - what is waited for is in the log
                await anyio.sleep(0.01)
            await caught_up(bus, TASK)
            surroundings.stop.set()
    assert len(await of_type(bus, ReadingsAcquired)) == 60
    for partition in range(2):
        assert await bus.sign(partition, TASK) == ""
        (end,) = (await bus.ends([Place(INPUT, partition)])).values()
        saved = [int(snapshot.position) for snapshot in await bus.snapshots(partition, TASK)]
        assert saved == ([end, 0] if end else [0])
    assert await story(bus, "incidents") != []


async def test_sources_of_a_batch_run_come_one_after_the_other() -> None:
    bus = MemoryBus(1)
    surroundings = home(bus)
    placed = [Placed("acquisition", name, Shelf()) for name in ("first", "second")]
    supervisor = pipeline(surroundings, *placed, live=False)
    await supervisor.run()
    assert [runner.finished for runner in supervisor.sources] == [True, True]
    events = await of_type(bus, ReadingsAcquired)
    assert len(events) == 120
    assert [event.source for event in await finished(bus)] == ["first", "second"]


async def test_processor_that_is_broken_for_good_does_not_stop_the_other_parts() -> None:
    class Broken(Counter):
        def start(self) -> Any:
            raise RuntimeError("broken for good")

        def handle(self, event: Any, state: Any) -> Iterator[DataQualityIncident]:
            yield from ()

    bus = MemoryBus(1)
    surroundings = home(bus)
    parts = (
        Placed("acquisition", "plant", Shelf()),
        Placed("broken", "broken", Broken()),
        Placed("counter", "counter", Counter()),
    )
    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(pipeline(surroundings, *parts).run)
            while not await finished(bus):  # noqa: ASYNC110 - what is waited for is in the log
                await anyio.sleep(0.01)
            await caught_up(bus, TASK)
            surroundings.stop.set()
    assert {event.agent for event in await of_type(bus, AgentFailed)} == {f"broken<{INPUT}"}
