"""Dead letters: which are open, what is in them, and deciding about them while the service runs."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from agents.letters import Letter, OpenLetters, whole
from agents.redriving import Desk
from bus.history import History
from bus.protocol import Bus
from contracts.errors import NotFound, UnreadableEvent
from contracts.rows import event_row

from ..letters import content_of, named, row_of, time_of

if TYPE_CHECKING:
    from agents.topology import Topology

#: Letters whose beginning is remembered, and how much of it is shown.
_REMEMBERED, _SHOWN = 500, 300
#: Events of one letter that are told: its frame may hold a thousand.
_MOST_EVENTS = 50


@dataclass(frozen=True)
class Decisions:
    """What became of several letters: those that were decided now, and those that could not be, with the cause."""

    done: tuple[str, ...]
    left: dict[str, str]


def tasks_of(topology: "Topology") -> set[str]:
    """The tasks and sinks that a letter can be given back to."""
    return {*topology.tasks(), *(item.name for item in topology.placed)}


async def redrive(desk: Desk, letter: Letter, known: set[str]) -> bool:
    """Have a letter handled again by its task; False: that was decided before.

    Raises NotFound where its task is not configured, UnreadableEvent where this version cannot read it.
    """
    if letter.about.agent not in known:
        raise NotFound(f"no task or sink {letter.about.agent!r} is configured: nobody would handle it")
    return await desk.redrive(letter)


async def redriven(desk: Desk, letters: Sequence[Letter], known: set[str]) -> Decisions:
    """Have several handled again, each for itself."""
    done, left = list[str](), dict[str, str]()
    for letter in letters:
        try:
            if await redrive(desk, letter, known):
                done.append(letter.about.id)
        except (NotFound, UnreadableEvent) as error:
            left[letter.about.id] = str(error)
    return Decisions(tuple(done), left)


@dataclass
class Letters:
    """The open letters of a log; reads on where it stopped."""

    bus: Bus
    history: History
    _open: OpenLetters = field(init=False)
    _reading: anyio.Lock = field(default_factory=anyio.Lock)
    _beginnings: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._open = OpenLetters(self.history)

    async def open(self, task: str = "") -> list[Letter]:
        """Those of a task or sink, or all of them; oldest first. Raises Unavailable."""
        async with self._reading:
            await self._open.refresh()
            found = [letter for letter in self._open if task in ("", letter.about.agent)]
        return sorted(found, key=lambda letter: (letter.about.time, letter.about.id))

    async def one(self, name: str) -> Letter:
        """The open letter of this id, or beginning of it. Raises NotFound where there is none, or more than one."""
        return named(await self.open(), (name,))[0]

    async def rows(self, letters: Sequence[Letter]) -> list[dict[str, Any]]:
        """Letters as plain data, each with the beginning of what is in it."""
        return [{**row_of(letter), "input": await self._beginning(letter)} for letter in letters]

    async def content(self, letter: Letter) -> dict[str, Any]:
        """One letter with its stack and what is in it. Raises NotFound when it is not in the log any more."""
        event = await whole(self.history, letter)
        content = content_of(event)
        row = event_row(event)
        del row["frame"]
        return {
            **row,
            "time": time_of(event),
            # Its first line only makes it one of a kind.
            "trace": event.trace.partition("\n")[2].rstrip(),
            "partition": letter.partition,
            "contents": content["events"][:_MOST_EVENTS],
            "more": max(0, len(content["events"]) - _MOST_EVENTS),
            "unreadable": content.get("unreadable", ""),
        }

    def desk(self, by: str, why: str) -> Desk:
        """Where ``by`` decides."""
        return Desk(self.bus, self.history, by, why)

    async def _beginning(self, letter: Letter) -> str:
        """What is in a letter, in a line; what was written once does not change."""
        known = self._beginnings.get(letter.about.id)
        if known is None:
            try:
                content = content_of(await whole(self.history, letter))
                known = content.get("unreadable") or "; ".join(map(_line, content["events"][:3]))
            except NotFound as error:
                known = str(error)
            self._beginnings[letter.about.id] = known[:_SHOWN]
            if len(self._beginnings) > _REMEMBERED:
                self._beginnings.popitem(last=False)
        return known[:_SHOWN]


def _line(row: dict[str, Any]) -> str:
    """An event in a line, its type first; what only numbers it is left out."""
    rest = {key: value for key, value in row.items() if key not in ("type", "id", "cause") and value not in ("", None)}
    return f"{row['type']}: " + ", ".join(f"{key}={value}" for key, value in rest.items())
