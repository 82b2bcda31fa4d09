"""Dead letters on the command line: which are meant, and how they look."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from agents.letters import Letter, contents, open_letters
from bus.protocol import Recorded
from bus.scan import STREAMS
from contracts.errors import NotFound, UnreadableEvent
from contracts.events import DeadLettered
from contracts.instants import EARLIEST, iso
from contracts.rows import event_row, rows

from .instant import Instant
from .output import still, tables

R = TypeVar("R")

SHORT = 12
_MOST_ROWS = 20


@dataclass(frozen=True)
class Filters:
    """Which open letters are meant."""

    agent: str | None
    stream: str | None
    since: int

    def match(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        about = letter.about
        own = (
            self.agent is None
            or about.agent == self.agent
            or about.agent.startswith((f"{self.agent}.", f"{self.agent}<"))
        )
        return own and self.stream in (None, about.origin) and about.time >= self.since


def filters(command: Callable[..., R]) -> Callable[..., R]:
    """Add --agent, --stream and --since."""

    @click.option("--agent", help="Only of this agent, or of one task or sink of it.")
    @click.option("--stream", type=click.Choice(STREAMS), help="Only what came from this stream.")
    @click.option("--since", type=Instant(), default=EARLIEST, help="Only letters of this time or later.")
    @wraps(command)
    def wrapper(*args: Any, agent: str | None, stream: str | None, since: int, **rest: Any) -> R:
        return command(*args, Filters(agent, stream, since), **rest)

    return wrapper


async def chosen_by(recorded: Recorded, wanted: Filters) -> list[Letter]:
    """The open letters that are meant, oldest first."""
    return sorted(filter(wanted.match, await open_letters(recorded)), key=lambda letter: letter.about.time)


def row_of(letter: Letter) -> dict[str, Any]:
    """A letter as one line of JSON, without frame and stack."""
    row = event_row(letter.about)
    for name in ("type", "cause", "asset", "channel", "trace", "frame"):
        del row[name]
    return {**row, "time": time_of(letter.about), "partition": letter.partition}


def time_of(event: DeadLettered) -> str:
    """When it was written; empty for what a processor could not even read."""
    return iso(event.time) if event.time else ""


def table_of(found: list[Letter]) -> Any:
    """Letters for people."""
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "time", "agent", "origin", header_style="bold", box=None)
    table.add_column("position", justify="right")
    table.add_column("tries", justify="right")
    table.add_column("reason", no_wrap=True, overflow="ellipsis")
    for letter in found:
        about = letter.about
        numbers = (f"{about.position:,}", str(about.tries))
        cells = (about.id[:SHORT], time_of(about)[:19], about.agent, about.origin, *numbers, about.reason)
        table.add_row(*(Text(cell.replace("\n", " ")) for cell in cells))
    return table


def content_of(event: DeadLettered) -> dict[str, Any]:
    """What is in the frame, or why that cannot be said."""
    try:
        return {"events": [row for inner in contents(event) for row in rows(inner)]}
    except UnreadableEvent as error:
        return {"events": [], "unreadable": str(error)}


def show_letter(record: dict[str, Any]) -> None:
    """A whole letter for people."""
    from rich.text import Text

    out = tables()
    for name in ("id", "time", "agent", "origin", "partition", "position", "tries", "reason", "unreadable"):
        if record.get(name) not in (None, ""):
            out.print(Text.assemble((f"{name:<11}", "bold"), still(str(record[name]))), soft_wrap=True)
    # Each line indented: what stands in the message of an error must not look like a field of ours.
    trace = record["trace"].partition("\n")[2].rstrip().replace("\n", "\n  ")
    out.print(Text(f"  {trace}" if trace else "", style="dim"), soft_wrap=True)
    events = record["events"]
    for row in events[:_MOST_ROWS]:
        out.print(Text(still("  ".join(f"{key}={value}" for key, value in row.items()))), soft_wrap=True)
    if len(events) > _MOST_ROWS:
        out.print(f"and {len(events) - _MOST_ROWS:,} more: see --json")


def named(found: list[Letter], ids: tuple[str, ...]) -> list[Letter]:
    """The open letters with these ids, or beginnings of ids.

    Raises NotFound when there is none of a name, or more than one.
    """
    chosen: dict[str, Letter] = {}
    for name in ids:
        fitting = [letter for letter in found if letter.about.id.startswith(name)]
        if len(fitting) != 1:
            what = "is not the id of an open dead letter" if not fitting else f"fits {len(fitting)} dead letters"
            raise NotFound(f"{name} {what}", mend="`tocsin dlq ls --json` lists them with their whole ids")
        chosen[fitting[0].about.id] = fitting[0]
    return list(chosen.values())
