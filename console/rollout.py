"""``tocsin rollout``: try a model beside the one that serves, see what it does, and let it take over or not."""

import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import click
from pydantic import ValidationError

from agents.topology import Topology
from bus.protocol import Bus
from bus.redis import open_bus
from contracts.errors import ConfigError
from contracts.events import Guard

from .acting import rollouts as acting
from .acting.actor import Actor
from .host import Host
from .options import Loaded, common, json_option
from .output import document, say
from .rollouts.showing import rows, show

_MODES = click.Choice(["shadow", "canary", "ab"])


@click.group()
def rollout() -> None:
    """Try a model beside the one that serves.

    shadow: it scores everything and tells nobody. canary: it decides for a share of the assets, always the same ones.
    ab: as canary, for comparing.
    """


@rollout.command()
@common
@click.argument("agent")
@click.option("--model", required=True, metavar="NAME[@ALIAS|/VERSION]|DIGEST", help="The candidate.")
@click.option("--mode", type=_MODES, default="shadow", show_default=True)
@click.option("--share", type=click.FloatRange(0, 100), help="Per cent of the assets. [default: 10; ab: 50]")
@click.option("--guard", "guards", multiple=True, metavar="NAME=LIMIT", help="What ends it by itself.")
@click.option("--why", default="", help="Said in the log.")
def start(
    loaded: Loaded, agent: str, model: str, mode: Any, share: float | None, guards: tuple[str, ...], why: str
) -> None:
    """Let a candidate run beside what AGENT serves, as anomaly or anomaly.CHOICE."""
    wanted = acting.Wanted(agent, model, mode, share, _guard(guards))
    topology = Topology.of(loaded.settings, loaded.file)
    anyio.run(_start, loaded, topology, wanted, why, backend_options={"use_uvloop": True})


async def _start(loaded: Loaded, topology: Topology, wanted: acting.Wanted, why: str) -> None:
    async with _opened(loaded) as bus:
        actor = Actor(bus, loaded.settings, getpass.getuser())
        _, found = await acting.begin(actor, topology, wanted, why, notice=say)
        named = found.name or found.bundle[:12]
        say(f"{wanted.mode} of {named} began on {wanted.agent}; see: tocsin rollout status")


@rollout.command()
@common
@json_option
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
def status(loaded: Loaded, as_json: bool, everything: bool) -> None:
    """What candidates did so far beside the champion."""
    found = anyio.run(_status, loaded, everything, backend_options={"use_uvloop": True})
    if as_json:
        document(found)
    else:
        show(found)


async def _status(loaded: Loaded, everything: bool) -> list[dict[str, Any]]:
    async with _opened(loaded) as bus:
        record = await acting.recorded(bus)
        chosen = [each for each in record.rollouts.values() if everything or each.running]
        return rows(chosen, record)


@rollout.command()
@common
@click.argument("agent")
@click.option("--why", default="", help="Said in the log.")
def promote(loaded: Loaded, agent: str, why: str) -> None:
    """Let the candidate of AGENT take over; it goes on with what it has learned."""
    anyio.run(_end, loaded, agent, "promoted", why, backend_options={"use_uvloop": True})


@rollout.command()
@common
@click.argument("agent")
@click.option("--why", default="", help="Said in the log.")
def abort(loaded: Loaded, agent: str, why: str) -> None:
    """End the rollout of AGENT; what served before goes on."""
    anyio.run(_end, loaded, agent, "aborted", why, backend_options={"use_uvloop": True})


async def _end(loaded: Loaded, agent: str, state: str, why: str) -> None:
    async with _opened(loaded) as bus:
        _, ended = await acting.end(Actor(bus, loaded.settings, getpass.getuser()), agent, state, why)
        say(f"{state}: {ended.begun.name or ended.begun.candidate.bundle[:12]} on {agent}")


@asynccontextmanager
async def _opened(loaded: Loaded) -> AsyncIterator[Bus]:
    with Host(loaded.settings, attach=True) as host:
        bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
        try:
            yield bus
        finally:
            await bus.close()


def _guard(said: Sequence[str]) -> Guard:
    """The guard that NAME=LIMIT options state. Raises ConfigError with every problem."""
    values = {name: text for name, _, text in (each.partition("=") for each in said)}
    try:
        return Guard.model_validate(values)
    except ValidationError as error:
        wrong = [
            f"--guard {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)
        ]
        raise ConfigError(wrong, mend=f"Known: {', '.join(Guard.model_fields)}") from error
