"""The index of alerts: what it finds, how it follows the log, and that nothing wrong in it is ever believed."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from agents.coordinator.index import Damaged, IndexUnusable, Reach, Readings, catch_up, kept, opened
from agents.coordinator.index.file import FOLDER
from agents.coordinator.index.store import AlertIndex, Page, Spot
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.events import AnomalyDetected, DriftDetected, Event, Evidence, LineageRecorded, ModelPublished
from contracts.frames import encode

SECOND = 1_000_000_000
ANOMALIES = Place("anomalies", 1)


def alert(number: int, bundle: str = "b", asset: str = "pump-1", channel: str = "flow") -> AnomalyDetected:
    return AnomalyDetected.of(
        cause=f"r{number}", time=number * SECOND, asset=asset, channel=channel, score=0.97, threshold=0.9,
        reason="level", value=1.5, detector="ewma", bundle=bundle * 64, feature_set="f" * 32, environment="e" * 32,
        evidence=Evidence(stream="readings.accepted", first=number * 10, last=number * 10 + 9),
    )  # fmt: skip


def receipt(run: str, first: int, last: int) -> LineageRecorded:
    return LineageRecorded.of(
        cause=run, time=0, asset="c", discriminator=run, run_id=run, findings="anomalies", first=first, last=last,
        digest="d",
    )  # fmt: skip


async def put(bus: MemoryBus, events: Sequence[Event], partition: int = 1) -> None:
    for frame in encode(events, "w"):
        await bus.append(Place(events[0].stream, partition), [frame])


async def filled(*numbers: int, bundle: str = "b") -> MemoryBus:
    bus = MemoryBus(2)
    for number in numbers:
        await put(bus, [alert(number, bundle)])
    return bus


def silent(text: str) -> None:
    raise AssertionError(f"nothing was to be said, but: {text}")


async def index_of(
    folder: Path, bus: MemoryBus, tell: Callable[[str], None] = silent, identity: str = "log"
) -> AlertIndex:
    return await kept(folder, bus, identity, tell)


async def test_a_finding_is_found_by_its_id_and_by_the_beginning_of_it(tmp_path: Path) -> None:
    index = await index_of(tmp_path, await filled(*range(1, 300)))
    wanted = Spot(alert(7).id, ANOMALIES, 7)
    for length in (32, 31, 12, 7):
        assert index.beginning(alert(7).id[:length]) == [wanted]
    many = index.beginning(alert(7).id[0])
    assert len(many) == 6
    assert {spot.id[0] for spot in many} == {alert(7).id[0]}
    assert index.beginning("0123456789") == []
    assert index.beginning("not hex") == []


@pytest.mark.parametrize("name", ["x", "made-elsewhere", "exactly-15-long", "sixteen-is-long!", "A" * 32, "é" * 9])
async def test_ids_of_another_program_are_found_as_well(name: str, tmp_path: Path) -> None:
    bus = await filled(*range(1, 300))
    await put(bus, [alert(300).model_copy(update={"id": name})])
    index = await index_of(tmp_path, bus)
    assert index.beginning(name) == index.beginning(name[:-1] or name) == [Spot(name, ANOMALIES, 300)]


async def test_an_id_of_ours_is_not_taken_for_one_of_another_program(tmp_path: Path) -> None:
    bus = await filled()
    await put(bus, [alert(1).model_copy(update={"id": "ff78" + "0" * 28})])
    index = await index_of(tmp_path, bus)
    assert index.beginning("x") == []
    assert len(index.beginning("ff78")) == 1


async def test_only_what_is_new_is_read_and_what_is_read_twice_is_there_once(tmp_path: Path) -> None:
    bus = await filled(1, 2, 3)
    first, second = await index_of(tmp_path, bus), await index_of(tmp_path, bus)
    await put(bus, [alert(4), alert(5)])
    assert await catch_up(first, bus) == 2
    assert await catch_up(second, bus) == 0
    assert Reach(bundles=["b" * 64]).shares(second)[0].count == 5


async def test_two_that_read_at_once_take_each_page_once(tmp_path: Path) -> None:
    bus = await filled(1)
    first, second = await index_of(tmp_path, bus), await index_of(tmp_path, bus)
    await put(bus, [alert(2)])
    at = second.progress()[ANOMALIES]
    await catch_up(first, bus)
    assert not second.take(Page(ANOMALIES, 2, "", [(2, alert(9))]), at.upto)
    assert [spot.ordinal for spot in second.beginning(alert(2).id)] == [2]
    assert second.beginning(alert(9).id) == []


async def test_runs_are_those_of_the_range_that_holds_the_finding(tmp_path: Path) -> None:
    bus = await filled(*range(1, 10))
    await put(bus, [receipt("one", 1, 3), receipt("two", 5, 8)])
    await put(bus, [alert(1)], partition=0)
    index = await index_of(tmp_path, bus)
    assert [index.run(ANOMALIES, n) for n in range(1, 10)] == ["one"] * 3 + [""] + ["two"] * 4 + [""]
    assert index.run(Place("anomalies", 0), 1) == ""
    assert index.run(Place("drift", 1), 1) == ""


async def test_versions_are_known_by_bundle_name_and_number(tmp_path: Path) -> None:
    bus = await filled(1)
    for number in ("10", "9"):
        event = ModelPublished.of(
            cause=number, time=0, asset="c", name="pumps", model_version=number, bundle=number * 32, run_id="r" + number
        )
        await put(bus, [event, event])
    found = (await index_of(tmp_path, bus)).versions()
    assert [(each.name, each.number, each.run_id) for each in found] == [("pumps", "9", "r9"), ("pumps", "10", "r10")]


async def test_reach_counts_by_series_and_names_what_a_bundle_or_readings_led_to(tmp_path: Path) -> None:
    bus = await filled()
    await put(bus, [alert(1, "a"), alert(2, "b"), alert(3, "b"), alert(4, "b", channel=""), alert(5, "b", asset="fan")])
    index = await index_of(tmp_path, bus)
    shares = Reach(bundles=["b" * 64]).shares(index)
    assert [(s.asset, s.channel, s.count, s.first, s.last) for s in shares] == [
        ("pump-1", "flow", 2, 2 * SECOND, 3 * SECOND),
        ("fan", "flow", 1, 5 * SECOND, 5 * SECOND),
        ("pump-1", "", 1, 4 * SECOND, 4 * SECOND),
    ]

    def touched(*which: Readings) -> list[int]:
        return [each.time // SECOND for each in Reach(readings=which).touched(index)]

    place = Place("readings.accepted", 1)
    assert touched(Readings(place, 19, 20)) == [1, 2]
    assert touched(Readings(place, 20, 29)) == [2]
    assert touched(Readings(place, 1, 9)) == []
    assert touched(Readings(place, 1, 999, "pump-1", "flow")) == [1, 2, 3, 4], "an asset as a whole is all its channels"
    assert touched(Readings(place, 1, 999, "fan")) == [5]
    assert touched(Readings(Place("readings.accepted", 0), 1, 999)) == []
    assert Reach().shares(index) == []


async def test_drift_is_a_finding_too(tmp_path: Path) -> None:
    bus = MemoryBus(2)
    drift = DriftDetected.of(
        cause="r", time=0, asset="a", kind="mean", direction="up", effect=1, effect_low=1, effect_high=1, unit="sd",
        since=0, evidence_value=2, reference="r", detector="d", bundle="b" * 64, feature_set="f", environment="e",
        evidence=Evidence(stream="readings.accepted", first=1, last=2),
    )  # fmt: skip
    await put(bus, [drift])
    assert (await index_of(tmp_path, bus)).beginning(drift.id)[0].place == Place("drift", 1)


async def test_a_log_that_lost_its_end_and_got_another_is_read_again(tmp_path: Path) -> None:
    (await index_of(tmp_path, await filled(1, 2, 3))).close()
    shorter = await filled(1)
    index = await index_of(tmp_path, shorter)
    assert index.beginning(alert(3).id) == []
    assert len(index.beginning(alert(1).id)) == 1
    await put(shorter, [alert(8)])
    await put(shorter, [alert(9)])
    (await index_of(tmp_path, shorter)).close()
    other = await filled(1, 8, 7, 6)
    index = await index_of(tmp_path, other)
    assert [bool(index.beginning(alert(n).id)) for n in (1, 8, 7, 6, 9)] == [True] * 4 + [False]


async def test_entries_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    bus = await filled(1, 2, 3)
    entry = bus._streams[ANOMALIES][1]
    bus._streams[ANOMALIES][1] = type(entry)(entry.last, entry.count, {**entry.fields, b"b": b"[]"})
    index = await index_of(tmp_path, bus)
    assert [text.partition(" ")[0] for text in index.unread()] == ["anomalies/1:2-2:"]


# ---------------------------------------------------------------- damage


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE segments")


def other_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET value = '0' WHERE name = 'version'")


def torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [garbage, emptied, without_a_table, other_version, torn])
async def test_a_damaged_index_is_made_anew_and_says_so(damage: Callable[[Path], None], tmp_path: Path) -> None:
    bus = await filled(*range(1, 50))
    await put(bus, [receipt("one", 1, 49)])
    index = await index_of(tmp_path, bus)
    # What is still in the journal would mend the file.
    index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index.close()
    (path,) = (tmp_path / FOLDER).glob("*.db")
    damage(path)
    await put(bus, [alert(50)])
    await put(bus, [receipt("two", 50, 50)])
    said: list[str] = []
    index = await index_of(tmp_path, bus, said.append)
    assert len(said) == 1
    assert "made anew" in said[0]
    assert [index.run(ANOMALIES, n) for n in (7, 50)] == ["one", "two"]
    assert len(index.beginning(alert(7).id)) == 1
    assert not path.exists(), "never the same name again: somebody may still have the old one open"


async def test_what_only_a_comparison_shows_is_found_by_one(tmp_path: Path) -> None:
    index = await index_of(tmp_path, await filled(*range(1, 50)))
    index.verify()
    index.connection.execute("PRAGMA writable_schema = ON")
    index.connection.execute(
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX by_id ON findings (time)' WHERE name = 'by_id'"
    )
    index.close()
    again = await index_of(tmp_path, await filled(*range(1, 50)))
    with pytest.raises(Damaged):
        again.verify()


async def test_the_index_of_another_log_is_not_asked(tmp_path: Path) -> None:
    (await index_of(tmp_path, await filled(1))).close()
    said: list[str] = []
    index = await index_of(tmp_path, await filled(2), said.append, "other")
    assert "of another log" in said[0]
    assert [len(index.beginning(alert(n).id)) for n in (1, 2)] == [0, 1]


async def test_without_a_folder_for_it_questions_are_answered_from_the_log(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    bus, said = await filled(1, 2, 3), list[str]()
    async with opened(tmp_path, bus, "log", said.append) as index:
        assert len(index.beginning(alert(2).id)) == 1
    assert "cannot be used" in said[0]
    with pytest.raises(IndexUnusable, match=FOLDER):
        await kept(tmp_path, bus, "log", silent)


async def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    index = await index_of(tmp_path, await filled(1))
    pages = index.connection.execute("PRAGMA page_count").fetchone()[0]
    index.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(IndexUnusable, match="full"):
        await catch_up(index, await filled(1, *range(2, 500)))
