"""Whether people and programs can be told of alerts: who is subscribed, by which routes, and what was not delivered."""

import stat
from collections import Counter
from collections.abc import Iterator

from agents.notification.delivery.outbox import outbox
from agents.notification.delivery.registry import KINDS, Known, Registry, expired
from agents.notification.delivery.vault import vault_of
from agents.notification.routing.routing import Routing
from bus.history import history_of
from bus.news import News
from bus.redis.bus import RedisBus
from contracts.errors import ConfigError, CorruptEvent, NotFound, Refused, Unavailable

from ..acting.subscribers import sink_of
from .finding import Finding, fail, ok, skip, warn
from .redis import Probe
from .scene import Scene

SECRETS, SUBSCRIBERS, ROUTES, UNDELIVERED = "secrets", "subscribers", "routes", "undelivered"
#: What these tell of.
NAMES = (SECRETS, SUBSCRIBERS, ROUTES, UNDELIVERED)
_NAMED = 5
_RESUME = "tocsin subscribers ls, then: tocsin subscribers resume NAME"
#: Letters that are looked at: a second's work.
_LETTERS = 500


def secrets(scene: Scene) -> Finding:
    """Whether the secrets of subscribers are their owner's alone: where others can read them none is used."""
    path = vault_of(scene.data_dir).path
    if not path.exists():
        return skip(SECRETS, f"{path} is not there: no subscriber was made with a secret")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return fail(
            SECRETS,
            f"{path} has mode {mode:o}",
            "Others on this machine may have read what subscribers are reached with; meanwhile nothing is sent with it",
            f"chmod 600 {path}, and change the secrets that are in it",
        )
    return ok(SECRETS, f"{path} has mode {mode:o}")


async def telling(probe: Probe) -> list[Finding]:
    """Subscribers, routes, and what could not be delivered."""
    alerting = probe.scene.settings.alerting
    if not alerting.on:
        return [skip(check, "nothing is configured under alerting") for check in NAMES[1:]]
    log = history_of(probe.scene.settings, RedisBus(probe.server, probe.scene.settings.bus.partitions))
    registry = Registry(alerting.subscribers)
    try:
        registry.apply(await News(KINDS).read(log))
        kept = await outbox(log, sink_of(probe.scene.settings), latest=_LETTERS)
    except (CorruptEvent, NotFound, Unavailable) as error:
        # The checks of the archive and of the server say what is wrong with them, and what to do.
        return [skip(check, f"not looked at: {error.args[0]}") for check in NAMES[1:]]
    now = probe.scene.clock.wall_ns()
    deaf = {known.name: why for known in registry if (why := _deaf(registry, known, now))}
    waiting = Counter(each.message.subscriber for each in kept)
    return [subscribers(registry, deaf), routes(probe.scene, registry, deaf, now), undelivered(waiting)]


def _deaf(registry: Registry, known: Known, now: int) -> str:
    """Why a subscriber is told nothing at the moment; empty where it is."""
    if known.state != "active":
        return known.state
    try:
        return "expired" if expired(registry.subscriber(known.name), now) else ""
    except Refused:
        return "not usable"


def subscribers(registry: Registry, deaf: dict[str, str]) -> Finding:
    """Whether some were disabled, for too many deliveries to them failed."""
    count = len(list(registry))
    disabled = [name for name, why in deaf.items() if why in ("disabled", "not usable")]
    if not disabled:
        others = Counter(deaf.values())
        return ok(SUBSCRIBERS, ", ".join([f"{count} of them", *(f"{n} {why}" for why, n in sorted(others.items()))]))
    name = disabled[0]
    return warn(
        SUBSCRIBERS,
        f"told nothing: {_some(f'{each} ({deaf[each]})' for each in disabled)}",
        registry.known(name).why or "Their settings or secrets do not fit any more",
        f"`tocsin subscribers deliveries {name}` shows why; correct that, then: tocsin subscribers resume {name}",
    )


def routes(scene: Scene, registry: Registry, deaf: dict[str, str], now: int) -> Finding:
    """Whether each route leads to somebody who can be told now, and whether anybody can at all."""
    alerting = scene.settings.alerting
    try:
        routing = Routing.of(alerting, scene.data_dir)
    except ConfigError as error:
        return skip(ROUTES, f"not looked at: {error.problems[0]}")
    heard = {known.name for known in registry} - set(deaf)
    listening = [name for name in sorted(heard) if registry.subscriber(name).events]
    receivers = _receivers(routing, now) if routing else {}
    silent = [name for name, told in receivers.items() if not told & heard]
    if len(silent) == len(receivers) and not listening:
        why = _some(f"{name} is {state}" for name, state in sorted(deaf.items())) or "no subscriber is left"
        return fail(ROUTES, "nobody is told of any alert", why, _RESUME)
    if silent:
        return warn(
            ROUTES,
            f"routes lead to nobody who can be told now: {_some(silent)}",
            "Their subscribers are paused, disabled or expired, or nobody is on call",
            f"{_RESUME}; or name others in alerting.receivers",
        )
    return ok(ROUTES, f"{len(receivers)} receivers can be told, {len(listening)} subscribe by themselves")


def _receivers(routing: Routing, now: int) -> dict[str, set[str]]:
    """Receiver of a route -> the subscribers that it tells at this time, in all of its steps."""
    told: dict[str, set[str]] = {}
    for name, receiver in routing.receivers.items():
        people = {person for step in receiver.steps for person in step.tell}
        there = {routing.rotas[person].at(now) if person in routing.rotas else person for person in people}
        told[name] = {person for person in there if person is not None}
    return told


def undelivered(waiting: Counter[str]) -> Finding:
    """Whether messages could not be delivered, and are kept."""
    if not waiting:
        return ok(UNDELIVERED, "nothing is kept for anybody")
    name = waiting.most_common(1)[0][0]
    return warn(
        UNDELIVERED,
        f"messages that could not be delivered: {_some(f'{who} {count:,}' for who, count in waiting.most_common())}",
        "Their receivers refused them, or did not answer for as long as it was tried",
        f"`tocsin subscribers deliveries {name}` shows why; correct that, then: tocsin subscribers redeliver {name}",
    )


def _some(names: Iterator[str] | list[str]) -> str:
    """Some of them, and how many more."""
    known = list(names)
    more = [f"{len(known) - _NAMED} more"] if len(known) > _NAMED else []
    return ", ".join(known[:_NAMED] + more)
