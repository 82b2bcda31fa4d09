"""``tocsin subscribers ls|show``."""

from collections.abc import Iterator
from typing import Any

import click

from ..acting.subscribers import Subscribers, known
from ..alerting.session import Session, run
from ..options import Loaded, common, json_option
from ..output import cell, document, line, say, tables


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
    for text in _lines(row):
        line(text)


def _lines(row: dict[str, Any]) -> Iterator[str]:
    """What there is to say of one, its settings last."""
    about = {key: value for key, value in row.items() if key != "spec"}
    for key, value in (about | row["spec"]).items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"{key:<18} {text}".rstrip()


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for heading in ("subscriber", "kind", "state", "sent", "failed tries", "given up", "last", "answer", "trouble"):
        table.add_column(heading)
    for row in rows:
        trouble = row["why"] or row["error"]
        cells = (row["name"], row["kind"], row["state"], f"{row['sent']:,}", f"{row['failed_tries']:,}",
                 f"{row['given_up']:,}", row["last"][:19], row["answer"], trouble[:60])  # fmt: skip
        table.add_row(*map(cell, cells))
    tables().print(table)
