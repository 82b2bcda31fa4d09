"""Dead letters: which may be handled again unasked, because what kept them from it is gone."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence

from agents.letters import Letter, contents, open_letters, whole
from agents.redriving import Desk
from bus.protocol import Place, Recorded
from bus.scan import backwards
from contracts.errors import CorruptEvent, NotFound, UnreadableEvent
from contracts.events import NotificationDue, NotificationSent

from ..acting.letters import redriven, tasks_of
from .case import Opened
from .step import PIPELINE, Step

#: What comes and goes by itself, as reasons of letters begin; everything else comes again.
_PASSING = re.compile(
    r"(Unavailable|Denied|RetryLater|TimeoutError|OSError|PermissionError|BlockingIOError|Connect\w*Error|ConnectionError|"
    r"ReadError|ReadTimeout|ConnectTimeout|RemoteProtocolError|SMTP\w*|gaierror)\b"
)
_FULL = re.compile(r"No space left|[Qq]uota|MISCONF|disk is full|Errno (?:28|122)\b")
#: Letters that are looked into, and events of deliveries that are gone through: seconds' work.
_MOST, _MOST_EVENTS = 2_000, 50_000
_WHY = "recover: what kept it from being handled is gone"


async def steps(opened: Opened) -> AsyncIterator[Step]:
    """What becomes of the open letters."""
    found = sorted(await open_letters(opened.history), key=lambda letter: letter.about.time)
    if not found:
        return
    known = tasks_of(opened.topology)
    again = [letter for letter in await _passed(opened, found[:_MOST]) if letter.about.agent in known]
    if again:
        yield Step(
            "redrive",
            PIPELINE,
            f"{len(again)} dead letters of a cause that is gone, as: {again[0].about.reason[:200]}",
            "have them handled again by the tasks and sinks that could not",
            f"tocsin dlq redrive {' '.join(letter.about.id[:12] for letter in again[:5])}",
            act=lambda: _redrive(opened, again, known),
        )
    rest = [letter for letter in found if letter not in again]
    broken = [letter for letter in rest[:_MOST] if await _unreadable(opened.history, letter)]
    if broken:
        yield Step(
            "drop",
            PIPELINE,
            f"{len(broken)} dead letters whose bytes are damaged: no version can read them",
            "decide that nothing more is to be done about them; they stay in the log",
            f"tocsin dlq drop {' '.join(letter.about.id[:12] for letter in broken[:5])}",
            safe=False,
            act=lambda: _drop(opened, broken),
        )
    if rest := [letter for letter in rest if letter not in broken]:
        yield Step(
            "dead-letters",
            PIPELINE,
            f"{len(rest)} dead letters that would come again, as: {rest[-1].about.reason[:200]}",
            "correct the cause, then have them handled again, or drop them",
            "tocsin dlq ls; tocsin dlq redrive",
            safe=False,
        )


async def _passed(opened: Opened, letters: Sequence[Letter]) -> list[Letter]:
    """Those whose cause comes and goes by itself, and was seen to be gone; one that came back is for people."""
    passing = [letter for letter in letters if _PASSING.match(letter.about.reason) and not letter.about.at]
    if not passing:
        return []
    last = await _delivered(opened.history, min(letter.about.time for letter in passing))
    room = opened.case.fine("disk")
    found = []
    for letter in passing:
        full = room and _FULL.search(letter.about.reason)
        if full or last.get(await _receiver(opened.history, letter), 0) > letter.about.time:
            found.append(letter)
    return found


async def _delivered(recorded: Recorded, since: int) -> Mapping[str, int]:
    """Subscriber or sink -> when it last took something, as far back as ``since`` (wall clock, ns)."""
    last: dict[str, int] = {}
    for partition in range(recorded.partitions):
        read = 0
        async for found in backwards(recorded, Place(NotificationSent.stream, partition)):
            for event in found.events:
                if isinstance(event, NotificationSent):
                    last[event.subscriber] = max(last.get(event.subscriber, 0), event.time)
            read += found.entry.count
            oldest = min((event.time for event in found.events if isinstance(event, NotificationSent)), default=since)
            if read > _MOST_EVENTS or oldest < since:
                break
    return last


async def _receiver(recorded: Recorded, letter: Letter) -> str:
    """Whom a delivery was for: a subscriber, or the sink itself."""
    try:
        events = contents(await whole(recorded, letter))
    except (NotFound, UnreadableEvent):
        return ""
    names = [event.subscriber for event in events if isinstance(event, NotificationDue) and event.subscriber]
    return names[0] if names else letter.about.agent


async def _unreadable(recorded: Recorded, letter: Letter) -> bool:
    if "CorruptEvent" not in letter.about.reason:
        return False
    try:
        contents(await whole(recorded, letter))
    except CorruptEvent:
        return True
    except (NotFound, UnreadableEvent):
        return False
    return False


async def _redrive(opened: Opened, letters: Sequence[Letter], known: set[str]) -> str:
    desk = Desk(opened.bus, opened.history, opened.case.by, _WHY)
    decided = await redriven(desk, letters, known)
    left = f", {len(decided.left)} left: {next(iter(decided.left.values()))}" if decided.left else ""
    return f"{len(decided.done)} are handled again{left}"


async def _drop(opened: Opened, letters: Sequence[Letter]) -> str:
    desk = Desk(opened.bus, opened.history, opened.case.by, "recover: its bytes are damaged")
    return f"{sum([await desk.drop(letter) for letter in letters])} dropped"
