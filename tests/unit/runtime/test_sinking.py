"""Sinks: every event until it was delivered or buried, one receipt each, and no event waits for another."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import PrivateAttr

from agents.parts import Sink
from agents.runtime.home import Home
from agents.runtime.sinks.following import Following
from agents.runtime.sinks.sinking import SinkRunner
from agents.runtime.sinks.unpacking import Unpacker
from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from contracts.events import DeadLettered, LogGap, NotificationDue, NotificationFailed, NotificationSent, Redriven
from contracts.frames import Frame, decode, encode
from tests.unit.runtime.counting import Fragile, Hands, home, of_type

STREAM = NotificationDue.stream
PLACE = Place(STREAM, 0)


class Pager(Sink[NotificationDue]):
    """Remembers whom it called; raises where a test wants it to."""

    _calls: list[str] = PrivateAttr(default_factory=list)
    _fails: Callable[[str, int], bool] | None = PrivateAttr(default=None)

    async def deliver(self, event: NotificationDue) -> None:
        self._calls.append(event.subject)
        if self._fails and self._fails(event.subject, self._calls.count(event.subject)):
            raise OSError(f"nobody answers for {event.subject}")


def due(subject: str) -> NotificationDue:
    return NotificationDue.of(
        cause=f"finding {subject}", time=1, asset="a", channel="c", subject=subject, body="", severity="warning",
        finding="f", key=f"key {subject}",
    )  # fmt: skip


def pager(fails: Callable[[str, int], bool] | None = None) -> Pager:
    made = Pager()
    made._fails = fails
    return made


async def posted(bus: Bus, *subjects: str, together: bool = False) -> None:
    events = [due(subject) for subject in subjects]
    groups = [events] if together else [[event] for event in events]
    for group in groups:
        await bus.append(PLACE, list(encode(group, "notification")))


async def until(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(60):
        while not await condition():  # noqa: ASYNC110 - what is waited for is in the log
            await anyio.sleep(0.005)


async def delivered(surroundings: Home, sink: Pager, name: str = "pager") -> SinkRunner:
    """Run the sink until everything is settled."""
    runner = SinkRunner(surroundings, name, sink, [STREAM])
    bus = surroundings.bus

    async def all_settled() -> bool:
        return (await bus.settled(name, [PLACE])) == (await bus.ends([PLACE]))

    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(all_settled)
        surroundings.stop.set()
    return runner


async def test_each_event_is_delivered_once_with_one_receipt() -> None:
    bus, sink = MemoryBus(1), pager()
    await posted(bus, "a", "b")
    await posted(bus, "c", "d", together=True)
    runner = await delivered(home(bus), sink)
    assert sink._calls == ["a", "b", "c", "d"]
    receipts = await of_type(bus, NotificationSent)
    assert [(receipt.key, receipt.cause, receipt.attempt, receipt.subscriber) for receipt in receipts] == [
        (f"key {subject}", due(subject).id, 1, "pager") for subject in "abcd"
    ]
    assert runner.delivered == 4


async def test_what_others_settled_and_the_archive_took_is_not_missing(tmp_path: Path) -> None:
    """A member that slept, or only got nothing for a while, finds a hole that is none."""
    bus, archive = MemoryBus(1), Archive(tmp_path)
    surroundings = replace(home(bus), history=History(archive, bus))
    following = Following(surroundings, "pager", [PLACE])
    unpacker = Unpacker(surroundings, "pager", pager(), following)
    await following.begin()
    await posted(bus, *map(str, range(100)))
    await bus.subscribe("pager", [PLACE])
    for delivery in await bus.fetch("pager", "two", [PLACE], count=90):
        await bus.settle("pager", PLACE, delivery.entry)
    for first, last in ((1, 70), (73, 100)):
        await archive.add(PLACE, await bus.range(PLACE, first, last, count=100))
    del bus._streams[PLACE][:99]
    (newest,) = await bus.range(PLACE, 100, 100, count=1)
    await unpacker.look_back(PLACE, newest)
    assert [(gap.first, gap.last) for gap in await of_type(bus, LogGap)] == [(71, 72)], "nobody has these"
    again = [event.position for event in await of_type(bus, Redriven, STREAM)]
    assert again == list(range(91, 100)), "nobody was given these"


async def test_failed_delivery_is_tried_again_and_settled_with_one_receipt() -> None:
    bus, sink = MemoryBus(1), pager(lambda subject, tries: tries < 3)
    await posted(bus, "a")
    await delivered(home(bus), sink)
    assert sink._calls == ["a"] * 3
    (receipt,) = await of_type(bus, NotificationSent)
    assert receipt.attempt == 3
    assert await of_type(bus, DeadLettered) == []


async def test_event_is_buried_after_its_tries_and_said_to_have_failed() -> None:
    bus, sink = MemoryBus(1), pager(lambda subject, tries: subject == "bad")
    await posted(bus, "bad", "good")
    await delivered(home(bus, tries=4), sink)
    assert (sink._calls.count("bad"), sink._calls.count("good")) == (4, 1)
    (failed,) = await of_type(bus, NotificationFailed)
    assert (failed.key, failed.attempt, failed.error) == ("key bad", 4, "OSError: nobody answers for bad")
    (letter,) = await of_type(bus, DeadLettered)
    assert (letter.origin, letter.tries, letter.agent) == (STREAM, 4, "pager")
    fields = {key.encode(): b64decode(value) for key, value in letter.frame.items()}
    assert decode(Frame.parse(fields, 1)) == [due("bad")]
    assert [receipt.key for receipt in await of_type(bus, NotificationSent)] == ["key good"]


async def test_events_of_one_entry_fail_for_themselves() -> None:
    bus, sink = MemoryBus(1), pager(lambda subject, tries: subject.startswith("bad"))
    await posted(bus, "bad 1", "good 1", "bad 2", "good 2", together=True)
    await delivered(home(bus, tries=3, clock=None), sink)
    assert [sink._calls.count(subject) for subject in ("bad 1", "good 1", "bad 2", "good 2")] == [3, 1, 3, 1]
    assert [receipt.key for receipt in await of_type(bus, NotificationSent)] == ["key good 1", "key good 2"]
    assert sorted(failed.key for failed in await of_type(bus, NotificationFailed)) == ["key bad 1", "key bad 2"]


async def test_two_dead_letters_of_one_entry_and_moment_have_ids_of_their_own() -> None:
    bus, sink = MemoryBus(1), pager(lambda subject, tries: True)
    await posted(bus, "a", "b", together=True)
    await delivered(home(bus, tries=1, clock=Hands().clock), sink)
    letters = await of_type(bus, DeadLettered)
    assert len({letter.id for letter in letters}) == 2


async def test_event_that_waits_for_its_next_try_holds_up_no_other() -> None:
    bus, sink = MemoryBus(1), pager(lambda subject, tries: subject == "slow")
    surroundings = home(bus, backoff_s=60.0, backoff_max_s=60.0)
    await posted(bus, "slow", *"abcd")
    runner = SinkRunner(surroundings, "pager", sink, [STREAM])

    async def others_are_through() -> bool:
        return len(await of_type(bus, NotificationSent)) == 4

    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(others_are_through)
        surroundings.stop.set()
    assert sink._calls.count("slow") == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_receipt_that_could_not_be_stored_does_not_deliver_again(when: str) -> None:
    inner = MemoryBus(1)
    bus = Fragile(inner, lambda verb, number: when if (verb, number) == ("settle", 1) else "")
    sink = pager()
    await posted(inner, "a")
    runner = await delivered(home(bus), sink)
    assert bus.calls["settle"] == 2
    assert sink._calls == ["a"], "the same life knows that it delivered"
    assert not runner._open
    assert len(await of_type(inner, NotificationSent)) == 1


async def test_entry_of_a_dead_member_is_taken_over_with_its_tries() -> None:
    bus = MemoryBus(1)
    await posted(bus, "a")
    await bus.subscribe("pager", [PLACE])
    await bus.fetch("pager", "dead", [PLACE], count=10)
    await anyio.sleep(0.4)
    sink = pager()
    await delivered(home(bus, "two", lease_s=0.11), sink)
    (receipt,) = await of_type(bus, NotificationSent)
    assert (sink._calls, receipt.attempt) == (["a"], 2)


async def test_entry_of_an_earlier_life_is_delivered_before_news() -> None:
    bus = MemoryBus(1)
    await posted(bus, "old")
    await bus.subscribe("pager", [PLACE])
    await bus.fetch("pager", "one", [PLACE], count=10)
    await posted(bus, "new")
    sink = pager()
    await delivered(home(bus, "one"), sink)
    assert sink._calls == ["old", "new"]


async def test_unreadable_entry_is_buried_and_the_others_flow() -> None:
    bus, sink = MemoryBus(1), pager()
    await posted(bus, "a")
    (frame,) = encode([due("b")], "w")
    from dataclasses import replace

    await bus.append(PLACE, [replace(frame, writer="other")])
    await posted(bus, "c")
    await delivered(home(bus), sink)
    assert sink._calls == ["a", "c"]
    (letter,) = await of_type(bus, DeadLettered)
    assert ("CorruptEvent" in letter.reason, letter.position) == (True, 2)
