"""Tasks that have something to read and do not move."""

from agents.health.work import Movement
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from contracts.events import ReadingsAccepted
from contracts.frames import encode
from contracts.instants import SECOND
from tests.unit.health.test_monitor import readings

TASKS = ("anomaly<readings.accepted", "drift<readings.accepted")


async def look(movement: Movement, bus: MemoryBus, at_s: float) -> tuple[str, str]:
    positions = [await bus.positions(number) for number in range(bus.partitions)]
    health = await movement.look(bus, positions, TASKS, int(at_s * SECOND))
    return health.state, health.found


async def read(bus: MemoryBus, task: str, before: str, position: str) -> None:
    await bus.commit(Commit(0, task, 1, before, position))


async def test_a_task_is_told_after_a_minute_without_a_move() -> None:
    """Each step forward begins the minute anew; who has read everything may rest for ever."""
    bus, movement = MemoryBus(1), Movement()
    await bus.append(Place(ReadingsAccepted.stream, 0), list(encode([ReadingsAccepted(readings(0, 1, 2))], "v")))
    await read(bus, TASKS[1], "", "3")
    assert (await look(movement, bus, 0))[0] == "ok"
    assert (await look(movement, bus, 59))[0] == "ok"
    await read(bus, TASKS[0], "", "1")
    assert (await look(movement, bus, 61))[0] == "ok"
    assert (await look(movement, bus, 120))[0] == "ok"
    assert await look(movement, bus, 121) == ("warning", f"stands still: {TASKS[0]} is 2 events behind")
    await read(bus, TASKS[0], "1", "3")
    assert (await look(movement, bus, 122))[0] == "ok"
    assert (await look(movement, bus, 9_999))[0] == "ok"


async def test_a_task_that_never_began_is_told_too() -> None:
    bus, movement = MemoryBus(2), Movement()
    await bus.append(Place(ReadingsAccepted.stream, 1), list(encode([ReadingsAccepted(readings(0))], "v")))
    await look(movement, bus, 0)
    state, found = await look(movement, bus, 60)
    assert (state, "drift<readings.accepted is 1 events behind" in found) == ("warning", True)
