"""The doctor on the archive and on whoever holds the log: it finds every fault that is planted."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bus.archive import Archive
from bus.protocol import Bus, Commit, Place
from contracts.events import ReadingsAcquired
from tests.integration.faults import assert_told
from tests.integration.test_doctor import CONFIG, HEALTHY, TASK, Home, look, read_all, readings, wrong
from tests.integration.test_doctor import home as home  # the fixture

PLACE = Place(ReadingsAcquired.stream, 0)


@pytest.fixture
def archived(home: Home) -> Home:
    """A healthy service that has archived everything."""

    async def act(bus: Bus) -> None:
        archive = Archive(home.data_dir / "archive", bus.identity)
        await archive.add(PLACE, await bus.range(PLACE, 1, 5, count=9))
        await bus.commit(Commit(0, f"archive<{PLACE.stream}", 1, "", "5"))

    home.append(readings(5))
    home.on_bus(read_all("5"))
    home.on_bus(act)
    return home


def test_a_healthy_archive_has_no_finding(archived: Home) -> None:
    findings = look(archived.choices)
    assert wrong(findings) == {}
    assert findings["archive"].found.startswith("1 files with 0.0 GB")
    assert findings["log.archived"].found == "5 events, 0 are still to come"
    assert findings["log.readers"].status == "ok"


def lose(folder: Path) -> None:
    (folder / f"stream={PLACE.stream}/partition=0000/manifest.jsonl").unlink()


def damage(folder: Path) -> None:
    path = folder / f"stream={PLACE.stream}/partition=0000/manifest.jsonl"
    path.write_bytes(b"no" + path.read_bytes())


@pytest.mark.parametrize(
    ("plant", "name", "also"),
    [(lose, "a lost archive", ()), (damage, "a damaged archive", ("log.archived",))],
    ids=["lost", "damaged"],
)
def test_a_broken_archive_is_found(
    archived: Home, plant: Callable[[Path], None], name: str, also: tuple[str, ...]
) -> None:
    plant(archived.data_dir / "archive")
    findings = look(archived.choices)
    assert_told(findings, name, also)
    assert set(wrong(findings)) >= set(also)


def test_an_archive_that_is_turned_off_is_found(home: Home) -> None:
    home.config.write_text(CONFIG + "archive: {enabled: false}\n")
    assert_told(look(home.choices), "no archive")


async def retired_agent(bus: Bus) -> None:
    await bus.commit(Commit(0, f"former<{PLACE.stream}", 1, "", "3"))


async def foreign_group(bus: Bus) -> None:
    await bus.subscribe("somebody", [PLACE])


@pytest.mark.parametrize(
    ("plant", "name", "told"),
    [
        (retired_agent, "an agent that is gone", f"former<{PLACE.stream} holds 2 events"),
        (foreign_group, "a group of another program", "group somebody holds 5 events"),
    ],
)
def test_a_reader_that_is_not_configured_is_found(
    archived: Home, plant: Callable[[Bus], Awaitable[None]], name: str, told: str
) -> None:
    archived.on_bus(plant)
    findings = look(archived.choices, HEALTHY)
    assert_told(findings, name)
    assert findings["log.readers"].found == told
    assert "tocsin retire '" in findings["log.readers"].mend
    assert TASK not in findings["log.readers"].found
