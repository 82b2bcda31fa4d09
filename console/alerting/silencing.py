"""``tocsin alerts silence|silences|unsilence``: nobody is told of what matches, for a time."""

import click

from contracts.instants import SECOND, iso

from ..acting import silences as acting
from ..instant import Instant
from ..options import Loaded, common, json_option
from ..output import document, line, say
from .deciding import Length
from .session import Session, run


@click.command()
@common
@click.argument("matchers", nargs=-1, required=True)
@click.option("--for", "length", type=Length(), required=True, help="So long, as 2h.")
@click.option("--from", "begins", type=Instant(), help="As 2026-11-21T22:00:00Z. [default: now]")
@click.option("--comment", default="", help="Why; kept with it.")
@click.option("--by", default="", help="Who says so. [default: you]")
def silence(
    loaded: Loaded, matchers: tuple[str, ...], length: float, begins: int | None, comment: str, by: str
) -> None:
    """Tell nobody of alerts that match all MATCHERS, as 'asset="pump-1"' or 'channel=~"temp.*"'. Prints its id."""

    async def work(session: Session) -> str:
        ends = (begins or session.actor.clock.wall_ns()) + round(length * SECOND)
        try:
            event = await acting.silence(session.actor, matchers, starts=begins, ends=ends, comment=comment)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        say(f"silenced until {iso(ends)}")
        return event.id

    click.echo(run(loaded, work, by))


@click.command()
@common
@json_option
def silences(loaded: Loaded, as_json: bool) -> int:
    """List the silences that have not ended. Exit code 1 when there are none."""

    async def work(session: Session) -> list[dict[str, object]]:
        return acting.rows(await session.state(), session.actor.clock.wall_ns())

    found = run(loaded, work)
    if as_json:
        document(found)
    for row in [] if as_json else found:
        matchers = ", ".join(map(str, row["matchers"])) if isinstance(row["matchers"], list) else ""
        text = f"{str(row['id'])[:12]}  {row['starts']} to {row['ends']}  {matchers}  {row['by']} {row['comment']}"
        line(text.rstrip())
    if not found and not as_json:
        say("no silences")
    return 0 if found else 1


@click.command()
@common
@click.argument("name", metavar="SILENCE")
@click.option("--by", default="", help="Who says so. [default: you]")
def unsilence(loaded: Loaded, name: str, by: str) -> None:
    """End SILENCE (its id, or the beginning of one) before its time."""

    async def work(session: Session) -> None:
        await acting.unsilence(session.actor, await session.state(), name)

    run(loaded, work, by)
    say("ended")
