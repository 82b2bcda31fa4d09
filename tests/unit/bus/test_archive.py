"""The archive: what comes out is what went in, or an error that says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from bus.archive import Archive, Segment
from bus.archive import segment as segments
from bus.memory import MemoryBus
from bus.protocol import Entry, Place, Snapshot
from contracts.errors import CorruptEvent, NotFound, PositionMoved, Unavailable
from contracts.events import ReadingsAcquired
from contracts.frames import encode
from tests.integration.bus.frames import STREAM, frame, numbers
from tests.unit.runtime.counting import plant

PLACE = Place(STREAM, 3)


def entries(first: int, last: int, cut: int = 2) -> list[Entry]:
    """Events that are told apart by their ordinal, ``cut`` in an entry."""
    return [
        Entry(stop, stop - start + 1, frame(*range(start, stop + 1)).fields())
        for start in range(first, last + 1, cut)
        for stop in [min(start + cut - 1, last)]
    ]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", "log-1", 4)


async def flip(archive: Archive, segment: Segment, at: int = -1) -> None:
    path = archive.folder / segment.file
    data = bytearray(path.read_bytes())
    data[at if at >= 0 else len(data) // 2] ^= 1
    path.write_bytes(data)


# ---------------------------------------------------------------- in and out


async def test_entries_come_out_as_they_went_in(archive: Archive) -> None:
    odd = [Entry(11, 1, {b"t": b"\xff", b"b": b"", b"z": b"unknown", b"": b"x"}), Entry(14, 3, {b"d": b"only"})]
    written = [*entries(1, 10), *odd]
    segment = await archive.add(PLACE, written)
    await archive.verify(segment)
    assert await archive.range(PLACE, 1, 99, count=99) == written
    assert (segment.first, segment.last, segment.entries, segment.events, segment.damaged) == (1, 14, 7, 14, 2)
    fresh = Archive(archive.folder, "log-1")
    assert await fresh.range(PLACE, 1, 99, count=99) == written


async def test_readings_say_their_times(archive: Archive) -> None:
    readings = plant(50)
    (found,) = encode([ReadingsAcquired(readings)], "test")
    segment = await archive.add(PLACE, [Entry(50, 50, found.fields())])
    assert (segment.time_min, segment.time_max) == (int(readings.time.min()), int(readings.time.max()))
    from pyarrow.parquet import read_table

    row = read_table(archive.folder / segment.file).to_pylist()[0]
    assert (row["type"], row["writer"], row["time_first"].value) == ("ReadingsAcquired", "test", segment.time_min)


async def test_files_are_by_stream_partition_and_day(archive: Archive) -> None:
    day = 86_400 * 10**9
    segment = await archive.add(PLACE, [Entry(5, 1, frame(3 * day + 5).fields()), Entry(6, 1, frame(9 * day).fields())])
    assert segment.file == (f"stream={STREAM}/partition=0003/date=1970-01-04/{5:020d}-{6:020d}.parquet")
    assert await archive.places() == [PLACE]


@pytest.mark.parametrize(("first", "last", "count"), [(1, 40, 99), (7, 7, 9), (8, 13, 2), (20, 21, 9), (41, 50, 9)])
async def test_range_is_that_of_a_log(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, first: int, last: int, count: int
) -> None:
    monkeypatch.setattr(segments, "_GROUP_ENTRIES", 3)
    log = MemoryBus(4)
    for start in range(1, 41, 4):
        await log.append(PLACE, [frame(*range(start, start + 4))])
    for start in (1, 13, 29):
        stop = {1: 12, 13: 28, 29: 40}[start]
        await archive.add(PLACE, await log.range(PLACE, start, stop, count=99))
    assert await archive.range(PLACE, first, last, count=count) == await log.range(PLACE, first, last, count=count)
    assert (await archive.starts([PLACE]), await archive.ends([PLACE])) == ({PLACE: 1}, {PLACE: 40})


async def test_only_the_row_groups_that_are_wanted_are_read(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_GROUP_ENTRIES", 5)
    await archive.add(PLACE, entries(1, 100))
    read: list[int] = []
    whole = segments.entries_of

    def counted(file: Any, group: int) -> list[Entry]:
        read.append(group)
        return whole(file, group)

    monkeypatch.setattr("bus.archive.archive.entries_of", counted)
    assert numbers(await archive.range(PLACE, 43, 46, count=9)) == [43, 44, 45, 46]
    await archive.range(PLACE, 41, 42, count=9)
    assert read == [4], "ten events in a group, and a second look is free"


async def test_segments_follow_each_other(archive: Archive) -> None:
    await archive.add(PLACE, entries(1, 10))
    for wrong in (entries(9, 12), entries(1, 10), [*entries(11, 12), *entries(15, 16)], []):
        with pytest.raises((ValueError, PositionMoved), match=r"follow|no entries"):
            await archive.add(PLACE, wrong)
    await archive.add(PLACE, entries(15, 16))
    assert [(s.first, s.last) for s in await archive.segments(PLACE)] == [(1, 10), (15, 16)]


async def test_another_log_is_refused(archive: Archive) -> None:
    await archive.add(PLACE, entries(1, 10))
    other = Archive(archive.folder, "log-2")
    for attempt in (other.add(PLACE, entries(11, 12)), other.range(PLACE, 1, 2, count=9), other.ends([PLACE])):
        with pytest.raises(Unavailable, match="belongs to another log"):
            await attempt


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("at", [0, 4, 2000, -1])
async def test_a_flipped_byte_is_found(archive: Archive, at: int) -> None:
    segment = await archive.add(PLACE, entries(1, 200))
    await flip(archive, segment, at)
    with pytest.raises(CorruptEvent, match="Restore the file"):
        await archive.verify(segment)


async def test_a_file_with_other_entries_is_found(archive: Archive, tmp_path: Path) -> None:
    segment = await archive.add(PLACE, entries(1, 10))
    other = await Archive(tmp_path / "other").add(PLACE, [*entries(1, 8), Entry(10, 2, frame(9, 11).fields())])
    path = archive.folder / segment.file
    path.write_bytes((tmp_path / "other" / other.file).read_bytes())
    swapped = Segment(**{**vars(segment), "digest": other.digest, "size": other.size})
    with pytest.raises(CorruptEvent, match="its entries"):
        await archive.verify(swapped)


async def test_a_missing_file_is_found(archive: Archive) -> None:
    segment = await archive.add(PLACE, entries(1, 10))
    (archive.folder / segment.file).unlink()
    with pytest.raises(CorruptEvent, match="it is gone"):
        await archive.verify(segment)
    with pytest.raises(CorruptEvent, match="it is gone"):
        await archive.range(PLACE, 1, 10, count=9)


async def test_a_torn_last_line_of_the_manifest_is_cut_off(archive: Archive) -> None:
    await archive.add(PLACE, entries(1, 10))
    path = archive.folder / f"stream={STREAM}/partition=0003/manifest.jsonl"
    whole = path.read_bytes()
    await archive.add(PLACE, entries(11, 20))
    path.write_bytes(path.read_bytes()[:-7])
    fresh = Archive(archive.folder)
    assert await fresh.end(PLACE) == 10
    assert not [path for path in archive.folder.rglob("*11-*.parquet") if path.name in whole.decode()]
    segment = await fresh.add(PLACE, entries(11, 14))
    assert [json.loads(line)["last"] for line in path.read_text().splitlines()] == [10, 14]
    assert sorted(p.name[-13:-8] for p in archive.folder.rglob("*.parquet")) == ["00010", "00014"], "orphan is gone"
    await fresh.verify(segment)


async def test_a_damaged_line_of_the_manifest_is_said(archive: Archive) -> None:
    await archive.add(PLACE, entries(1, 10))
    await archive.add(PLACE, entries(11, 20))
    path = archive.folder / f"stream={STREAM}/partition=0003/manifest.jsonl"
    path.write_bytes(b"{" + path.read_bytes())
    with pytest.raises(CorruptEvent, match="line 1"):
        await Archive(archive.folder).end(PLACE)


async def test_a_dropped_segment_is_written_again(archive: Archive) -> None:
    segment = await archive.add(PLACE, entries(1, 10))
    assert numbers(await archive.range(PLACE, 1, 10, count=9))
    await archive.drop(segment)
    assert await archive.range(PLACE, 1, 10, count=9) == []
    assert not (archive.folder / segment.file).exists()
    again = await archive.add(PLACE, entries(1, 10))
    assert again == segment
    assert await archive.segments(PLACE) == [segment]


async def test_a_folder_that_cannot_be_written_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"archive: .*(Not a directory|File exists).*Nothing is trimmed meanwhile"):
        await Archive(tmp_path / "file" / "archive").add(PLACE, entries(1, 2))


# ---------------------------------------------------------------- checkpoints


async def test_checkpoints_come_out_as_they_went_in(archive: Archive) -> None:
    task = "anomaly<readings.accepted/../x"
    kept = [Snapshot(str(n), bytes([n]) * n * 1000, {"anomalies": n}, "me 1.0") for n in (0, 7, 3)]
    for snapshot in kept:
        await archive.keep(2, task, snapshot, most=9)
    assert await archive.checkpoints(2, task) == [0, 3, 7]
    assert [await archive.checkpoint(2, task, int(s.position)) for s in kept] == kept
    assert archive.checkpoint_files.tasks(2) == [task]
    with pytest.raises(NotFound):
        await archive.checkpoint(2, task, 4)
    await archive.drop_checkpoints(2, task, after=3)
    assert await archive.checkpoints(2, task) == [0, 3]


@pytest.mark.parametrize("at", [3, 30, -2])
async def test_a_damaged_checkpoint_is_found(archive: Archive, at: int) -> None:
    await archive.keep(0, "a<b", Snapshot("7", b"state" * 100, {"c": 1}), most=9)
    (path,) = archive.folder.rglob("*.checkpoint")
    data = bytearray(path.read_bytes())
    data[at] ^= 2
    path.write_bytes(data)
    with pytest.raises(CorruptEvent, match="damaged"):
        await archive.checkpoint(0, "a<b", 7)


async def test_older_checkpoints_are_thinned_to_one_a_day(archive: Archive) -> None:
    import os

    for number in range(1, 13):
        await archive.keep(0, "a<b", Snapshot(str(number), b""), most=99)
        path = archive.checkpoint_files._path(0, "a<b", number)
        os.utime(path, (0, (number // 4) * 86_400))
    await archive.keep(0, "a<b", Snapshot("13", b""), most=3)
    assert await archive.checkpoints(0, "a<b") == [1, 4, 8, 11, 12, 13]
