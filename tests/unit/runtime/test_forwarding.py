"""Forwarders: streams of all partitions come into one, each event once, whatever fails between two commits."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio
import pytest

from agents.parts import Forwarder
from agents.runtime.forwarding import ForwarderRunner
from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from contracts.events import AlertAcknowledged, DataQualityIncident
from contracts.frames import encode
from contracts.identity import home_of
from tests.unit.runtime.counting import Fragile, events, home

STREAM = DataQualityIncident.stream
THERE = AlertAcknowledged.stream
PARTITIONS = 4
TASK = f"gather<{STREAM}"


class Gather(Forwarder[DataQualityIncident, AlertAcknowledged]):
    """Copies the number of each incident."""

    def forward(self, events: Sequence[DataQualityIncident], origin: str, now_ns: int) -> Sequence[AlertAcknowledged]:
        return [
            AlertAcknowledged.of(cause=event.id, time=event.time, asset=event.asset, alert=event.asset, by=origin)
            for event in events
            if event.state == "open"
        ]


async def grow(bus: Bus, begin: int, end: int) -> None:
    for number in range(begin, end):
        for partition in range(PARTITIONS):
            event = DataQualityIncident.of(
                cause=f"{partition}/{number}", time=number, asset=f"a{partition}", kind="gap",
                state="closed" if number % 3 == 2 else "open", detail="", since=0,
            )  # fmt: skip
            await bus.append(Place(STREAM, partition), list(encode([event], "w")))


async def forward(bus: Bus, owner: str, until: int) -> None:
    """Run until everything up to ``until`` was read, or the runner raises."""
    surroundings = home(bus, owner)
    runner = ForwarderRunner(surroundings, "gather", Gather(), STREAM)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        with anyio.fail_after(60):
            for partition in range(PARTITIONS):
                while int(await bus.position(partition, TASK) or 0) < until:  # noqa: ASYNC110 - it is in the log
                    await anyio.sleep(0.005)
        surroundings.stop.set()


async def copied(bus: Bus) -> dict[str, list[int]]:
    """Asset -> what came of it, in its order; everything stands in the home partition."""
    elsewhere = [number for number in range(PARTITIONS) if number != home_of(THERE, PARTITIONS)]
    assert not [event for number in elsewhere for event in await events(bus, THERE, number)]
    out: dict[str, list[int]] = {}
    for event in await events(bus, THERE, home_of(THERE, PARTITIONS)):
        assert isinstance(event, AlertAcknowledged)
        out.setdefault(event.asset, []).append(event.time)
    return out


def wanted(upto: int) -> dict[str, list[int]]:
    return {f"a{partition}": [n for n in range(upto) if n % 3 != 2] for partition in range(PARTITIONS)}


async def test_all_partitions_come_into_one_in_their_order() -> None:
    bus = MemoryBus(PARTITIONS)
    await grow(bus, 0, 20)
    await forward(bus, "one", 20)
    assert await copied(bus) == wanted(20)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3, 8])
async def test_a_commit_that_fails_neither_loses_nor_doubles(nth: int, when: str) -> None:
    bus = MemoryBus(PARTITIONS)
    await grow(bus, 0, 9)
    fragile = Fragile(bus, lambda verb, number: when if verb == "commit" and number == nth else "")
    await _stubborn(fragile, 9)
    # What came meanwhile makes the next batch another one than that whose fate nobody knew.
    await grow(bus, 9, 15)
    await forward(bus, "two", 15)
    assert await copied(bus) == wanted(15)


async def _stubborn(fragile: Fragile, until: int) -> None:
    """As a supervisor does: a runner that raises is started again."""
    for _ in range(3):
        with suppress(ExceptionGroup):
            await forward(fragile, "one", until)
            return
    raise AssertionError("three lives were not enough")


@pytest.mark.parametrize("nth", [1, 2, 3, 8])
async def test_a_process_that_dies_between_two_commits_neither_loses_nor_doubles(nth: int) -> None:
    bus = MemoryBus(PARTITIONS)
    await grow(bus, 0, 9)
    with suppress(ExceptionGroup), anyio.CancelScope() as scope:
        await forward(Fragile(bus, _death(scope, nth)), "one", 9)
    assert scope.cancel_called
    await grow(bus, 9, 15)
    await forward(bus, "one", 15)
    assert await copied(bus) == wanted(15)


def _death(scope: anyio.CancelScope, nth: int) -> Callable[[str, int], str]:
    """The commit is applied, and the process does nothing any more."""

    def fails(verb: str, number: int) -> str:
        if verb != "commit" or number != nth:
            return ""
        scope.cancel()
        return "after"

    return fails
