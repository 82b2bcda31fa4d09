"""``tocsin alerts ls``."""

from collections.abc import Sequence
from typing import Any

import click

from agents.notification.alerts.alert import RANK
from agents.notification.routing.matching import matches, parse_all
from bus.news import News
from contracts.events import AlertLabelled, Severity
from contracts.identity import series_name

from ..acting import alerts as acting
from ..options import Loaded, common, json_option
from ..output import cell, document, say, tables
from .findings import latest
from .session import Session, run

_STATES = ("open", "acknowledged", "resolved", "all")


@click.command()
@common
@json_option
@click.option("--most", type=click.IntRange(1), default=50, show_default=True, help="The latest so many.")
@click.option("--state", type=click.Choice(_STATES), help="[default: what is not resolved]")
@click.option("--severity", type=click.Choice(sorted(RANK, key=RANK.__getitem__)), help="This, or worse.")
@click.option("--match", "matchers", multiple=True, help="As 'asset=~\"pump.*\"'; may be given again.")
@click.option("--labelled", is_flag=True, help="Only those that somebody labelled.")
def ls(
    loaded: Loaded, as_json: bool, most: int, state: str | None, severity: Severity | None, matchers: Sequence[str],
    labelled: bool,
) -> None:  # fmt: skip
    """The latest alerts, newest first, with what was said of them.

    Where neither routes nor subscribers are configured nobody follows alerts: then findings are listed.
    """
    try:
        wanted = parse_all(matchers)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--match") from error

    async def work(session: Session) -> list[dict[str, Any]]:
        if not loaded.settings.alerting.on:
            if state or matchers:
                raise click.UsageError("nobody follows alerts here, so only findings are listed: they have no state")
            return await latest(session.actor.bus, most, labelled=labelled, least=severity or "info")
        said = await News([AlertLabelled]).read(session.history)
        verdicts = {event.alert: event for event in said if isinstance(event, AlertLabelled)}
        present = await session.state()
        rows = [acting.row(found) for found in map(present.alert, present.alerts)]
        rows = [
            {**row, "verdict": verdicts[row["finding"]].verdict if row["finding"] in verdicts else None}
            for row in rows
            if _fits(row, state)
            and RANK[row["severity"]] >= RANK[severity or "info"]
            and matches(wanted, row["labels"])
        ]
        rows = [row for row in rows if row["verdict"] or not labelled]
        return sorted(rows, key=lambda row: (row["last"], row["id"]), reverse=True)[:most]

    found = run(loaded, work)
    if as_json:
        document(found)
    else:
        _show(found)


def _fits(row: dict[str, Any], state: str | None) -> bool:
    if state is None:
        return bool(row["state"] != "resolved")
    return state in ("all", row["state"])


def _show(found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for heading in ("alert", "last", "severity", "state", "findings", "what", "owner", "verdict"):
        table.add_column(heading)
    for row in found:
        series = series_name(row["asset"], row["channel"])
        cells = (
            row["id"][:12],
            row.get("last", row.get("time", ""))[:23],
            row["severity"],
            row.get("state", "") + (" (silenced)" if row.get("silenced") else ""),
            str(row.get("findings", "")),
            row.get("summary") or f"{series}: {row['reason']}",
            row.get("owner", ""),
            row["verdict"] or "",
        )
        table.add_row(*map(cell, cells))
    tables().print(table)
    if not found:
        say("no alerts")
