"""Dead letters are decided about once: by whoever comes first, whatever gets lost on the way."""

import anyio
import pytest

from agents.letters import Letter, OpenLetters, contents, open_letters, whole
from agents.redriving import TASK, Desk
from agents.state import restore
from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.errors import CorruptEvent, FutureVersion
from contracts.events import (
    DeadLetterDropped,
    DeadLettered,
    DeadLetterRedriven,
    NotificationDue,
    NotificationSent,
    Redriven,
)
from contracts.frames import encode
from tests.conftest import PARTITIONS, Servers, emptied
from tests.seeds.mutants import once
from tests.servers import Fate, proxied
from tests.unit.runtime import counting
from tests.unit.runtime.counting import Counter, feed, home, of_type, plant, process
from tests.unit.runtime.test_sinking import PLACE, STREAM, delivered, due, pager, posted


async def buried(bus: Bus, *subjects: str, sink: str = "pager") -> list[Letter]:
    """Dead letters of a sink that could not deliver anything."""
    await posted(bus, *subjects)
    await delivered(home(bus, tries=1), pager(lambda subject, tries: subject in subjects), sink)
    return list(await open_letters(bus))


def desk(bus: Bus) -> Desk:
    return Desk(bus, bus, "somebody@here", "mended")


async def test_redriven_letter_is_delivered_by_its_own_sink_alone() -> None:
    bus = MemoryBus(1)
    letters = await buried(bus, "a", "b")
    assert await desk(bus).redrive(letters[0])
    mended, other = pager(), pager()
    await delivered(home(bus), mended)
    await delivered(home(bus, "two"), other, "another")
    assert mended._calls == ["a"]
    assert other._calls == ["a", "b"], "it has never seen them before; what was redriven is not for it"
    assert [letter.about.id for letter in await open_letters(bus)] == [letters[1].about.id]
    (told,) = await of_type(bus, DeadLetterRedriven)
    assert (told.letter, told.by, told.why, told.agent) == (letters[0].about.id, "somebody@here", "mended", "pager")
    receipts = [receipt for receipt in await of_type(bus, NotificationSent) if receipt.subscriber == "pager"]
    assert [receipt.key for receipt in receipts] == ["key a"]


async def test_redriven_letter_that_fails_again_is_a_letter_again() -> None:
    bus = MemoryBus(1)
    (letter,) = await buried(bus, "a")
    await desk(bus).redrive(letter)
    await delivered(home(bus, tries=2), pager(lambda subject, tries: True))
    (again,) = await open_letters(bus)
    assert (again.about.id != letter.about.id, again.about.origin) == (True, STREAM)
    assert contents(await whole(bus, again)) == [due("a")], "the frame itself, not a letter in a letter"
    await desk(bus).redrive(again)
    mended = pager()
    await delivered(home(bus), mended)
    assert mended._calls == ["a"]
    assert len(await open_letters(bus)) == 0


async def test_dropped_letter_is_open_no_more_and_nothing_else_happens() -> None:
    bus = MemoryBus(1)
    (letter,) = await buried(bus, "a")
    before = await bus.ends([PLACE])
    assert await desk(bus).drop(letter)
    assert len(await open_letters(bus)) == 0
    assert [told.letter for told in await of_type(bus, DeadLetterDropped)] == [letter.about.id]
    assert await bus.ends([PLACE]) == before
    assert len(await of_type(bus, DeadLettered)) == 1, "it stays readable"


async def test_letter_is_decided_about_once() -> None:
    bus = MemoryBus(1)
    (letter,) = await buried(bus, "a")
    assert await desk(bus).redrive(letter)
    assert not await desk(bus).redrive(letter)
    assert not await desk(bus).drop(letter)
    assert len(await of_type(bus, Redriven, STREAM)) == 1


async def test_letters_that_come_in_are_seen_without_reading_all_again() -> None:
    bus = MemoryBus(2)
    letters = OpenLetters(bus)
    await letters.refresh()
    assert len(letters) == 0
    found = await buried(bus, "a", "b")
    await letters.refresh()
    assert [letter.about.reason for letter in letters] == [letter.about.reason for letter in found]
    await desk(bus).drop(found[0])
    await letters.refresh()
    assert [letter.ordinal for letter in letters] == [2]


async def test_damaged_frame_is_not_redriven() -> None:
    bus = MemoryBus(1)
    (frame,) = encode([due("a")], "w")
    from dataclasses import replace

    await bus.append(PLACE, [replace(frame, writer="other")])
    await delivered(home(bus), pager())
    (letter,) = await open_letters(bus)
    with pytest.raises(CorruptEvent):
        await desk(bus).redrive(letter)
    assert len(await open_letters(bus)) == 1


async def test_event_of_a_newer_version_is_parked_and_delivered_after_the_upgrade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an old agent beside a new one that writes: the frame is what the new one really wrote."""
    bus = MemoryBus(1)
    with monkeypatch.context() as newer:
        newer.setattr(NotificationDue, "version", NotificationDue.version + 1)
        await bus.append(PLACE, list(encode([due("future")], "notification")))
    await posted(bus, "now")
    old = pager()
    await delivered(home(bus), old)
    assert old._calls == ["now"]
    (letter,) = await open_letters(bus)
    assert "FutureVersion" in letter.about.reason
    with pytest.raises(FutureVersion, match="Upgrade this agent"):
        await desk(bus).redrive(letter)
    monkeypatch.setattr(NotificationDue, "version", NotificationDue.version + 1)
    await desk(bus).redrive(letter)
    upgraded = pager()
    await delivered(home(bus), upgraded)
    assert upgraded._calls == ["future"]
    assert len(await open_letters(bus)) == 0


@pytest.mark.parametrize("fate", [Fate.LOSE_REPLY, Fate.SWALLOW])
async def test_lost_reply_does_not_redrive_twice(servers: Servers, fate: Fate) -> None:
    server = servers.get("valkey")
    near = await emptied(server)
    (letter,) = await buried(near, "a")
    async with proxied(server) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=0.5), PARTITIONS)
        proxy.plan = once(fate, b"DeadLetterRedriven")
        assert await desk(bus).redrive(letter)
        await bus.close()
    assert len(await of_type(near, Redriven, STREAM)) == len(await of_type(near, DeadLetterRedriven)) == 1
    await near.close()


async def test_many_desks_at_once_redrive_each_letter_once(servers: Servers) -> None:
    bus = await emptied(servers.get("valkey"))
    letters = await buried(bus, *"abcdefgh")
    done: list[bool] = []

    async def redrive(name: str) -> None:
        own = Desk(bus, bus, name)
        done.extend([await own.redrive(letter) for letter in letters])

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for name in ("one", "two", "three"):
                group.start_soon(redrive, name)
    assert sum(done) == len(letters)
    assert len(await of_type(bus, Redriven, STREAM)) == len(letters)
    assert (await bus.position(PLACE.partition, TASK)).startswith(f"{len(letters)} DeadLetterRedriven ")
    mended = pager()
    await delivered(home(bus), mended)
    assert sorted(mended._calls) == list("abcdefgh")
    await bus.close()


async def test_redriving_moves_no_task_and_no_group() -> None:
    """The decision's position stands beside the others in the ledger, and is nobody's."""
    bus = MemoryBus(1)
    (letter,) = await buried(bus, "a")
    before = await bus.settled("pager", [PLACE])
    await desk(bus).redrive(letter)
    assert set(await bus.positions(0)) == {TASK}
    assert await bus.settled("pager", [PLACE]) == before
    assert Place(DeadLettered.stream, 0) not in await bus.settled("pager", [PLACE])


async def test_redriven_readings_are_handled_by_the_mended_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(40, poison=(10, 25)), cut=7)
    before = await handled(bus)
    for letter in list(await open_letters(bus)):
        assert await desk(bus).redrive(letter)
    monkeypatch.setattr(counting, "POISON", 1e99)
    assert (before, await handled(bus)) == (38, 40)
    assert len(await open_letters(bus)) == 0


async def handled(bus: MemoryBus) -> int:
    """Run the counter to the end; returns how many readings it has counted in all its lives."""
    runner = await process(home(bus), Counter())
    newest = (await bus.snapshots(0, runner.task))[0]
    return int(restore(Counter().start(), newest.data).total[0])
