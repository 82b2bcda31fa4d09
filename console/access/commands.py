"""``tocsin tokens create|ls|revoke``."""

import sys
from typing import Any, get_args

import click

from contracts.instants import SECOND, iso

from ..alerting.deciding import Length
from ..options import Loaded, common, json_option
from ..output import cell, document, say, tables
from .caller import Role
from .tokens import Token, tokens_of


@click.command()
@common
@click.argument("name")
@click.option("--role", type=click.Choice(get_args(Role)), required=True, help="What it may do.")
@click.option("--expires", type=Length(), help="It counts so long, as 90d. [default: until it is revoked]")
def create(loaded: Loaded, name: str, role: Role, expires: float | None) -> None:
    """Make a token for NAME, and print it: it is kept nowhere, and not shown again.

    viewer: look at everything, and ask for scores. operator: take care of alerts, silences, deliveries and dead
    letters, and run replays. admin: change subscribers, models and what is lost for good.
    """
    made, text = tokens_of(loaded.settings.data_dir).create(name, role, round((expires or 0) * SECOND))
    say(
        f"{made.name} is {made.role}{f' until {iso(made.expires)}' if made.expires else ''}; its token, told this once:"
    )
    sys.stdout.write(text + "\n")


@click.command()
@common
@json_option
@click.option("--all", "everything", is_flag=True, help="Those that were revoked, too.")
def ls(loaded: Loaded, everything: bool, as_json: bool) -> int:
    """List tokens, without their texts. Exit code 1 when there are none."""
    known = tokens_of(loaded.settings.data_dir)
    now = known.clock.wall_ns()
    rows = [_row(token, now) for token in known.known() if everything or not token.revoked]
    if as_json:
        document(rows)
    elif rows:
        _print(rows)
    else:
        say("no tokens")
    return 0 if rows else 1


@click.command()
@common
@click.argument("name")
def revoke(loaded: Loaded, name: str) -> None:
    """End the token of NAME at once, with the sessions that it began.

    Revoking the last one does not open the interface: nobody can come in then.
    """
    known = tokens_of(loaded.settings.data_dir)
    ended = known.revoke(name)
    now = known.clock.wall_ns()
    say(f"{ended.name} is revoked")
    if not any(token.state(now) == "active" for token in known.known()):
        say("no token is left: make another one, or nobody can use the interface without api.token")


def _row(token: Token, now: int) -> dict[str, Any]:
    return {
        "name": token.name, "role": token.role, "state": token.state(now), "made": iso(token.made),
        "expires": iso(token.expires) if token.expires else "", "ends_with": token.last,
    }  # fmt: skip


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for heading in ("name", "role", "state", "made", "expires", "ends with"):
        table.add_column(heading)
    for row in rows:
        times = (row["made"][:19], row["expires"][:19])
        table.add_row(*map(cell, (row["name"], row["role"], row["state"], *times, row["ends_with"])))
    tables().print(table)
