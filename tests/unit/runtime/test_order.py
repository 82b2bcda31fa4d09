"""Sinks whose order counts: per destination that of the log, whatever fails, and one member at a time."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
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
from contracts.errors import Unavailable
from contracts.events import DeadLettered, DeliveryAttempted, NotificationDue, NotificationFailed, NotificationSent
from contracts.frames import encode
from tests.integration.delivery.messages import due
from tests.unit.runtime.counting import Fragile, home, of_type
from tests.unit.runtime.test_sinking import PLACE, STREAM


class Post(Sink[NotificationDue]):
    """Carries messages; fails where a test wants it to."""

    concurrency: ClassVar[int] = 8
    ordered: ClassVar[bool] = True
    _fails: Callable[[NotificationDue], bool] | None = PrivateAttr(default=None)
    _slow_s: float = PrivateAttr(default=0.0)
    _took: defaultdict[str, list[str]] = PrivateAttr(default_factory=lambda: defaultdict[str, list[str]](list))

    def destination(self, event: NotificationDue) -> str:
        return event.subscriber

    async def deliver(self, event: NotificationDue) -> str:
        await anyio.sleep(self._slow_s)
        if self._fails is not None and self._fails(event):
            raise OSError("not now")
        self._took[event.subscriber].append(event.key)
        return "200"


def post(fails: Callable[[NotificationDue], bool] | None = None, slow_s: float = 0.0) -> Post:
    made = Post()
    made._fails, made._slow_s = fails, slow_s
    return made


def randomly(share: float, seed: int) -> Callable[[NotificationDue], bool]:
    random = Random(seed)
    return lambda event: random.random() < share


async def posted(bus: MemoryBus, *messages: NotificationDue) -> None:
    await bus.append(PLACE, list(encode(list(messages), "notification")))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it, also where other work takes most of the machine."""
    with anyio.fail_after(60):
        while not await condition():  # noqa: ASYNC110 - what is waited for is in the log
            await anyio.sleep(0.005)


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


@pytest.mark.parametrize("seed", range(3))
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


async def test_what_is_fetched_while_a_destination_fails_again_stays_behind_what_was_left() -> None:
    """In hand is less than what may be, on the server is older than what comes now."""
    closed, count = True, 3 * MOST_JAMMED
    bus, sink = MemoryBus(1), post(lambda event: closed and event.subscriber == "a")
    surroundings = home(bus, tries=100_000)

    def took(name: str, least: int) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return len(sink._took[name]) >= least

        return check

    async with anyio.create_task_group() as group:
        await posted(bus, *(due(name, number) for number in range(count) for name in ("a", "b")))
        group.start_soon(SinkRunner(surroundings, "post", sink, [STREAM]).run)
        await until(took("b", count))
        closed = False
        await until(took("a", MOST_JAMMED // 4))
        closed = True
        await posted(bus, *(due(name, number) for number in range(count, count + 50) for name in ("a", "b")))
        await until(took("b", count + 50))
        closed = False
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
    sinks = [post(randomly(0.3, seed), slow_s=0.002) for seed in (1, 2)]
    homes = [home(bus, tries=1_000, owner=owner) for owner in ("one", "two")]
    took = sinks[0]._took = sinks[1]._took
    await posted(bus, *(due("a", number) for number in range(count)))
    async with anyio.create_task_group() as group:
        runners = [SinkRunner(*member, [STREAM]) for member in zip(homes, ["post"] * 2, sinks, strict=True)]
        for runner in runners:
            group.start_soon(runner.run)

        async def half() -> bool:
            return len(took["a"]) >= count // 2

        await until(half)
        working = [number for number, runner in enumerate(runners) if runner.delivered]
        assert len(working) == 1, "the other one waits for its turn"
        homes[working[0]].stop.set()
        await until(lambda: settled(bus))
        for surroundings in homes:
            surroundings.stop.set()
    assert took["a"] == expected("a", count=count)["a"]
    assert runners[1 - working[0]].delivered, "it went on"


class Forgetful(MemoryBus):
    """A bus that takes signs of life no more when a test says so."""

    deaf = False

    async def members(self, task: str, owner: str, beat: int | None) -> dict[str, str]:
        if self.deaf:
            raise Unavailable("no answer")
        return await super().members(task, owner, beat)


async def test_who_cannot_give_signs_of_life_begins_nothing_after_a_while() -> None:
    """Somebody else may have the turn by then. What was begun comes to its end."""
    bus, sink, count = Forgetful(1), post(slow_s=0.01), 60
    await posted(bus, *(due("a", number) for number in range(count)))
    surroundings = home(bus, lease_s=0.3)
    runner = SinkRunner(surroundings, "post", sink, [STREAM])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)

        async def begun() -> bool:
            return len(sink._took["a"]) >= 3

        async def unsure() -> bool:
            return runner._turn is not None and not runner._turn.sure

        await until(begun)
        bus.deaf = True
        await until(unsure)
        took = len(sink._took["a"])
        await anyio.sleep(0.3)  # that nothing happens takes time to see
        assert len(sink._took["a"]) <= took + 1 < count
        bus.deaf = False
        await until(lambda: settled(bus))
        surroundings.stop.set()
    assert sink._took["a"] == expected("a", count=count)["a"]


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


async def test_a_try_that_could_not_be_told_is_told_with_the_receipt() -> None:
    bus, tries = MemoryBus(1), Counter[str]()

    def once(event: NotificationDue) -> bool:
        tries[event.key] += 1
        return tries[event.key] == 1

    fragile = Fragile(bus, lambda verb, number: "before" if verb == "append" else "")
    await posted(bus, due("a"))
    await run(bus, (home(fragile), post(once)))
    assert fragile.calls["append"] == 1
    assert [each.attempt for each in await of_type(bus, DeliveryAttempted)] == [1]
    assert [each.attempt for each in await of_type(bus, NotificationSent)] == [2]
