"""``tocsin alerts``: what was found, and whether it was right."""

import getpass
from typing import Any

import anyio
import click

from agents.clock import Clock
from bus.news import News
from bus.protocol import Place
from bus.redis import open_bus
from bus.scan import backwards
from contracts.errors import NotFound
from contracts.events import AlertLabelled, AnomalyDetected, DriftDetected
from contracts.frames import encode
from contracts.identity import home_of
from contracts.instants import iso

from .host import Host
from .lineage import find
from .options import Loaded, common, json_option
from .output import document, say, tables
from .past.record import of_log

_VERDICTS = {"true": "true alarm", "false": "false alarm"}
_KINDS = (AnomalyDetected, DriftDetected)


@click.group()
def alerts() -> None:
    """List alerts, and say which of them were right."""


@alerts.command()
@common
@click.argument("alert")
@click.argument("verdict", type=click.Choice(sorted(_VERDICTS)))
@click.option("--note", default="", help="Why; kept with it.")
@click.option("--by", default="", help="Who says so. [default: you]")
def label(loaded: Loaded, alert: str, verdict: str, note: str, by: str) -> None:
    """Say whether ALERT (its id, or the beginning of one) was a true or a false alarm; the last word counts.

    Labels are what the precision of a model is computed from, in `tocsin rollout status` and by guards of rollouts.
    """
    anyio.run(_label, loaded, alert, _VERDICTS[verdict], note, by, backend_options={"use_uvloop": True})


async def _label(loaded: Loaded, alert: str, verdict: Any, note: str, by: str) -> None:
    with Host(loaded.settings, attach=True) as host:
        async with of_log(loaded.settings, host) as record:
            _, _, finding = await find(record, loaded, alert)
        if not isinstance(finding, _KINDS):
            raise NotFound(f"{finding.id} is a {finding.type_name()}, which is no alert", mend="See: tocsin alerts ls")
        now = Clock.wall_ns()
        event = AlertLabelled.of(
            cause=finding.id,
            time=now,
            asset=finding.asset,
            channel=finding.channel,
            discriminator=str(now),
            alert=finding.id,
            bundle=finding.bundle,
            verdict=verdict,
            by=by or getpass.getuser(),
            note=note,
        )
        bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
        try:
            # All labels stand in one partition: the last word is the last in it.
            await bus.append(Place(event.stream, home_of(event.stream, bus.partitions)), list(encode([event], "label")))
        finally:
            await bus.close()
    say(f"{verdict}: {finding.id}")


@alerts.command("ls")
@common
@json_option
@click.option("--most", type=click.IntRange(1), default=50, show_default=True, help="The latest so many.")
@click.option("--labelled", is_flag=True, help="Only those that somebody labelled.")
def ls(loaded: Loaded, as_json: bool, most: int, labelled: bool) -> None:
    """The latest alerts, newest first, with what was said of them."""
    found = anyio.run(_listed, loaded, most, labelled, backend_options={"use_uvloop": True})
    if as_json:
        document(found)
    else:
        _show(found)


async def _listed(loaded: Loaded, most: int, labelled: bool) -> list[dict[str, Any]]:
    with Host(loaded.settings, attach=True) as host:
        bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
        try:
            said = await News([AlertLabelled]).read(bus)
            labels = {event.alert: event for event in said if isinstance(event, AlertLabelled)}
            found: list[AnomalyDetected | DriftDetected] = []
            for stream in sorted(kind.stream for kind in _KINDS):
                for number in range(bus.partitions):
                    found += await _latest(bus, Place(stream, number), most, labels if labelled else None)
        finally:
            await bus.close()
    chosen = sorted(found, key=lambda event: (-event.time, event.id))[:most]
    return [_row(event, labels.get(event.id)) for event in chosen]


async def _latest(bus: Any, place: Place, most: int, only: Any) -> list[AnomalyDetected | DriftDetected]:
    found: list[AnomalyDetected | DriftDetected] = []
    async for each in backwards(bus, place):
        found += [e for e in reversed(each.events) if isinstance(e, _KINDS) and (only is None or e.id in only)]
        if len(found) >= most:
            break
    return found


def _row(event: AnomalyDetected | DriftDetected, said: AlertLabelled | None) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type_name(),
        "time": iso(event.time),
        "asset": event.asset,
        "channel": event.channel,
        "severity": event.severity,
        "reason": event.reason if isinstance(event, AnomalyDetected) else f"drift: {event.kind} {event.direction}",
        "detector": event.detector,
        "bundle": event.bundle,
        "verdict": said.verdict if said else None,
        "by": said.by if said else None,
        "note": said.note if said else None,
    }


def _show(found: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2))
    for heading in ("alert", "time", "series", "severity", "reason", "verdict"):
        table.add_column(heading)
    for row in found:
        series = f"{row['asset']}/{row['channel']}".rstrip("/")
        cells = (row["id"][:12], row["time"], series, row["severity"], row["reason"], row["verdict"] or "")
        table.add_row(*(Text(cell) for cell in cells))
    tables().print(table)
    if not found:
        say("no alert yet")
