"""Which processes archive, where from a past is read, and what is said of readers that hold the log."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agents.runtime.archive.archiving import archiver_for
from agents.runtime.archive.trimming import Trimmer
from agents.topology import Placed, Topology
from bus.archive import Archive
from bus.history import history_of
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from contracts.errors import ConfigError
from contracts.settings import ArchiveSettings, Settings, load
from tests.integration.bus.frames import STREAM, frame, numbers
from tests.unit.runtime.counting import Counter, Hands, Shelf, home
from tests.unit.runtime.test_recording import Book
from tests.unit.runtime.test_sinking import Pager

PLACE = Place(STREAM, 0)
SOURCE, COUNTER = Placed("acquisition", "plant", Shelf()), Placed("counter", "counter", Counter())
BOOK, PAGER = Placed("coordinator", "book", Book()), Placed("notification", "pager", Pager())


@pytest.mark.parametrize(
    ("placed", "here", "archives"),
    [
        ((SOURCE, COUNTER), (SOURCE, COUNTER), True),
        ((SOURCE, COUNTER), (COUNTER,), False),
        ((SOURCE, COUNTER, BOOK), (SOURCE, COUNTER), False),
        ((SOURCE, COUNTER, BOOK), (BOOK,), True),
    ],
)
def test_a_recorders_process_archives_or_else_a_sources(
    tmp_path: Path, placed: tuple[Placed, ...], here: tuple[Placed, ...], archives: bool
) -> None:
    surroundings, topology = home(MemoryBus(1)), Topology(placed)
    found = archiver_for(surroundings, Archive(tmp_path), ArchiveSettings(), topology, here)
    assert (found is not None) == archives
    assert archiver_for(surroundings, None, ArchiveSettings(), topology, here) is None
    assert archiver_for(surroundings, Archive(tmp_path), ArchiveSettings(enabled=False), topology, here) is None


def test_tasks_and_groups_of_the_configuration_are_known() -> None:
    assert Topology([SOURCE, COUNTER, BOOK, PAGER]).known() == {
        *("counter<readings.acquired", "book<incidents", "group pager"),
    }


async def test_an_unknown_reader_that_holds_the_log_is_named_once_an_hour() -> None:
    bus, hands = MemoryBus(1), Hands()
    await bus.append(PLACE, [frame(value) for value in range(1, 11)])
    await bus.commit(Commit(0, f"known<{STREAM}", 1, "", "2"))
    await bus.commit(Commit(0, f"former<{STREAM}", 1, "", "4"))
    await bus.commit(Commit(0, f"ahead<{STREAM}", 1, "", "9"))
    trimmer = Trimmer(home(bus, clock=hands.clock), {f"known<{STREAM}"})
    with capture_logs() as logs:
        for waited in (0.0, 10.0, 3000.0, 1000.0):
            hands.now_s += waited
            await trimmer.trim(PLACE, 8)
    assert [entry["reader"] for entry in logs] == [f"former<{STREAM}"] * 2
    assert logs[0]["mend"] == f"if it is gone for good: tocsin retire 'former<{STREAM}'"
    assert await bus.starts([PLACE]) == {PLACE: 3}


async def test_a_long_stream_is_trimmed_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.runtime.archive.trimming._STEP_EVENTS", 1000)

    class Counted(MemoryBus):
        steps: tuple[int, ...] = ()

        async def trim(self, place: Place, upto: int) -> int:
            self.steps = (*self.steps, upto)
            return await super().trim(place, upto)

    bus = Counted(1)
    for start in range(0, 2600, 50):
        await bus.append(PLACE, [frame(*range(start, start + 50))])
    await Trimmer(home(bus), ()).trim(PLACE, 2510)
    assert bus.steps == (1000, 2000, 2510, 2510), "the last one would cut an entry"
    assert await bus.starts([PLACE]) == {PLACE: 2501}


async def test_the_past_is_read_from_log_and_archive_where_there_is_one(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await bus.append(PLACE, [frame(1, 2), frame(3)])
    settings = Settings.model_construct(data_dir=tmp_path, archive=ArchiveSettings(enabled=False))
    assert history_of(settings, bus).archive is None
    on = settings.model_copy(update={"archive": ArchiveSettings()})
    archive = history_of(on, bus).archive
    assert archive is not None
    await archive.add(PLACE, await bus.range(PLACE, 1, 2, count=9))
    await bus.trim(PLACE, 2)
    assert numbers(await history_of(settings, bus).range(PLACE, 1, 3, count=9)) == [1, 2, 3], "an archive that was"
    assert archive.folder == tmp_path / "archive"
    elsewhere = settings.model_copy(update={"archive": ArchiveSettings(path=tmp_path / "far")})
    assert elsewhere.archive_dir == tmp_path / "far"


def test_no_agent_may_have_the_archives_name(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_text("agents: {archive: {kind: validation}}\n")
    with pytest.raises(ConfigError, match="choose another"):
        load(tmp_path / "tocsin.yaml")
