"""The curve of a series from archive and log as one: nothing is missing between them, and what is missing is told."""

from pathlib import Path

import anyio
import numpy as np
import pytest

from agents.runtime.archive.archiving import ArchiveRunner
from bus.protocol import Entry, Place
from console.curves import pieces, scanning
from console.curves.asked import Asked
from console.curves.scanning import Left
from contracts.errors import NotFound
from contracts.events import ReadingsAccepted, ReadingsScored
from contracts.frames import encode
from contracts.instants import SECOND, iso
from contracts.readings import Float64, Readings, Series
from contracts.settings import ArchiveSettings
from tests.unit.console.curves.plant import NUMBER, PLACE, PlantLog, readings, seconds
from tests.unit.notification.made import T0
from tests.unit.runtime.counting import home

WAVE: Float64 = np.sin(np.arange(3_000) / 90).round(6).astype(np.float64)


@pytest.fixture
async def log(tmp_path: Path) -> PlantLog:
    """3,000 readings, of which the archive has the first half and a bit, partly the log as well."""
    log = PlantLog(tmp_path)
    await log.read(WAVE)
    await log.keep(1_200 * 3, 900)
    await log.keep(1_500 * 3, 900, trim=False)
    return log


async def test_archive_and_log_are_one_curve_without_a_seam(log: PlantLog) -> None:
    found = await log.ask(0, 2_999, points=3_000)
    assert seconds(found) == list(range(3_000))
    assert found.curve.values.tolist() == WAVE.tolist()
    assert (found.curve.count, found.curve.raw, found.missing) == (3_000, True, [])
    assert found.channels == ("flow",)
    assert found.latest == (T0 + 2_999 * SECOND, WAVE[-1])


@pytest.mark.parametrize("method", ["min-max", "lttb"])
async def test_a_thinned_curve_keeps_the_extremes(log: PlantLog, method: str) -> None:
    await log.read([99.0, -99.0, 0.0], first=3_000)
    found = await log.ask(0, 3_002, points=100, method=method)
    assert len(found.curve.times) <= 100
    assert (found.curve.count, found.curve.raw) == (3_003, False)
    assert (found.facts["lowest"], found.facts["highest"]) == (-99.0, 99.0)
    assert {99.0, -99.0} <= set(found.curve.values.tolist())
    assert np.isin(found.curve.values, [*WAVE, 99.0, -99.0, 0.0]).all(), "only readings that were there"


async def test_a_range_holds_both_its_edges_and_nothing_else(log: PlantLog) -> None:
    found = await log.ask(1_190, 1_210)
    assert seconds(found) == list(range(1_190, 1_211))
    assert found.span == (T0 + 1_190 * SECOND, T0 + 1_210 * SECOND)


async def test_without_a_range_it_is_the_last_hour_of_event_time(log: PlantLog) -> None:
    await log.read(np.zeros(3_000), first=3_000)
    found = await log.ask(points=9_000)
    assert (seconds(found)[0], seconds(found)[-1], found.curve.count) == (2_399, 5_999, 3_601)
    assert seconds(await log.ask(length=10 * SECOND)) == list(range(5_989, 6_000))
    assert seconds(await log.ask(until=20, length=10 * SECOND)) == list(range(10, 21))
    assert (await log.ask(begin=True)).span == (T0, T0 + 5_999 * SECOND)
    assert (await log.ask(length=90_000 * SECOND)).span == (T0, T0 + 5_999 * SECOND), "nothing was before"


async def test_a_late_reading_is_where_it_belongs_and_does_not_move_the_end(log: PlantLog) -> None:
    await log.put(ReadingsAccepted(readings(np.array([3_005, 700]), np.array([5.0, 7.0]), "late")))
    found = await log.ask(690, 710)
    assert 7.0 in found.curve.values[np.array(seconds(found)) == 700]
    assert found.latest is not None
    assert found.latest[0] == T0 + 3_005 * SECOND


async def test_segments_that_are_remembered_give_the_same_extremes_without_their_files(
    log: PlantLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await log.ask(0, 2_999, points=8)
    monkeypatch.setattr(log.archive, "range", None)
    log.history._begins.clear()
    again = await log.ask(0, 2_999, points=8)
    assert again.missing == []
    assert (again.curve.count, again.facts) == (first.curve.count, first.facts)
    assert again.curve.values.tolist() == first.curve.values.tolist()
    monkeypatch.undo()
    assert seconds(await log.ask(100, 200, points=1_000)) == list(range(100, 201)), "a finer curve is read anew"


async def test_what_is_remembered_is_bounded(log: PlantLog, monkeypatch: pytest.MonkeyPatch) -> None:
    extracts = log.curves._extracts
    monkeypatch.setattr(extracts, "_most", 200)
    await log.ask(0, 2_999, points=8)
    assert extracts._weight == sum(one.weight for one in extracts._kept.values()) <= 200
    assert len(extracts._kept) >= 1


# ---------------------------------------------------------------- what is missing


async def test_a_damaged_segment_is_told_and_the_rest_is_shown(log: PlantLog) -> None:
    (_, second, *_) = await log.archive.segments(PLACE)
    path = log.archive.folder / second.file
    path.write_bytes(path.read_bytes()[:-40])
    found = await log.ask(0, 2_999, points=3_000)
    assert seconds(found) == [*range(300), *range(600, 3_000)]
    (told,) = found.missing
    assert (told["from"], told["to"]) == (iso(T0 + 300 * SECOND), iso(T0 + 599 * SECOND))
    assert str(path) in told["why"]


async def test_an_absent_segment_is_told(log: PlantLog) -> None:
    first = (await log.archive.segments(PLACE))[0]
    (log.archive.folder / first.file).unlink()
    found = await log.ask(0, 2_999, points=3_000)
    assert (len(found.curve.times), [each["why"][-10:] for each in found.missing]) == (2_700, ["it is gone"])


async def test_a_damaged_manifest_leaves_what_the_log_has(log: PlantLog) -> None:
    path = log.archive._manifest(PLACE).path
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    found = await log.ask(0, 2_999, points=3_000)
    assert seconds(found) == list(range(1_200, 3_000))
    assert "not a line of a manifest" in str(found.missing)


async def test_a_hole_of_the_log_is_told(log: PlantLog) -> None:
    await log.bus.trim(PLACE, 1_600 * 3)
    found = await log.ask(0, 2_999, points=3_000)
    assert seconds(found) == [*range(1_500), *range(1_600, 3_000)]
    assert [each["why"] for each in found.missing] == ["300 events are neither in log nor archive"]


async def test_entries_that_somebody_deleted_are_told(log: PlantLog, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log.bus.range

    async def holed(place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        found = await whole(place, first, last, count=count)
        return [entry for entry in found if place != PLACE or not 6_000 < entry.last <= 6_600]

    monkeypatch.setattr(log.bus, "range", holed)
    found = await log.ask(0, 2_999, points=3_000)
    assert seconds(found) == [*range(2_000), *range(2_200, 3_000)]
    assert [each["why"] for each in found.missing] == ["600 events are neither in log nor archive"]


async def test_an_entry_with_other_bytes_is_told(log: PlantLog) -> None:
    (frame,) = encode([ReadingsAccepted(readings(np.array([3_000, 3_001]), np.zeros(2)))], "test")
    frame.digest = bytes(16)
    await log.bus.append(PLACE, [frame])
    await log.read([1.0], first=3_002)
    found = await log.ask(2_990, 3_005)
    assert seconds(found) == [*range(2_990, 3_000), 3_002]
    assert "not the ones that were written" in found.missing[0]["why"]


async def test_what_there_is_no_time_for_is_the_oldest_and_is_told(
    log: PlantLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_PIECE", 300)
    asked: list[int] = []

    async def over(_: object) -> bool:
        asked.append(1)
        return len(asked) > 4

    monkeypatch.setattr(scanning.Deadline, "over", over)
    found = await log.ask(0, 2_999, points=3_000)
    assert found.late
    assert seconds(found) == list(range(int(seconds(found)[0]), 3_000))
    assert seconds(found)[0] > 1_200
    assert "not read within" in found.missing[0]["why"]


async def test_nothing_is_read_for_somebody_who_left(log: PlantLog) -> None:
    async def gone() -> bool:
        return True

    with pytest.raises(Left):
        await log.curves.of(Asked("pump", "temperature", T0, T0 + 9 * SECOND), gone)


async def test_entries_across_the_edges_of_pieces_count_once(log: PlantLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PIECE", 170)
    found = await log.ask(0, 2_999, points=9_000)
    assert (seconds(found), found.missing) == (list(range(3_000)), [])


# ---------------------------------------------------------------- who is asked for


@pytest.mark.parametrize("name", [("pump", "noise"), ("nobody", "temperature")])
async def test_of_a_series_that_was_never_heard_of_there_is_nothing(log: PlantLog, name: tuple[str, str]) -> None:
    with pytest.raises(NotFound):
        await log.ask(asset=name[0], channel=name[1])


@pytest.mark.parametrize("name", ["", "a/b", "{0}", "a\nb", "\u202eb", "x" * 200])
def test_what_can_be_no_name_is_not_looked_for(name: str) -> None:
    with pytest.raises(NotFound):
        Asked("pump", name)


async def test_two_sources_of_one_series_and_odd_names_are_found(tmp_path: Path) -> None:
    log, odd = PlantLog(tmp_path), "späne <b>&amp; 100%?#"
    for source in ("a", "b"):
        series = [Series(source, "pump", "x"), Series(source, "pump", odd)]
        at = np.arange(4)
        batch = Readings.of(series, at % 2, T0 + at * SECOND, at.astype(np.float64), at)
        await log.put(ReadingsAccepted(batch))
    found = await log.ask(channel=odd)
    assert (found.curve.values.tolist(), found.channels) == ([1.0, 1.0, 3.0, 3.0], ("x",))


async def test_an_empty_log_has_no_series(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await PlantLog(tmp_path).ask()


async def test_scores_come_beside_the_readings_where_they_are_asked_for(log: PlantLog) -> None:
    at = np.arange(2_000, 2_100)
    await log.bus.append(
        Place(ReadingsScored.stream, NUMBER), list(encode([ReadingsScored(readings(at, at / 1e4))], "t"))
    )
    found = await log.ask(2_050, 2_999, score=True)
    assert found.score is not None
    assert found.score.values.tolist() == (np.arange(2_050, 2_100) / 1e4).tolist()
    other = await log.ask(2_050, 2_999)
    assert (other.score, other.scored) == (None, True)


async def test_two_answers_at_once_do_not_mix(log: PlantLog) -> None:
    found = {}

    async def one(first: int) -> None:
        found[first] = seconds(await log.ask(first, first + 50))

    async with anyio.create_task_group() as group:
        for first in range(0, 2_500, 500):
            group.start_soon(one, first)
    assert found == {first: list(range(first, first + 51)) for first in range(0, 2_500, 500)}


async def test_what_the_archiver_keeps_and_trims_stays_one_curve(tmp_path: Path) -> None:
    log = PlantLog(tmp_path)
    log.bus.identity = "log"
    settings = ArchiveSettings(every_s=0.02, segment_events=700, keep_events=900)
    surroundings = home(log.bus)
    runner = ArchiveRunner(surroundings, log.archive, settings, streams=(PLACE.stream,))
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        for begin in range(0, 3_000, 500):
            await log.read(WAVE[begin : begin + 500], first=begin)
            with anyio.fail_after(20):
                while (await log.bus.starts([PLACE]))[PLACE] < (begin + 500) * 3 - 1_700:  # noqa: ASYNC110 - another task
                    await anyio.sleep(0.01)
            found = await log.ask(0, 2_999, points=3_000)
            assert (found.curve.values.tolist(), found.missing) == (WAVE[: begin + 500].tolist(), [])
        surroundings.stop.set()
    assert len(await log.archive.segments(PLACE)) > 5
