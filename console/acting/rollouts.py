"""Rollouts: beginning and ending one while the service runs."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from anyio import to_thread

from agents.rollout.record import KINDS, Record, Rollout
from agents.topology import Topology
from bus.news import News
from bus.protocol import Bus, Place
from contracts.deployments import Mode
from contracts.errors import ConfigError, NotFound
from contracts.events import Candidate, Guard, RolloutChanged
from contracts.frames import encode
from contracts.identity import home_of
from contracts.settings import Settings

from ..catalog import Catalog, Model
from .actor import Actor

_WRITER = "rollout"


async def recorded(bus: Bus) -> Record:
    """Everything that the log says of rollouts."""
    record = Record()
    record.learn(await News(KINDS).read(bus))
    return record


@dataclass(frozen=True)
class Wanted:
    """What is to run beside what ``agent`` serves; ``model`` is spelled as ``Catalog.spelled`` reads it.

    ``share`` is per cent of the assets; None: what is usual for the mode.
    """

    agent: str
    model: str
    mode: Mode = "shadow"
    share: float | None = None
    guard: Guard = Guard()

    @property
    def part(self) -> float:
        """The share as it is meant."""
        if self.mode == "shadow":
            return 0.0
        return self.share if self.share is not None else 50.0 if self.mode == "ab" else 10.0


async def begin(
    actor: Actor, topology: Topology, wanted: Wanted, why: str = "", notice: Callable[[str], None] = lambda text: None
) -> tuple[RolloutChanged, Model]:
    """Have a candidate run beside what serves.

    Raises ConfigError where the agent serves no model or a rollout runs already, NotFound for an unknown model,
    BundleRefused for one that cannot be served.
    """
    agent = wanted.agent
    _check(topology, agent)
    running = (await recorded(actor.bus)).running(agent)
    if running is not None:
        mend = f"End it first: tocsin rollout promote {agent}, or abort"
        raise ConfigError([f"a rollout runs on {agent} already: {running.begun.candidate.bundle[:12]}"], mend=mend)
    catalog = Catalog(actor.bus)
    await catalog.refresh()
    found = catalog.spelled(wanted.model)
    # Its golden vectors are scored: that takes a moment, and others live on this loop as well.
    await to_thread.run_sync(_verify, actor.settings, found, notice)
    trial = {"mode": wanted.mode, "share": wanted.part, "rollout": secrets.token_hex(8)}
    candidate = Candidate.model_validate({"bundle": found.bundle, **trial})
    about = {"agent": agent, "candidate": candidate, "guard": wanted.guard, "name": found.name}
    return await _tell(actor, "running", why, **about, model_version=found.version), found


async def end(actor: Actor, agent: str, state: str, why: str = "") -> tuple[RolloutChanged, Rollout]:
    """Let the candidate take over (``promoted``), or end the rollout (``aborted``). Raises NotFound."""
    running = (await recorded(actor.bus)).running(agent)
    if running is None:
        raise NotFound(f"no rollout runs on {agent}", mend="See those that are over: tocsin rollout status --all")
    begun = running.begun
    names: Sequence[str] = ("agent", "candidate", "guard", "name", "model_version")
    return await _tell(actor, state, why, **{name: getattr(begun, name) for name in names}), running


async def _tell(actor: Actor, state: str, why: str, **about: Any) -> RolloutChanged:
    now = actor.clock.wall_ns()
    event = RolloutChanged.of(
        cause=about["candidate"].rollout,
        time=now,
        asset=about["agent"],
        discriminator=str(now),
        state=state,
        by=actor.by,
        why=why,
        **about,
    )
    # Everything about deployments stands in one partition, and so in one order.
    place = Place(event.stream, home_of(event.stream, actor.bus.partitions))
    await actor.bus.append(place, list(encode([event], _WRITER)))
    return event


def _check(topology: Topology, agent: str) -> None:
    # Only these change their bundles while they work; see ``agents.serving.watcher``.
    serving = [item.name for item in topology.placed if hasattr(type(item.part), "in_force")]
    if agent not in serving:
        raise ConfigError([f"no agent {agent!r} serves a model"], mend=f"Known: {', '.join(serving) or 'none'}")


def _verify(settings: Settings, found: Model, notice: Callable[[str], None]) -> None:
    """See that a candidate can be served before anybody is told to serve it.

    Raises BundleRefused, or NotFound where only its digest is known and it is not here.
    """
    from models.stores import cache_of

    try:
        cache_of(settings.data_dir, settings.models).get(found.bundle)
    except NotFound:
        if not found.name:
            raise
        notice("not in this data directory: the agents fetch and verify it themselves")
