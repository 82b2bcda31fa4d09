"""Subscribers: who is subscribed, and changing that while the service runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from pydantic import SecretStr, ValidationError

from agents.notification.alerts.present import configured
from agents.notification.delivery.checking import problem
from agents.notification.delivery.counting import KINDS as COUNTED
from agents.notification.delivery.counting import Counting, Counts
from agents.notification.delivery.outbox import Kept, outbox
from agents.notification.delivery.registry import KINDS as ABOUT
from agents.notification.delivery.registry import Known, Registry
from agents.notification.delivery.signing import new_secret
from agents.notification.delivery.vault import vault_of
from agents.notification.routing.matching import parse_all
from agents.redriving import Desk
from bus.history import History, history_of
from bus.news import News
from bus.protocol import Bus, Recorded
from contracts.errors import NotFound
from contracts.events import SubscriberChanged, SubscriberRemoved, SubscriberSet, SubscriberTested
from contracts.instants import iso
from contracts.settings import Settings
from contracts.subscribed import SubscriberState
from contracts.subscribers import Subscriber, WebhookSubscriber, checked_name, subscriber

from .actor import Actor
from .deliveries import Try, tries

#: Deliveries that are counted: of the latest so many in each partition.
_LATEST = 100_000
#: Events of each partition that are looked through for what was sent to one of them.
_SOUGHT = 20_000
_SENT = "delivery"


class Impossible(ValueError):
    """What was asked of a subscriber cannot be done; the text has no secret in it."""


@dataclass
class Subscribers:
    """Those that there are, and what became of their deliveries; reads on where it stopped."""

    settings: Settings
    registry: Registry = field(init=False)
    counting: Counting = field(default_factory=Counting)
    _about: News = field(default_factory=lambda: News(ABOUT))
    _tried: News = field(default_factory=lambda: News(COUNTED, latest=_LATEST))

    def __post_init__(self) -> None:
        self.registry = Registry(self.settings.alerting.subscribers)

    async def refresh(self, log: Recorded) -> None:
        """Take in what the log says since. Raises Unavailable."""
        self.registry.apply(await self._about.read(log))
        self.counting.add(await self._tried.read(log))

    def rows(self) -> list[dict[str, Any]]:
        """All of them as plain data, by name."""
        return [self.row(known) for known in self.registry]

    def row(self, known: Known) -> dict[str, Any]:
        """One of them: its settings without secrets, its state, its counters."""
        counts = self.counting.counts.get(known.name, Counts())
        spec = known.spec if known.spec is not None else self.registry.configured[known.name].public()
        return {
            "name": known.name, "kind": spec.get("kind", ""), "configured": known.spec is None,
            "state": known.state, "why": known.why, "by": known.by, "since": iso(known.since) if known.since else "",
            "spec": spec, "sent": counts.sent, "failed_tries": counts.failed_tries, "given_up": counts.given_up,
            "in_a_row": counts.in_a_row, "answer": counts.answer, "error": counts.error,
            "last": iso(counts.last) if counts.last else "", "latency_ms": round(counts.latency_ms, 1),
        }  # fmt: skip


@dataclass
class Subscribed:
    """Those that there are, for several who ask at once."""

    history: History
    settings: Settings
    _known: Subscribers = field(init=False)
    _looking: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        self._known = Subscribers(self.settings)

    async def now(self) -> Subscribers:
        """As they are now; only what is new is read. Raises Unavailable."""
        async with self._looking:
            await self._known.refresh(self.history)
            return self._known

    async def tries(self, name: str, most: int) -> list[Try]:
        """The latest tries to deliver to one, newest first, as far as a look that somebody waits for goes back."""
        return await tries(self.history, name, most, _SOUGHT)

    async def kept(self, name: str) -> list[dict[str, Any]]:
        """What could not be delivered to one, as plain data, oldest first; nothing where nothing delivers."""
        try:
            found = await kept(self.history, self.settings, name)
        except NotFound:
            return []
        return [
            {"key": each.message.key, "time": iso(each.message.time), "subject": each.message.subject,
             "letter": each.letter.about.id, "reason": each.letter.about.reason}
            for each in found
        ]  # fmt: skip


async def known(bus: Bus, settings: Settings) -> Subscribers:
    """Everything that the log says of them, read anew."""
    found = Subscribers(settings)
    # What was trimmed from the server is in the archive.
    await found.refresh(history_of(settings, bus))
    return found


async def subscribe(actor: Actor, name: str, spec: Mapping[str, Any]) -> tuple[SubscriberSet, str]:
    """Make a subscriber, or give it other settings.

    Secrets that are not given stay as they were, while it is of the same kind and at the same place: they are not sent
    to another one. Returns the event, and the secret of a webhook that had none: it is told this once.
    Raises Impossible, and Unavailable when secrets or log cannot be written.
    """
    _ours(actor.settings, name)
    vault = vault_of(actor.settings.data_dir)
    before = (await known(actor.bus, actor.settings)).registry
    same = name in before and _place(before.known(name).spec or {}) == _place(spec)
    found = _checked({**(vault.get(name) if same else {}), **spec})
    secrets = _secrets(found)
    made = ""
    if isinstance(found, WebhookSubscriber) and found.secret is None:
        made = secrets["secret"] = new_secret()
    # Before the event: whoever reads that looks here for them.
    vault.put(name, secrets)
    now = actor.clock.wall_ns()
    event = SubscriberSet.of(
        cause=name, time=now, asset=name, discriminator=str(now), name=name, spec=found.public(), by=actor.by
    )
    await actor.append(event)
    return event, made


async def unsubscribe(actor: Actor, name: str) -> SubscriberRemoved:
    """End a subscription, and forget its secrets. Raises NotFound, and Impossible for one of the configuration."""
    _ours(actor.settings, name)
    (await known(actor.bus, actor.settings)).registry.known(name)
    now = actor.clock.wall_ns()
    event = SubscriberRemoved.of(cause=name, time=now, asset=name, discriminator=str(now), name=name, by=actor.by)
    await actor.append(event)
    vault_of(actor.settings.data_dir).remove(name)
    return event


async def turn(actor: Actor, name: str, state: SubscriberState, why: str = "") -> SubscriberChanged:
    """Tell a subscriber nothing for a while (``paused``), or again something (``active``). Raises NotFound."""
    (await known(actor.bus, actor.settings)).registry.known(name)
    now = actor.clock.wall_ns()
    event = SubscriberChanged.of(
        cause=name, time=now, asset=name, discriminator=str(now), name=name, state=state, by=actor.by, why=why
    )
    await actor.append(event)
    return event


async def test(actor: Actor, name: str) -> SubscriberTested:
    """Have a message sent that says it is a test; what becomes of it stands among the deliveries.

    Raises NotFound for a subscriber that is not there, and where nothing follows alerts; Impossible for one that is
    told nothing at the moment.
    """
    found = (await known(actor.bus, actor.settings)).registry.known(name)
    if found.state != "active":
        raise Impossible(f"subscriber {name!r} is {found.state}: resume it first")
    configured(actor.settings)
    now = actor.clock.wall_ns()
    event = SubscriberTested.of(cause=name, time=now, asset=name, discriminator=str(now), name=name, by=actor.by)
    await actor.append(event)
    return event


async def kept(recorded: Recorded, settings: Settings, name: str) -> list[Kept]:
    """What could not be delivered to a subscriber. Raises NotFound where nothing delivers."""
    return await outbox(recorded, sink_of(settings), name)


def sink_of(settings: Settings) -> str:
    """The name of the sink that delivers. Raises NotFound where nothing does."""
    agent, _ = configured(settings)
    return agent if agent == _SENT else f"{agent}.{_SENT}"


async def redeliver(actor: Actor, recorded: Recorded, name: str, keys: frozenset[str] = frozenset()) -> list[str]:
    """Have what could not be delivered sent again, with the same keys: all of it, or what has one of ``keys``.

    Returns the keys that are sent again.
    """
    desk = Desk(actor.bus, recorded, actor.by, "redelivery")
    chosen = [each for each in await kept(recorded, actor.settings, name) if not keys or each.message.key in keys]
    return [each.message.key for each in chosen if await desk.redrive(each.letter)]


def _ours(settings: Settings, name: str) -> None:
    try:
        checked_name(name)
    except ValueError as error:
        raise Impossible(str(error)) from error
    if name in settings.alerting.subscribers:
        raise Impossible(f"{name!r} stands in the configuration: change it there")


def _place(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    """What secrets belong to."""
    return tuple(spec.get(name) for name in ("kind", "url", "host", "port", "username"))


def _checked(spec: dict[str, Any]) -> Subscriber:
    try:
        found = subscriber(spec)
        parse_all(found.matchers)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "kind"
        raise Impossible(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise Impossible(f"matchers: {error}") from error
    if wrong := problem(found):
        raise Impossible(wrong)
    return found


def _secrets(found: Subscriber) -> dict[str, str]:
    given = {name: getattr(found, name) for name in found.secrets}
    return {name: value.get_secret_value() for name, value in given.items() if isinstance(value, SecretStr)}
