"""``tocsin subscribers deliveries|redeliver``: what was sent, try by try, and what is kept to be sent again."""

from typing import Any

import click

from ..acting.deliveries import row
from ..acting.deliveries import tries as tried
from ..acting.subscribers import kept
from ..acting.subscribers import redeliver as again
from ..alerting.session import Session, run
from ..options import Loaded, common, json_option
from ..output import cell, document, say, tables


@click.command()
@common
@json_option
@click.argument("name")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The latest so many.")
def deliveries(loaded: Loaded, name: str, as_json: bool, most: int) -> int:
    """List what was sent to NAME, newest first, each try with its answer. Exit code 1 when there is nothing."""

    async def work(session: Session) -> list[dict[str, Any]]:
        return await tries(session, name, most)

    found = run(loaded, work)
    if as_json:
        document(found)
    elif found:
        _print(found)
    else:
        say(f"nothing was sent to {name} yet")
    return 0 if found else 1


async def tries(session: Session, name: str, most: int) -> list[dict[str, Any]]:
    """The latest tries as plain data, newest first."""
    return [row(event) for event in await tried(session.history, name, most)]


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for heading in ("time", "key", "outcome", "try", "answer", "ms", "error"):
        table.add_column(heading)
    for told in rows:
        took = "" if told["latency_ms"] is None else f"{told['latency_ms']:g}"
        cells = (told["time"], told["key"][:12], told["outcome"], str(told["attempt"]), told["answer"], took,
                 told["error"])  # fmt: skip
        table.add_row(*map(cell, cells))
    tables().print(table)


@click.command()
@common
@click.argument("name")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--dry-run", is_flag=True, help="Only list what would be sent.")
@click.option("--by", default="", help="Who does it. [default: you]")
def redeliver(loaded: Loaded, name: str, keys: tuple[str, ...], dry_run: bool, by: str) -> int:
    """Send NAME again what could not be delivered, with the same keys: all of it, or what has one of KEYS.

    Exit code 1 when there is nothing.
    """

    async def work(session: Session) -> list[str]:
        if not dry_run:
            return await again(session.actor, session.history, name, frozenset(keys))
        found = await kept(session.history, session.loaded.settings, name)
        return [each.message.key for each in found if not keys or each.message.key in keys]

    sent = run(loaded, work, by)
    for key in sent:
        click.echo(key)
    say(f"{len(sent)} {'would be' if dry_run else 'are'} sent again")
    return 0 if sent else 1
