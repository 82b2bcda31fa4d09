"""Archiving: what was trimmed is in the archive, whatever fails; what is not archived, or needed, is not trimmed."""

import os
import resource
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from agents.runtime.archive.archiving import ArchiveRunner, task_of
from bus.archive import Archive, Segment
from bus.embedded import EmbeddedServer
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Bus, Commit, Entry, Place, Snapshot
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from bus.scan import scan
from contracts.errors import CorruptEvent, Unavailable
from contracts.events import LogGap, ReadingsAcquired, SegmentArchived
from contracts.frames import encode
from contracts.settings import ArchiveSettings
from tests.integration.bus.frames import STREAM, frame, numbers
from tests.unit.runtime.counting import Fragile, Hands, home, of_type, plant

PLACE = Place(STREAM, 0)
EVENTS = 60


async def fill(bus: Bus, first: int = 1, last: int = EVENTS, place: Place = PLACE) -> None:
    await bus.append(place, [frame(value, value + 1) for value in range(first, last + 1, 2)])


def settings(**changes: Any) -> ArchiveSettings:
    return ArchiveSettings(**{"every_s": 0.02, "segment_events": 10, "keep_events": 20, **changes})


@asynccontextmanager
async def archiving(
    bus: Any, folder: Path, given: ArchiveSettings | None = None, archive: Any = None, owner: str = "one"
) -> AsyncIterator[ArchiveRunner]:
    """An archiver at work; a failure of it is the test's."""
    surroundings = home(bus, owner)
    archive = archive or Archive(folder, bus.identity)
    runner = ArchiveRunner(surroundings, archive, given or settings(), streams=(STREAM, SegmentArchived.stream))
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        try:
            yield runner
        finally:
            surroundings.stop.set()


async def start_of(bus: Bus, place: Place = PLACE) -> int:
    return (await bus.starts([place]))[place]


async def until(condition: Callable[[], Any], limit_s: float = 20) -> None:
    with anyio.fail_after(limit_s):
        while not await condition():  # noqa: ASYNC110 - it comes about in another process
            await anyio.sleep(0.01)


async def at(bus: Bus, start: int) -> None:
    """Wait until the log begins at an ordinal."""

    async def begins() -> bool:
        return await start_of(bus) == start

    await until(begins)


async def whole(bus: Bus, folder: Path, last: int = EVENTS) -> None:
    """Archive and log together hold every event once."""
    found = await History(Archive(folder), bus).range(PLACE, 1, last, count=10**6)
    assert numbers(found) == list(range(1, last + 1))


# ---------------------------------------------------------------- what is archived and trimmed


async def test_what_is_archived_is_trimmed_but_for_what_is_kept(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    async with archiving(bus, tmp_path):
        await at(bus, EVENTS - 20 + 1)
    assert await bus.position(0, task_of(STREAM)) == str(EVENTS)
    await whole(bus, tmp_path)
    told = await of_type(bus, SegmentArchived)
    listed = await Archive(tmp_path).segments(PLACE)
    assert [(event.first, event.last, event.file) for event in told] == [(s.first, s.last, s.file) for s in listed]


async def test_fewer_events_wait_until_they_are_old(tmp_path: Path) -> None:
    bus, hands = MemoryBus(1), Hands()
    await fill(bus, 1, 8)
    runner = ArchiveRunner(home(bus, clock=hands.clock), Archive(tmp_path), settings(), streams=[STREAM])
    runner.positions[PLACE] = 0
    runner._ownership.held[0] = 1
    for waited, expected in ((0.0, 0), (3599.0, 0), (2.0, 8)):
        hands.now_s += waited
        await runner.look()
        assert runner.positions[PLACE] == expected
    assert await start_of(bus) == 1, "they are kept on the server as well"


async def test_when_memory_is_tight_everything_goes_that_may_go(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await fill(bus, 1, 8)
    await bus.commit(Commit(0, f"reader<{STREAM}", 1, "", "6"))
    runner = ArchiveRunner(home(bus), Archive(tmp_path), settings(), streams=[STREAM])
    runner.positions[PLACE] = 0
    runner._ownership.held[0] = 1
    await runner.look(tight=True)
    assert (runner.positions[PLACE], await start_of(bus)) == (8, 7)


async def test_of_its_own_news_the_archive_tells_nothing(tmp_path: Path) -> None:
    bus, place = MemoryBus(1), Place(SegmentArchived.stream, 0)
    await fill(bus, 1, 8, place)
    runner = ArchiveRunner(home(bus), Archive(tmp_path), settings(), streams=[place.stream])
    runner.positions[place] = 0
    runner._ownership.held[0] = 1
    await runner.look(tight=True)
    assert (runner.positions[place], await bus.ends([place])) == (8, {place: 8}), "or it would never be done"


async def test_nothing_that_a_reader_needs_is_trimmed(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    await bus.subscribe("sink", [PLACE])
    (delivery,) = await bus.fetch("sink", "me", [PLACE], count=1)
    await bus.commit(Commit(0, f"reader<{STREAM}", 1, "", "50"))
    await bus.save(0, f"reader<{STREAM}", 1, Snapshot("30", b""))
    async with archiving(bus, tmp_path, settings(keep_events=0)):
        await at(bus, 1)
        for settled in await bus.fetch("sink", "me", [PLACE], count=99):
            await bus.settle("sink", PLACE, settled.entry)
        await bus.settle("sink", PLACE, delivery.entry)
        await at(bus, 31)
        await bus.save(0, f"reader<{STREAM}", 1, Snapshot("40", b""))
        await bus.save(0, f"reader<{STREAM}", 1, Snapshot("50", b""))
        await at(bus, 41)
    await whole(bus, tmp_path)


async def test_a_hole_is_told_and_does_not_stop_the_archive(bus: Bus, tmp_path: Path) -> None:
    await fill(bus, 1, 30)
    await bus.trim(PLACE, 12)
    async with archiving(bus, tmp_path, settings(keep_events=0)):
        await at(bus, 31)
    assert [(s.first, s.last) for s in await Archive(tmp_path).segments(PLACE)] == [(13, 22), (23, 30)]
    assert [(gap.first, gap.last) for gap in await of_type(bus, LogGap)] == [(1, 12)]


async def test_a_hole_in_the_middle_parts_two_files(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await fill(bus, 1, 20)
    del bus._streams[PLACE][2:4]
    async with archiving(bus, tmp_path, settings(keep_events=0)):
        await at(bus, 21)
    found = [(s.first, s.last) for s in await Archive(tmp_path).segments(PLACE)]
    assert found == [(1, 4), (9, 18), (19, 20)]


async def test_two_archivers_share_the_partitions_and_write_nothing_twice(bus: Bus, tmp_path: Path) -> None:
    for number in range(bus.partitions):
        await fill(bus, place=Place(STREAM, number))
    async with archiving(bus, tmp_path), archiving(bus, tmp_path, owner="two"):
        for number in range(bus.partitions):
            await until(partial(_archived, bus, number))
    for number in range(bus.partitions):
        found = await Archive(tmp_path).range(Place(STREAM, number), 1, EVENTS, count=999)
        assert numbers(found) == list(range(1, EVENTS + 1))


async def test_a_file_that_a_former_owner_still_writes_is_met_with_a_second_look(bus: Bus, tmp_path: Path) -> None:
    """It had begun before its lease was given away, and ends behind our back."""
    await fill(bus, 1, 30)
    async with archiving(bus, tmp_path, settings(segment_events=40, most_age_s=1000)) as runner:
        await until(partial(_opened, runner))
        left = await Archive(tmp_path, bus.identity).add(PLACE, await bus.range(PLACE, 1, 20, count=99))
        await fill(bus, 31)
        await until(partial(_archived, bus, 0))
    assert (await Archive(tmp_path).segments(PLACE))[0] == left
    await whole(bus, tmp_path)


async def _opened(runner: ArchiveRunner) -> bool:
    # The second of the two streams: the first one was looked at then.
    return Place(SegmentArchived.stream, 0) in runner.positions


async def _archived(bus: Bus, partition: int) -> bool:
    return await bus.position(partition, task_of(STREAM)) == str(EVENTS)


async def test_a_server_without_memory_left_is_trimmed_all_the_same(bus: Bus, tmp_path: Path) -> None:
    """It refuses signs of life and news; the rest is what only reads, and what makes room."""
    await fill(bus)
    refused: list[str] = []

    def fails(verb: str, number: int) -> str:
        if verb in ("renew", "append"):
            refused.append(verb)
            return "before"
        return ""

    fragile = Fragile(bus, fails)

    async def both() -> bool:
        return {"renew", "append"} <= set(refused)

    async with archiving(fragile, tmp_path, settings(keep_events=0)):
        await until(both)
        await at(bus, EVENTS + 1)
    await whole(bus, tmp_path)


async def test_copies_of_the_state_are_kept(bus: Bus, tmp_path: Path) -> None:
    task, kept = f"reader<{STREAM}", Snapshot("30", b"state", {"letters": 3}, "me")
    await fill(bus)
    await bus.commit(Commit(0, task, 1, "", "30"))
    await bus.save(0, task, 1, kept)
    archive = Archive(tmp_path)
    await archive.keep(0, task, Snapshot("40", b"of a log that lost its end"), most=9)

    async def copied() -> bool:
        return await archive.checkpoints(0, task) == [30]

    async with archiving(bus, tmp_path):
        await until(copied)
    assert await archive.checkpoint(0, task, 30) == kept


# ---------------------------------------------------------------- what is left behind


async def test_what_an_owner_left_behind_counts_if_it_is_what_the_log_holds(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    left = await Archive(tmp_path, bus.identity).add(PLACE, await bus.range(PLACE, 1, 30, count=99))
    async with archiving(bus, tmp_path):
        await at(bus, EVENTS - 20 + 1)
    assert (await Archive(tmp_path).segments(PLACE))[0] == left
    await whole(bus, tmp_path)


async def test_what_belongs_to_a_lost_end_is_dropped(bus: Bus, tmp_path: Path) -> None:
    await fill(bus, 1, 30)
    past = MemoryBus(1)
    await fill(past, 1, 30)
    await past.append(PLACE, [frame(value) for value in range(901, 950)])
    before = Archive(tmp_path, bus.identity)
    await before.add(PLACE, await past.range(PLACE, 1, 20, count=99))
    await before.add(PLACE, await past.range(PLACE, 21, 40, count=99))
    await before.add(PLACE, await past.range(PLACE, 41, 60, count=99))
    await fill(bus, 31)
    async with archiving(bus, tmp_path, settings(keep_events=0)):
        await at(bus, EVENTS + 1)
    await whole(bus, tmp_path)


async def test_what_is_only_in_the_archive_is_never_dropped(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    async with archiving(bus, tmp_path):
        await at(bus, EVENTS - 20 + 1)
    before = await Archive(tmp_path).segments(PLACE)
    for partition in range(bus.partitions):
        await bus.retire(partition, task_of(STREAM))
    await fill(bus, EVENTS + 1, EVENTS + 20)
    async with archiving(bus, tmp_path):
        await at(bus, EVENTS + 1)
    assert (await Archive(tmp_path).segments(PLACE))[: len(before)] == before
    await whole(bus, tmp_path, EVENTS + 20)


async def test_what_contradicts_the_log_and_is_not_all_in_it_stops_the_archive(bus: Bus, tmp_path: Path) -> None:
    past = MemoryBus(1)
    await fill(past, 1, 10)
    await past.append(PLACE, [frame(value, value) for value in range(911, 921, 2)])
    await Archive(tmp_path, bus.identity).add(PLACE, await past.range(PLACE, 1, 20, count=99))
    await fill(bus, 1, 30)
    await bus.trim(PLACE, 10)
    with pytest.raises(Unavailable, match="is not what numbers of partition 0 holds"):
        await failing(bus, Archive(tmp_path, bus.identity))
    assert [(s.first, s.last) for s in await Archive(tmp_path).segments(PLACE)] == [(1, 20)]
    assert await start_of(bus) == 11


async def test_a_lost_archive_is_begun_anew_when_it_is_retired(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    async with archiving(bus, tmp_path / "lost"):
        await at(bus, EVENTS - 20 + 1)
    for partition in range(bus.partitions):
        await bus.retire(partition, task_of(STREAM))
        await bus.retire(partition, task_of(SegmentArchived.stream))
    async with archiving(bus, tmp_path / "new", settings(keep_events=0)):
        await at(bus, EVENTS + 1)
    found = await History(Archive(tmp_path / "new"), bus).range(PLACE, 1, EVENTS, count=999)
    assert numbers(found) == list(range(41, EVENTS + 1))


async def test_another_folder_is_noticed(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    async with archiving(bus, tmp_path / "one", settings(keep_events=30)):
        await at(bus, 31)
    runner = ArchiveRunner(home(bus), Archive(tmp_path / "two", bus.identity), settings(), streams=[STREAM])
    for _ in range(2):
        with (
            anyio.fail_after(20),
            pytest.raises(Unavailable, match=r"archived up to 60, but the archive in .* ends at 0"),
        ):
            await runner.run()
    assert await start_of(bus) == 31


async def failing(bus: Bus, archive: Any) -> None:
    """Run an archiver until it raises."""
    runner = ArchiveRunner(home(bus), archive, settings(keep_events=0), streams=[STREAM])
    with anyio.fail_after(20):
        await runner.run()


# ---------------------------------------------------------------- damage and full disks


class Flipping(Archive):
    """An archive on a disk that flips a bit now and then: of each file that is written, until it is healed."""

    healed = False

    async def add(self, place: Place, entries: Sequence[Entry]) -> Segment:
        segment = await super().add(place, entries)
        if not self.healed:
            path = self.folder / segment.file
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 4
            path.write_bytes(data)
        return segment


async def test_what_cannot_be_read_back_is_not_trimmed(bus: Bus, tmp_path: Path) -> None:
    await fill(bus)
    archive = Flipping(tmp_path, bus.identity)
    for _ in range(2):
        with pytest.raises(CorruptEvent):
            await failing(bus, archive)
        assert (await start_of(bus), await archive.segments(PLACE)) == (1, [])
    archive.healed = True
    async with archiving(bus, tmp_path, settings(keep_events=0), archive=archive):
        await at(bus, EVENTS + 1)
    await whole(bus, tmp_path)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A disk with room for very little, and what makes it larger: a file system of its own, else a limit of ours."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0:
        try:
            yield lambda: _run("mount", "-o", "remount,size=64m", str(folder))
        finally:
            _run("umount", str(folder))
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_trims_nothing_and_heals(bus: Bus, tmp_path: Path) -> None:
    noise = np.random.default_rng(7).bytes(100_000)
    for value in range(1, EVENTS + 1):
        await bus.append(PLACE, [frame(value, writer=noise[value * 1000 : value * 1000 + 1000].hex())])
    with small_disk(tmp_path / "disk") as enlarge:
        folder = tmp_path / "disk" / "archive"
        for _ in range(2):
            with pytest.raises(Unavailable, match="Nothing is trimmed meanwhile"):
                await failing(bus, Archive(folder, bus.identity))
        archived = await Archive(folder).end(PLACE)
        assert await start_of(bus) <= archived + 1 < EVENTS
        assert not list(folder.rglob("*.draft"))
        enlarge()
        async with archiving(bus, folder, settings(keep_events=0)):
            await at(bus, EVENTS + 1)
        await whole(bus, folder)


# ---------------------------------------------------------------- memory


SMALL = 16 * 1024 * 1024
ROWS = 8_192


async def feed_noise(bus: Bus, place: Place, frames: int) -> float:
    """Commit frames that cannot be compressed, while there is room; returns how full the server was at most."""
    fullest, noise, readings = 0.0, np.random.default_rng(7), plant(ROWS)

    async def room() -> bool:
        return await bus.fullness() <= 0.7

    for number in range(frames):
        await until(room)
        readings.value[:] = noise.random(ROWS)
        (made,) = encode([ReadingsAcquired(readings)], "test")
        outputs = [(place.stream, made)]
        await bus.commit(Commit(0, "source:x", 1, str(number or ""), str(number + 1), outputs))
        fullest = max(fullest, await bus.fullness())
    return fullest


async def read_all(bus: Bus, task: str, place: Place, last: int) -> None:
    position = 0
    while position < last:
        for entries in (await bus.read({place: position}, count=2, block_s=0.2)).values():
            await bus.commit(Commit(0, task, 1, str(position or ""), str(entries[-1].last)))
            position = entries[-1].last


async def test_three_times_the_servers_memory_goes_through_it(tmp_path: Path) -> None:
    place = Place(ReadingsAcquired.stream, 0)
    frames = 3 * SMALL // (ROWS * 30)
    server = EmbeddedServer(tmp_path / "redis", maxmemory_mb=SMALL >> 20)
    server.start()
    bus = RedisBus(Server(server.url), 1)
    try:
        surroundings = home(bus)
        runner = ArchiveRunner(surroundings, Archive(tmp_path / "archive"), settings(segment_events=10**9))
        with anyio.fail_after(90):
            async with anyio.create_task_group() as group:
                group.start_soon(runner.run)
                group.start_soon(read_all, bus, f"reader<{place.stream}", place, frames * ROWS)
                assert await feed_noise(bus, place, frames) < 0.85
                surroundings.stop.set()
        history = History(Archive(tmp_path / "archive"), bus)
        found = [batch.entry async for batch in scan(history, place)]
        assert [entry.last for entry in found] == [ROWS * number for number in range(1, frames + 1)]
        assert sum(entry.frame().size for entry in found) > 3 * SMALL * 0.9
    finally:
        await bus.close()
        server.stop()
