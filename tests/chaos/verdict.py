"""Whether a disturbed log is the undisturbed one: by event id, payload and order; and what happened outside of it."""

import json
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from agents.runtime.home import Home
from agents.supervisor import Supervisor
from bus.memory import MemoryBus
from bus.protocol import Bus, Place, Recorded
from contracts.events import AgentFailed, DeadLettered, LineageRecorded, LogGap, NotificationFailed, NotificationSent
from tests.unit.runtime.counting import events, of_type, told

from .parts import PARTITIONS, READINGS, SINK, SOURCE, TASKS, ids, topology
from .worker import settings

#: What follows from the readings alone.
FACTS = ("readings.acquired", "readings.accepted", "incidents", "notifications")
Story = dict[tuple[str, int], list[str]]
#: Partition and task -> position before, token, position after, of each step.
Rows = dict[tuple[int, str], list[tuple[int, int, str]]]


async def story(log: Recorded) -> Story:
    """All facts in the log, place by place."""
    return {
        (stream, number): [told(event) for event in await events(log, stream, number)]
        for stream in FACTS
        for number in range(PARTITIONS)
    }


@cache
def undisturbed() -> Story:
    """The facts of a run that nobody disturbs."""

    async def run() -> Story:
        bus = MemoryBus(PARTITIONS)
        with TemporaryDirectory() as folder:
            parts = topology(Path(folder))
            home = Home(bus, "undisturbed", settings())
            async with anyio.create_task_group() as group:
                group.start_soon(Supervisor(home, parts, parts.placed, live=False).run)
                with anyio.fail_after(60):
                    while await undone(bus):  # noqa: ASYNC110 - it is in the log
                        await anyio.sleep(0.02)
                home.stop.set()
        return await story(bus)

    return anyio.run(run)


async def undone(bus: Bus) -> dict[str, int]:
    """Task -> how many events it has not handled yet; empty when all is done."""
    left: dict[str, int] = defaultdict(int)
    acquired = 0
    for number in range(PARTITIONS):
        positions = await bus.positions(number)
        for task, stream in TASKS.items():
            place = Place(stream, number)
            end = (await bus.ends([place]))[place]
            left[task] += end - int(positions.get(f"{task}<{stream}", "0"))
            acquired += end if task == "passing" else 0
        post = Place("notifications", number)
        left[SINK] += (await bus.ends([post]))[post] - (await bus.settled(SINK, [post]))[post]
    left[SOURCE] = max(0, READINGS - acquired)
    return {task: count for task, count in left.items() if count}


async def trimmed(bus: Bus) -> int:
    """How many facts are not on the server any more."""
    places = [Place(stream, number) for stream in FACTS for number in range(PARTITIONS)]
    return sum(start - 1 for start in (await bus.starts(places)).values())


async def problems(log: Recorded, folder: Path) -> list[str]:
    """Everything that is not as it should be."""
    found = await story(log)
    return [
        *_compared(found, undisturbed()),
        *[text async for text in _unwanted(log)],
        *_posted(folder, undisturbed(), [event.key for event in await of_type(log, NotificationSent)]),
        *await _books(log, folder),
        *_audited(folder),
    ]


def _compared(found: Story, wanted: Story) -> Iterator[str]:
    for place, texts in wanted.items():
        missing, extra = Tally(texts) - Tally(found[place]), Tally(found[place]) - Tally(texts)
        for count, word, which in ((missing.total(), "missing", missing), (extra.total(), "doubled or wrong", extra)):
            if count:
                yield f"{place}: {count} {word}, such as {next(iter(which))[:200]}"
        if not missing and not extra and texts != found[place]:
            yield f"{place}: out of order"


async def _unwanted(log: Recorded) -> AsyncIterator[str]:
    for kind in (DeadLettered, LogGap, NotificationFailed):
        for event in (await of_type(log, kind))[:1]:
            yield f"{kind.__name__}: {event.model_dump_json()[:300]}"
    for event in await of_type(log, AgentFailed):
        if not any(word in event.error for word in ("PositionMoved", "Fenced")):
            yield f"AgentFailed: {event.agent} {event.error}"


def _posted(folder: Path, wanted: Story, receipts: list[str]) -> Iterator[str]:
    due = {
        json.loads(text.partition(" ")[2])["key"]
        for place, texts in wanted.items()
        if place[0] == "notifications"
        for text in texts
    }
    file = folder / "post"
    posted = set(file.read_text().split()) if file.exists() else set()
    if posted != due:
        yield f"post: {len(due - posted)} never delivered, {len(posted - due)} that nobody wrote"
    counted = Tally(receipts)
    if set(counted) != due or counted.total() != len(due):
        doubled = [key for key, count in counted.items() if count > 1]
        yield f"receipts: {len(due - set(counted))} missing, {len(doubled)} doubled"


async def _books(log: Recorded, folder: Path) -> list[str]:
    """The bookkeeper's files against the log, and its receipts, each event in exactly one."""
    wrong = []
    receipts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number in range(PARTITIONS):
        for event in await events(log, LineageRecorded.stream, number):
            assert isinstance(event, LineageRecorded)
            receipts[number].append((event.first, event.last))
        there = [ids(event) for event in await events(log, "incidents", number)]
        covered = [place for first, last in sorted(receipts[number]) for place in range(first, last + 1)]
        if covered != list(range(1, len(there) + 1)):
            wrong.append(f"books: partition {number} of {len(there)} is recorded as {sorted(receipts[number])}")
        for first, last in receipts[number]:
            file = folder / "books" / f"{number}-{first}-{last}.json"
            if not file.exists() or json.loads(file.read_text()) != there[first - 1 : last]:
                wrong.append(f"books: {file.name} is missing or not what the log says")
    return wrong


def _audited(folder: Path) -> Iterator[str]:
    """No commit from the position that a newer owner had found, or a later one, by an older token."""
    commits: Rows = defaultdict(list)
    fences: Rows = defaultdict(list)
    for line in (folder / "audit").read_text().splitlines():
        verb, partition, task, token, before, after = json.loads(line)
        if before.isdigit() or not before:
            (commits if verb == "commit" else fences)[partition, task].append((int(before or 0), token, after))
    for lane, rows in commits.items():
        for before, token, after in rows:
            newer = [seen for position, seen, _ in fences[lane] if seen > token and position <= before]
            if newer:
                yield f"{lane}: token {token} moved it from {before} to {after}, though {newer[0]} had fenced it off"
        # The same one may be confirmed twice: when the first reply was lost.
        for before, count in Tally(before for before, after in {(row[0], row[2]) for row in rows}).items():
            if count > 1:
                yield f"{lane}: {count} different commits from {before}"
