"""``tocsin rollout``: try a model beside the one that serves, see what it does, and let it take over or not."""

import getpass
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import click
from pydantic import ValidationError

from agents.clock import Clock
from agents.rollout.record import KINDS, Record, Rollout
from agents.topology import Topology
from bus.news import News
from bus.protocol import Bus, Place
from bus.redis import open_bus
from contracts.errors import ConfigError, NotFound
from contracts.events import Candidate, Guard, RolloutChanged
from contracts.frames import encode
from contracts.identity import home_of
from contracts.settings import Settings

from .catalog import Catalog
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
    limits = _guard(guards)
    _check_agent(loaded, agent)
    anyio.run(_start, loaded, agent, model, mode, share, limits, why, backend_options={"use_uvloop": True})


async def _start(
    loaded: Loaded, agent: str, model: str, mode: Any, share: float | None, guard: Guard, why: str
) -> None:
    async with _opened(loaded) as bus:
        record = await _recorded(bus)
        if (running := record.running(agent)) is not None:
            mend = f"End it first: tocsin rollout promote {agent}, or abort"
            raise ConfigError([f"a rollout runs on {agent} already: {running.begun.candidate.bundle[:12]}"], mend=mend)
        catalog = Catalog(bus)
        await catalog.refresh()
        found = catalog.spelled(model)
        _verify(loaded.settings, found.bundle, named=bool(found.name))
        part = 0.0 if mode == "shadow" else share if share is not None else 50.0 if mode == "ab" else 10.0
        candidate = Candidate(bundle=found.bundle, mode=mode, share=part, rollout=secrets.token_hex(8))
        about = {"agent": agent, "candidate": candidate, "guard": guard, "name": found.name}
        await _tell(bus, "running", why, **about, model_version=found.version)
        say(f"{mode} of {found.name or found.bundle[:12]} began on {agent}; see: tocsin rollout status")


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
        record = await _recorded(bus)
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
        running = (await _recorded(bus)).running(agent)
        if running is None:
            raise NotFound(f"no rollout runs on {agent}", mend="See those that are over: tocsin rollout status --all")
        await _tell(bus, state, why, **_about(running))
        say(f"{state}: {running.begun.name or running.begun.candidate.bundle[:12]} on {agent}")


def _about(running: Rollout) -> dict[str, Any]:
    begun = running.begun
    names = ("agent", "candidate", "guard", "name", "model_version")
    return {name: getattr(begun, name) for name in names}


async def _tell(bus: Bus, state: str, why: str, **about: Any) -> None:
    now = Clock.wall_ns()
    event = RolloutChanged.of(
        cause=about["candidate"].rollout,
        time=now,
        asset=about["agent"],
        discriminator=str(now),
        state=state,
        by=getpass.getuser(),
        why=why,
        **about,
    )
    # Everything about deployments stands in one partition, and so in one order.
    place = Place(event.stream, home_of(event.stream, bus.partitions))
    await bus.append(place, list(encode([event], "rollout")))


@asynccontextmanager
async def _opened(loaded: Loaded) -> AsyncIterator[Bus]:
    with Host(loaded.settings, attach=True) as host:
        bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
        try:
            yield bus
        finally:
            await bus.close()


async def _recorded(bus: Bus) -> Record:
    record = Record()
    record.learn(await News(KINDS).read(bus))
    return record


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


def _check_agent(loaded: Loaded, agent: str) -> None:
    topology = Topology.of(loaded.settings, loaded.file)
    serving = [item.name for item in topology.placed if "bundle_digest" in type(item.part).model_fields]
    if agent not in serving:
        raise ConfigError([f"no agent {agent!r} serves a model"], mend=f"Known: {', '.join(serving) or 'none'}")


def _verify(settings: Settings, digest: str, *, named: bool) -> None:
    """See that a candidate can be served before anybody is told to serve it.

    Raises BundleRefused, or NotFound where only its digest is known and it is not here.
    """
    from models.stores import cache_of

    try:
        cache_of(settings.data_dir, settings.models).get(digest)
    except NotFound:
        if not named:
            raise
        say("not in this data directory: the agents fetch and verify it themselves")
