"""The state machine on every implementation of the bus; long histories in the soak test."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bus import keys
from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from bus.redis.bus import RedisBus
from tests.conftest import PARTITIONS, Servers, emptied
from tests.integration.bus.machine import BusMachine
from tests.integration.bus.model import GROUP
from tests.servers import KINDS

Making = Callable[[], Awaitable[Bus]]
BUSES = ["memory", *sorted(KINDS, reverse=True)]


def making(kind: str, servers: Servers) -> Making:
    """What makes an empty bus of a kind."""

    async def memory() -> Bus:
        return MemoryBus(PARTITIONS)

    async def redis() -> Bus:
        return await emptied(servers.get(kind))

    return memory if kind == "memory" else redis


async def destroy_group(bus: Bus, place: Place) -> None:
    """As any client of the server can."""
    assert isinstance(bus, RedisBus)
    await bus._server.call("XGROUP", "DESTROY", keys.stream(place), GROUP)


def play(kind: str, servers: Servers, examples: int, steps: int, *, derandomize: bool) -> None:
    given: dict[str, Any] = {"make": staticmethod(making(kind, servers))}
    if kind != "memory":
        given["destroy_group"] = staticmethod(destroy_group)
    machine = type("Machine", (BusMachine,), given)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", BUSES)
def test_no_history_surprises_the_model(kind: str, servers: Servers) -> None:
    play(kind, servers, examples=120 if kind == "memory" else 30, steps=60, derandomize=True)


@pytest.mark.soak
@pytest.mark.parametrize("kind", BUSES)
def test_no_long_history_surprises_the_model(kind: str, servers: Servers) -> None:
    play(kind, servers, examples=3000 if kind == "memory" else 500, steps=150, derandomize=False)
