"""Sinks whose order counts: per destination that of the log, whatever fails, and one member at a time."""

from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import ClassVar

import anyio
import pytest
from pydantic import PrivateAttr

from agents.parts import Sink
from agents.runtime.home import Home
from agents.runtime.sinks.dispatching import MOST_JAMMED
from agents.runtime.sinks.sinking import SinkRunner
from bus.memory import MemoryBus
from contracts.events import DeadLettered, DeliveryAttempted, NotificationDue, NotificationFailed, NotificationSent
from contracts.frames import encode
from tests.integration.delivery.messages import due
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_sinking import PLACE, STREAM, until


class Post(Sink[NotificationDue]):
    """Carries messages; fails where a test wants it to."""

    concurrency: ClassVar[int] = 8
    ordered: ClassVar[bool] = True
    _fails: Callable[[NotificationDue], bool] = PrivateAttr(default=lambda event: False)
    _slow_s: float = PrivateAttr(default=0.0)
    _took: dict[str, list[str]] = PrivateAttr(default_factory=lambda: defaultdict(list))

    def destination(self, event: NotificationDue) -> str:
        return event.subscriber

    async def deliver(self, event: NotificationDue) -> str:
        await anyio.sleep(self._slow_s)
        if self._fails(event):
            raise OSError("not now")
        self._took[event.subscriber].append(event.key)
        return "200"


def post(fails: Callable[[NotificationDue], bool] | None = None, slow_s: float = 0.0) -> Post:
    made = Post()
    made._slow_s = slow_s
    if fails is not None:
        made._fails = fails
    return made


def randomly(share: float, seed: int) -> Callable[[NotificationDue], bool]:
    random = Random(seed)
    return lambda event: random.random() < share


async def posted(bus: MemoryBus, *messages: NotificationDue) -> None:
    await bus.append(PLACE, list(encode(messages, "notification")))


async def settled(bus: MemoryBus) -> bool:
    return (await bus.settled("post", [PLACE])) == (await bus.ends([PLACE]))


async def run(bus: MemoryBus, *members: tuple[Home, Post]) -> None:
    """Run members until everything is settled."""
    async with anyio.create_task_group() as group:
        for surroundings, sink in members:
            group.start_soon(SinkRunner(surroundings, "post", sink, [STREAM]).run)
        await until(lambda: settled(bus))
        for surroundings, _ in members:
            surroundings.stop.set()


def expected(*names: str, count: int) -> dict[str, list[str]]:
    return {name: [f"{name}-{number}" for number in range(count)] for name in names}


def test_messages_with_a_subscriber_have_entries_of_their_own() -> None:
    """Else one subscriber that cannot be reached would keep the messages of others unsettled."""
    frames = list(encode([due("a"), due("b"), due("a", 1)], "notification"))
    assert [frame.count for frame in frames] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
async def test_retries_are_not_overtaken(seed: int) -> None:
    bus, sink = MemoryBus(1), post(randomly(0.5, seed))
    await posted(bus, *(due(name, number) for number in range(20) for name in ("a", "b", "c")))
    await run(bus, (home(bus, tries=1_000), sink))
    assert sink._took == expected("a", "b", "c", count=20)


async def test_order_is_kept_where_more_waits_than_is_held_in_memory() -> None:
    """What is left on the server for want of room comes before what is fetched later."""
    closed, count = True, 3 * MOST_JAMMED
    bus, sink = MemoryBus(1), post(lambda event: closed and event.subscriber == "a")
    surroundings = home(bus, tries=100_000)
    await posted(bus, *(due(name, number) for number in range(count) for name in ("a", "b")))
    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(surroundings, "post", sink, [STREAM]).run)

        async def others_are_done() -> bool:
            return len(sink._took["b"]) == count

        await until(others_are_done)
        assert not sink._took["a"]
        closed = False
        await posted(bus, *(due("a", number) for number in range(count, count + 50)))
        await until(lambda: settled(bus))
        surroundings.stop.set()
    assert sink._took["a"] == expected("a", count=count + 50)["a"]


async def test_what_was_given_up_no_longer_holds_up_the_others() -> None:
    bus, sink = MemoryBus(1), post(lambda event: event.key == "a-0")
    await posted(bus, due("a", 0), due("a", 1))
    await run(bus, (home(bus, tries=3), sink))
    assert sink._took["a"] == ["a-1"]
    assert [letter.tries for letter in await of_type(bus, DeadLettered)] == [3]


async def test_one_member_works_at_a_time_and_another_goes_on_in_order() -> None:
    bus, count = MemoryBus(1), 40
    first, second = post(randomly(0.3, 1), slow_s=0.002), post(randomly(0.3, 2), slow_s=0.002)
    one, two = home(bus, tries=1_000, owner="one"), home(bus, tries=1_000, owner="two")
    await posted(bus, *(due("a", number) for number in range(count)))
    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(one, "post", first, [STREAM]).run)

        async def half() -> bool:
            return len(first._took["a"]) >= count // 2

        await until(half)
        group.start_soon(SinkRunner(two, "post", second, [STREAM]).run)
        one.stop.set()
        await until(lambda: settled(bus))
        two.stop.set()
    assert first._took["a"] + second._took["a"] == expected("a", count=count)["a"]
    assert second._took["a"], "it went on"


# ---------------------------------------------------------------- what the log is told


async def test_each_try_is_told_with_what_became_of_it() -> None:
    tries: Counter[str] = Counter()

    def twice(event: NotificationDue) -> bool:
        tries[event.key] += 1
        return event.subscriber == "a" and tries[event.key] <= 2

    bus = MemoryBus(1)
    await posted(bus, due("a"), due("b"))
    await run(bus, (home(bus), post(twice)))
    failed = await of_type(bus, DeliveryAttempted)
    assert [(each.subscriber, each.key, each.attempt, each.error) for each in failed] == [
        ("a", "a-0", 1, "OSError: not now"),
        ("a", "a-0", 2, "OSError: not now"),
    ]
    assert len({each.id for each in failed}) == 2
    sent = {each.subscriber: each for each in await of_type(bus, NotificationSent)}
    assert (sent["a"].attempt, sent["b"].attempt, sent["b"].answer) == (3, 1, "200")


async def test_the_last_try_is_told_before_the_end_of_all_tries() -> None:
    bus = MemoryBus(1)
    await posted(bus, due("a"))
    await run(bus, (home(bus, tries=2), post(lambda event: True)))
    assert [(each.attempt, each.retry_s > 0) for each in await of_type(bus, DeliveryAttempted)] == [
        (1, True),
        (2, False),
    ]
    (end,) = await of_type(bus, NotificationFailed)
    assert (end.subscriber, end.attempt) == ("a", 2)
