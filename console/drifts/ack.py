"""``tocsin drift ack``: a drift is known; listen again, against the same reference or a new one."""

import getpass

import anyio
import click

from agents.clock import Clock
from agents.drift import Drift
from agents.topology import Topology
from bus.history import History, history_of
from bus.protocol import Place
from bus.redis import open_bus
from bus.scan import backwards
from contracts.errors import ConfigError
from contracts.events import DriftAcknowledged, DriftDetected
from contracts.frames import encode
from contracts.identity import is_name, partition_of, series_name

from ..host import Host
from ..options import Loaded, common
from ..output import say


@click.command()
@common
@click.argument("series", metavar="ASSET[/CHANNEL]")
@click.option("--rearm", "action", flag_value="rearm", help="It was put right: watch against the same reference.")
@click.option("--re-reference", "action", flag_value="re-reference", help="It is meant so: learn a new reference.")
@click.option("--agent", default="", help="Only this drift agent. [default: all]")
@click.option("--why", default="", help="Said in the log.")
def ack(loaded: Loaded, series: str, action: str | None, agent: str, why: str) -> None:
    """Say that the drift of a series, or of all series of an asset, is known.

    A series that drifted is silent until somebody does. With --re-reference its next readings, as many as
    reference_readings says, become what it is compared with; until they are there it is not watched.
    """
    if action is None:
        raise click.UsageError("say --rearm or --re-reference")
    asset, slash, channel = series.partition("/")
    if not is_name(asset) or (slash and not is_name(channel)):
        raise click.UsageError(f"{series!r} is not ASSET or ASSET/CHANNEL")
    known = [i.name for i in Topology.of(loaded.settings, loaded.file).placed if isinstance(i.part, Drift)]
    if not known or (agent and agent not in known):
        raise ConfigError([f"no drift agent {agent or 'at all'} is configured"], mend=f"Known: {', '.join(known)}")
    anyio.run(_ack, loaded, asset, channel, action, agent, why, backend_options={"use_uvloop": True})


async def _ack(loaded: Loaded, asset: str, channel: str, action: str, agent: str, why: str) -> None:
    with Host(loaded.settings, attach=True) as host:
        bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
        try:
            partition = partition_of(asset, bus.partitions)
            finding = await _latest(history_of(loaded.settings, bus), partition, asset, channel)
            now = Clock.wall_ns()
            event = DriftAcknowledged.of(
                cause=finding,
                time=now,
                asset=asset,
                channel=channel,
                discriminator=f"{action} {agent}",
                action=action,
                agent=agent,
                finding=finding,
                by=getpass.getuser(),
                why=why,
            )
            # Among the readings: everything before this place counts for what was, everything after for what is.
            await bus.append(Place(event.stream, partition), list(encode([event], "drift ack")))
        finally:
            await bus.close()
    name = series_name(asset, channel)
    say(f"{action}: {name}" + (f", about {finding}" if finding else ", though no drift of it stands in the log"))


async def _latest(history: History, partition: int, asset: str, channel: str) -> str:
    """The id of the last drift that was told of a series, or of an asset; empty where there is none."""
    async for found in backwards(history, Place(DriftDetected.stream, partition)):
        for event in reversed(found.events):
            if not isinstance(event, DriftDetected) or event.asset != asset:
                continue
            if channel in ("", event.channel):
                return event.id
    return ""
