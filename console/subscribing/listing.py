"""``tocsin subscribers ls|show``."""

from typing import Any

import click

from ..acting.subscribers import Subscribers, known
from ..alerting.session import Session, run
from ..options import Loaded, common, json_option
from ..output import document, say, tables


async def _known(session: Session) -> Subscribers:
    return await known(session.actor.bus, session.loaded.settings)


@click.command()
@common
@json_option
def ls(loaded: Loaded, as_json: bool) -> int:
    """List subscribers, with their state and counters. Exit code 1 when there are none."""
    rows = run(loaded, _known).rows()
    if as_json:
        document(rows)
    elif rows:
        _print(rows)
    else:
        say("no subscribers")
    return 0 if rows else 1


@click.command()
@common
@json_option
@click.argument("name")
def show(loaded: Loaded, name: str, as_json: bool) -> None:
    """Show NAME, without its secrets."""
    found = run(loaded, _known)
    row = found.row(found.registry.known(name))
    if as_json:
        document(row)
        return
    for key, value in {**row, **row.pop("spec")}.items():
        tables().print(f"{key:<18} {value}", markup=False, highlight=False, soft_wrap=True)


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2))
    for heading in ("subscriber", "kind", "state", "sent", "failed tries", "given up", "last", "answer", "trouble"):
        table.add_column(heading)
    for row in rows:
        trouble = row["why"] or row["error"]
        cells = (row["name"], row["kind"], row["state"], f"{row['sent']:,}", f"{row['failed_tries']:,}",
                 f"{row['given_up']:,}", row["last"][:19], row["answer"], trouble[:60])  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells))
    tables().print(table)
