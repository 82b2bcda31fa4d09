"""``tocsin dlq``: what could not be handled, why, and what to do about it."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import click

from agents.letters import Letter, whole
from agents.redriving import Desk
from agents.topology import Topology
from bus.history import history_of
from bus.protocol import Bus, Recorded
from bus.redis import open_bus
from contracts.errors import NotFound, UnreadableEvent
from contracts.instants import EARLIEST
from contracts.rows import event_row

from .acting.letters import redrive as acted
from .acting.letters import tasks_of
from .host import Host
from .letters import SHORT, Filters, chosen_by, content_of, filters, named, row_of, show_letter, table_of, time_of
from .options import Loaded, common, json_option
from .output import document, emit, say, tables
from .who import who


@click.group()
def dlq() -> None:
    """Dead letters: what could not be handled. It waits here until somebody decides."""


@asynccontextmanager
async def _log(host: Host, loaded: Loaded) -> AsyncIterator[tuple[Bus, Recorded]]:
    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    try:
        yield bus, history_of(loaded.settings, bus)
    finally:
        await bus.close()


def _run(loaded: Loaded, work: Callable[[Bus, Recorded], Awaitable[int]]) -> int:
    async def go(host: Host) -> int:
        async with _log(host, loaded) as (bus, recorded):
            return await work(bus, recorded)

    with Host(loaded.settings, attach=True) as host:
        return anyio.run(go, host, backend_options={"use_uvloop": True})


# ---------------------------------------------------------------- look


@dlq.command()
@common
@filters
@json_option
def ls(loaded: Loaded, wanted: Filters, as_json: bool) -> int:
    """List the open dead letters. Exit code 1 when there are none."""

    async def work(bus: Bus, recorded: Recorded) -> int:
        found = await chosen_by(recorded, wanted)
        if as_json:
            for letter in found:
                emit(row_of(letter))
        elif found:
            tables().print(table_of(found))
        else:
            say("no open dead letters")
        return 0 if found else NotFound.exit_code

    return _run(loaded, work)


@dlq.command()
@common
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def show(loaded: Loaded, ids: tuple[str, ...], as_json: bool) -> int:
    """Show dead letters whole: reason, stack, and what is in them. The beginning of an ID is enough."""

    async def work(bus: Bus, recorded: Recorded) -> int:
        for letter in named(await chosen_by(recorded, Filters(None, None, EARLIEST)), ids):
            event = await whole(recorded, letter)
            record = {**event_row(event), "time": time_of(event), "partition": letter.partition, **content_of(event)}
            if as_json:
                document(record)
            else:
                show_letter(record)
        return 0

    return _run(loaded, work)


# ---------------------------------------------------------------- decide


def _decision(command: Callable[..., int]) -> Callable[..., int]:
    """Add what redrive and drop have in common."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--why", default="", metavar="TEXT", help="The reason; it is kept in the log."),
        filters,
        click.option("--all", "everything", is_flag=True, help="All open letters that the filters leave."),
        click.argument("ids", nargs=-1, metavar="[ID...]"),
        common,
    ):
        command = option(command)
    return command


@dlq.command()
@_decision
def redrive(loaded: Loaded, wanted: Filters, *, ids: tuple[str, ...], everything: bool, why: str, yes: bool) -> int:
    """Have dead letters handled again by the task or sink that could not. Correct the cause first.

    What was handled behind them stays as it is: to their task they come now.
    """
    known = tasks_of(Topology.of(loaded.settings, loaded.file))

    async def one(desk: Desk, letter: Letter) -> bool:
        return await acted(desk, letter, known)

    return _decide(loaded, wanted, ids, everything, why, "redrive" if not yes else "", one)


@dlq.command()
@_decision
def drop(loaded: Loaded, wanted: Filters, *, ids: tuple[str, ...], everything: bool, why: str, yes: bool) -> int:
    """Decide that dead letters need nothing any more. They stay in the log, and are listed no more."""

    async def one(desk: Desk, letter: Letter) -> bool:
        return await desk.drop(letter)

    return _decide(loaded, wanted, ids, everything, why, "drop" if not yes else "", one)


def _decide(
    loaded: Loaded,
    wanted: Filters,
    ids: tuple[str, ...],
    everything: bool,
    why: str,
    ask: str,
    one: Callable[[Desk, Letter], Awaitable[bool]],
) -> int:
    if everything == bool(ids):
        raise click.UsageError("name the letters by their ids, or say --all")

    async def work(bus: Bus, recorded: Recorded) -> int:
        found = await chosen_by(recorded, wanted)
        chosen = found if everything else named(found, ids)
        if not chosen:
            say("no open dead letters")
            return NotFound.exit_code
        if ask and sys.stdin.isatty():
            click.confirm(f"{ask} {len(chosen)} dead letters?", abort=True, err=True)
        desk, done, failed = Desk(bus, recorded, who(), why), 0, 0
        for letter in chosen:
            try:
                done += await one(desk, letter)
            except (NotFound, UnreadableEvent) as error:
                failed += 1
                say(f"{letter.about.id[:SHORT]}: {error}")
        say(f"{done} done, {failed} left as they are, {len(chosen) - done - failed} were decided before")
        return 0 if not failed else NotFound.exit_code

    return _run(loaded, work)
