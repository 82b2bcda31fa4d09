"""Readings come in once, whatever fails on the way, and only as what they are."""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from bus.archive import Archive
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.scan import scan
from console.export import log_rows
from console.options import Choices
from console.past import gathering
from console.past.gathering import gathered
from console.past.importing import Importing
from console.past.incident import Incident, _check_segments
from console.past.writing import Lines, Tables
from contracts.errors import FileRefused, Unavailable
from contracts.events import ClockTicked, DataQualityIncident, ReadingsAcquired
from contracts.readings import Readings, Verdict
from tests.unit.replay.past import Past
from tests.unit.runtime.counting import INPUT, Fragile, plant, story

PLACE = Place(INPUT, 0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows in a step, so that there are many steps."""
    monkeypatch.setattr(gathering, "ROWS", 16)


def odd() -> Readings:
    """Readings with everything that a table must not lose."""
    readings = plant(100, 5)
    readings.value[[3, 4, 5]] = [np.nan, np.inf, -0.0]
    readings.verdict[7], readings.quality[8] = Verdict.NOT_A_NUMBER, 2
    return Readings(**{**{name: getattr(readings, name) for name in readings.__slots__}, "notes": {7: "brok\u00e9n"}})


def exported(folder: Path, readings: Readings) -> Path:
    tables = Tables(folder)
    for part in readings.cut(30):
        tables.add(PLACE, ReadingsAcquired(part))
    tables.add(PLACE, ClockTicked.of(cause="t", time=1, asset="clock"))
    tables.close()
    return folder


async def values(bus: MemoryBus) -> list[tuple[Any, ...]]:
    found = []
    for number in range(bus.partitions):
        async for each in scan(bus, Place(INPUT, number)):
            for event in each.events:
                assert isinstance(event, ReadingsAcquired)
                r = event.readings
                bits = r.value.view(np.int64).tolist()
                found += [
                    (position, r.series[code], time, bit, quality, verdict, r.notes.get(row))
                    for row, (position, code, time, bit, quality, verdict) in enumerate(
                        zip(
                            r.position.tolist(),
                            r.code.tolist(),
                            r.time.tolist(),
                            bits,
                            r.quality.tolist(),
                            r.verdict.tolist(),
                            strict=True,
                        )
                    )
                ]
    return sorted(found, key=lambda row: (row[0], row[1]))


async def test_a_table_loses_nothing_in_any_number_of_partitions(tmp_path: Path) -> None:
    path = exported(tmp_path, odd())
    direct, through = MemoryBus(1), MemoryBus(5)
    await Importing(direct, "a", lambda count: None)._begin()
    for part in (odd(),):
        job = Importing(direct, "b", lambda count: None)
        await job.readings([part])
    await Importing(through, "c", lambda count: None).readings(gathered(path))
    assert await values(through) == await values(direct)
    assert len(await values(through)) == 100


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_fails_each_reading_is_there_once(seed: int, tmp_path: Path) -> None:
    path = exported(tmp_path, odd())
    inner, random = MemoryBus(3), Random(seed)
    bus = Fragile(inner, lambda verb, n: random.choice(("", "", "before", "after")) if verb == "commit" else "")
    failures = 0
    while True:
        try:
            await Importing(bus, "d", lambda count: None).readings(gathered(path))
            break
        except Unavailable:
            failures += 1
    assert failures
    once = MemoryBus(3)
    await Importing(once, "d", lambda count: None).readings(gathered(path))
    assert await story(inner, INPUT) == await story(once, INPUT)
    again = Importing(inner, "d", lambda count: None)
    await again.readings(gathered(path))
    assert again.taken == 0


async def test_lines_come_in_as_well(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        lines = Lines(file)
        lines.add(PLACE, ReadingsAcquired(odd()))
        about: dict[str, Any] = {"kind": "gap", "state": "open", "detail": "", "since": 1}
        lines.add(Place("incidents", 0), DataQualityIncident.of(cause="c", time=1, asset="m1", **about))
        lines.close()
    bus = MemoryBus(2)
    await Importing(bus, "e", lambda count: None).readings(gathered(path))
    there, went = await values(bus), odd()
    assert [row[0] for row in there] == went.position.tolist()
    # JSON has no infinity: it comes back as no number.
    assert sum(row[3] != bits for row, bits in zip(there, went.value.view(np.int64).tolist(), strict=True)) == 1


def row(**changed: Any) -> dict[str, Any]:
    return {"source": "s", "asset": "a", "channel": "c", "time": 1, "value": 1.0, "position": 1, **changed}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "line 1 is not JSON"),
        (b"[1]", "line 1 is not a row"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b'"' + b"x" * (1 << 20) + b'"', "line 1 is longer"),
        (json.dumps(row(asset="a/b")).encode(), "row 1 is not a reading"),
        (json.dumps(row(channel="")).encode(), "row 1 is not a reading"),
        (json.dumps(row(value="1")).encode(), "row 1 is not a reading"),
        (json.dumps(row(value=True)).encode(), "row 1 is not a reading"),
        (json.dumps(row(time="2026-01-01")).encode(), "row 1 is not a reading"),
        (json.dumps(row(time=1 << 70)).encode(), "row 1 is not a reading"),
        (json.dumps(row(position=1.5)).encode(), "row 1 is not a reading"),
        (json.dumps(row(position=1 << 64)).encode(), "row 1 is not a reading"),
        (json.dumps(row(quality="splendid")).encode(), "row 1 is not a reading"),
        (json.dumps({"source": "s"}).encode(), "row 1 is not a reading"),
    ],
)
def test_what_is_no_reading_is_refused_by_line(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(text + b"\n")
    with pytest.raises(FileRefused, match=message):
        list(gathered(path))


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    write_table(pa.table({"asset": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(FileRefused, match="no column channel, position, source, time, value"):
        list(gathered(tmp_path / "other.parquet"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(FileRefused, match="not a Parquet file"):
        list(gathered(tmp_path / "broken.parquet"))
    with pytest.raises(FileRefused, match=r"has no readings\.acquired\.parquet"):
        list(gathered(tmp_path))


# ---------------------------------------------------------------- entries of a bundle


async def incident(tmp_path: Path) -> tuple[Past, Incident]:
    past = await Past(Random(4), tmp_path / "archive", count=60, saves=0, poison=()).live()
    loaded = Choices(data_dir=tmp_path).load()
    return past, Incident(tmp_path, {"since": 0, "until": 1}, past.archive, loaded)


async def test_entries_come_in_as_they_are_and_once(tmp_path: Path) -> None:
    past, found = await incident(tmp_path)
    bus = MemoryBus(3)
    for expected in (True, False):
        job = Importing(bus, "f", lambda count: None)
        await job.entries(found)
        assert bool(job.taken) is expected
    assert [r async for r in log_rows(bus, [INPUT])] == [r async for r in log_rows(past.bus, [INPUT])] != []


async def test_entries_do_not_mix_with_others(tmp_path: Path) -> None:
    _, found = await incident(tmp_path)
    with pytest.raises(FileRefused, match="the bundle has 3 partitions, this log 2"):
        await Importing(MemoryBus(2), "g", lambda count: None).entries(found)
    bus = MemoryBus(3)
    await Importing(bus, "h", lambda count: None).readings([plant(30, 9)])
    with pytest.raises(FileRefused, match="holds readings from elsewhere already"):
        await Importing(bus, "g", lambda count: None).entries(found)


async def test_an_archive_that_names_other_files_is_refused(tmp_path: Path) -> None:
    archive: Archive = (await incident(tmp_path))[0].archive
    _check_segments(tmp_path, archive.folder)
    listing = next(archive.folder.glob("stream=*/partition=*/manifest.jsonl"))
    line = json.loads(listing.read_bytes().splitlines()[0])
    for evil in ("../../../etc/passwd", "/etc/passwd", "store-id"):
        listing.write_text(json.dumps({**line, "file": evil}) + "\n")
        with pytest.raises(FileRefused, match="names a file outside"):
            _check_segments(tmp_path, archive.folder)
    listing.write_text("{}\n")
    with pytest.raises(FileRefused, match="not a list of files"):
        _check_segments(tmp_path, archive.folder)


async def test_an_archive_that_would_be_inflated_without_end_is_refused(tmp_path: Path) -> None:
    archive: Archive = (await incident(tmp_path))[0].archive
    listing = next(archive.folder.glob("stream=*/partition=*/manifest.jsonl"))
    file = archive.folder / json.loads(listing.read_bytes().splitlines()[0])["file"]
    write_table(pa.table({"b": np.zeros(40_000_000)}), file, use_dictionary=False, row_group_size=40_000_000)
    assert file.stat().st_size < 20_000_000
    with pytest.raises(FileRefused, match="would be inflated to 320"):
        _check_segments(tmp_path, archive.folder)
