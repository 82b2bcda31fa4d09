"""What keeps the pipeline from going on, by the log: damaged states, stopped partitions, readers that are gone."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from anyio import to_thread

from agents.coordinator.index.file import FOLDER as INDEX
from agents.coordinator.index.file import replace
from agents.standstill import Standstill, standing_still
from bus.protocol import Place
from bus.redis.damage import damaged, saved, set_aside
from bus.scan import STREAMS
from contracts.settings import ARCHIVE

from ..retire import forget
from .case import Opened
from .step import LOSS, PIPELINE, Step

#: How a recovery says that entries are missing: no other state would help.
_HOLE = "should go on at"


async def steps(opened: Opened) -> AsyncIterator[Step]:
    """Everything that the log knows of."""
    for found in (_snapshots, _stopped, _readers):
        async for step in found(opened):
            yield step
    for step in await to_thread.run_sync(lambda: list(_index(opened))):
        yield step


# ---------------------------------------------------------------- states


async def _snapshots(opened: Opened) -> AsyncIterator[Step]:
    bad = [(number, name) for number in range(opened.bus.partitions) for name in await damaged(opened.bus, number)]
    if not bad:
        return
    number, name = bad[0]
    yield Step(
        "snapshots",
        PIPELINE,
        f"{len(bad)} saved states are not what was written, as that of {name} on partition {number}",
        "set them aside for a week: the task recovers from the state before, or from the log",
        "tocsin recover",
        act=lambda: _set_aside(opened, bad),
    )


async def _set_aside(opened: Opened, bad: Sequence[tuple[int, str]]) -> str:
    for number, name in bad:
        # It may have been written anew meanwhile.
        if name in await damaged(opened.bus, number):
            await set_aside(opened.bus, number, name)
    return f"{len(bad)} set aside"


async def _stopped(opened: Opened) -> AsyncIterator[Step]:
    for item in await standing_still(opened.bus):
        task, wrong = item.event.agent, f"{item.event.agent} stands still on partition {item.partition}"
        about = f"{wrong}: {item.event.error[:300]}"
        kept = await saved(opened.bus, item.partition, task)
        if not kept:
            action = "nothing more can be done to its states: start the agent again, it computes them from the log"
            yield Step("stopped", PIPELINE, about, action, f"tocsin up {_agent(task)}", safe=False)
        elif _HOLE in item.event.error:
            action = "restore the server's data: a state that skips events would be wrong without anybody noticing"
            yield Step("stopped", LOSS, about, action, "tocsin restore FOLDER", safe=False)
        else:
            action = "set its states aside: it computes them from the log again, compares nothing, and goes on"
            act = partial(_reset, opened, item, kept)
            yield Step(f"reset.{task}.{item.partition}", PIPELINE, about, action, "tocsin recover", safe=False, act=act)


async def _reset(opened: Opened, item: Standstill, kept: Sequence[str]) -> str:
    for name in kept:
        await set_aside(opened.bus, item.partition, name)
    return f"{len(kept)} states set aside; now start the agent again: tocsin up"


def _agent(task: str) -> str:
    return task.partition("<")[0].partition(".")[0]


# ---------------------------------------------------------------- readers


async def _readers(opened: Opened) -> AsyncIterator[Step]:
    """Whoever holds the log and is not configured; the doctor tells of them, this knows their names."""
    held = await _held(opened)
    for reader, events in sorted(held.items()):
        yield Step(
            f"retire.{reader}",
            PIPELINE,
            f"{reader} is not configured, and holds {events:,} events that it has not read",
            "forget it for good, so that the log need not wait for it; should it come back, it begins anew",
            f"tocsin retire '{reader}'",
            safe=False,
            act=partial(_retire, opened, reader),
        )


async def _held(opened: Opened) -> dict[str, int]:
    bus, known, held = opened.bus, opened.topology.known(), dict[str, int]()
    places = [Place(stream, number) for stream in STREAMS for number in range(bus.partitions)]
    for place, end in (await bus.ends(places)).items():
        for reader, ordinal in (await bus.readers(place)).items() if end else ():
            if reader not in known and not reader.startswith(f"{ARCHIVE}<") and end > ordinal:
                held[reader] = held.get(reader, 0) + end - ordinal
    return held


async def _retire(opened: Opened, reader: str) -> str:
    if reader not in await _held(opened):
        return "it holds nothing any more"
    known = await forget(opened.bus, reader, opened.case.loaded.settings.bus.lease_s)
    return f"{', '.join(known)} is forgotten"


# ---------------------------------------------------------------- the index of alerts


def _index(opened: Opened) -> Iterator[Step]:
    """Blocks for as long as SQLite needs to compare tables with their indexes."""
    folder = opened.case.data_dir / INDEX
    found = sorted(folder.glob("alerts-*.db"))
    problem = _problem(found[-1]) if found else ""
    if problem:
        yield Step(
            "index",
            PIPELINE,
            f"the index of alerts is damaged: {found[-1].name}: {problem}",
            "begin an empty one: it is filled from the log again by whoever needs it first",
            f"rm {folder}/alerts-*.db*",
            act=partial(_renew, folder, found[-1], opened.bus.identity),
        )


def _problem(path: Path) -> str:
    """What SQLite has against a file; nothing is written, and nothing made that is not there."""
    # Without a journal beside it nobody writes, and it may be read as it stands.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=5)) as database:
            (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            database.execute("SELECT count(*) FROM about").fetchone()
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) or "unable to open" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if said == "ok" else str(said)[:200]


async def _renew(folder: Path, path: Path, identity: str) -> str:
    await to_thread.run_sync(replace, folder, path, identity)
    return "an empty one was begun"
