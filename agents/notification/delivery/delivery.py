"""Takes each message to the subscriber that it is for. Tries, pauses and dead letters are the runtime's."""

from collections.abc import Mapping
from typing import ClassVar

import anyio
from pydantic import Field, PrivateAttr

from bus.news import News
from bus.protocol import Bus, Recorded
from contracts.errors import NotFound, Refused, RetryLater, Unavailable
from contracts.events import NotificationDue
from contracts.subscribers import Subscriber

from ...clock import Clock
from ...parts import Context, Sink
from .channel import Channel, Surroundings, answered
from .channels import channel_for
from .masking import masked
from .registry import KINDS, Registry, expired
from .vault import Vault, vault_of

#: What came into the stream of subscribers is known after so long at the latest.
_FRESH_S = 0.5


class Delivery(Sink[NotificationDue]):
    """The way to all subscribers: each is a destination of its own, and gets its messages in their order.

    What is for a subscriber that is paused, disabled, removed or expired becomes a dead letter, and is kept for a
    redelivery.
    """

    concurrency: ClassVar[int] = 32
    ordered: ClassVar[bool] = True
    # Processes are killed from outside more often than a message ends them: what hangs is under way at each kill.
    lives: ClassVar[int] = 10
    subscribers: Mapping[str, Subscriber] = Field(default_factory=dict, description="of the configuration")

    _around: Surroundings | None = PrivateAttr(default=None)
    _vault: Vault | None = PrivateAttr(default=None)
    _recorded: Recorded | None = PrivateAttr(default=None)
    _news: News = PrivateAttr(default_factory=lambda: News(KINDS))
    _registry: Registry | None = PrivateAttr(default=None)
    _channels: dict[str, tuple[Subscriber, Channel]] = PrivateAttr(default_factory=dict)
    _looked_s: float = PrivateAttr(default=-_FRESH_S)
    _looking: anyio.Lock = PrivateAttr(default_factory=anyio.Lock)

    def prepare(self, context: Context) -> None:
        self._around = Surroundings(context.data_dir)
        self._vault = vault_of(context.data_dir)

    async def begin(self, recorded: Recorded, bus: Bus, clock: Clock) -> None:
        around = self._prepared()
        await self.end()
        self._around = Surroundings(around.data_dir, clock, bus)
        self._recorded, self._news, self._registry = recorded, News(KINDS), Registry(self.subscribers)
        await self._look()

    async def end(self) -> None:
        for _, channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    def wants(self, event: NotificationDue) -> bool:
        """What nobody is named in was written without routes: it is not for us."""
        return bool(event.subscriber)

    def destination(self, event: NotificationDue) -> str:
        return event.subscriber

    async def deliver(self, event: NotificationDue) -> str:
        """Send the message; returns what the receiver said in a word.

        Raises Refused, RetryLater or Unavailable, without secrets in their texts.
        """
        found, channel = await self._reached(event.subscriber)
        try:
            with anyio.fail_after(found.timeout):
                return await channel.send(event)
        except TimeoutError:
            raise answered(Unavailable(f"no answer within {found.timeout:g} s"), "timeout") from None
        except Refused as error:
            raise answered(Refused(masked(str(error), found)), error.answer) from None
        except RetryLater as error:
            raise answered(RetryLater(masked(str(error), found), error.after_s), error.answer) from None
        except Unavailable as error:
            raise answered(Unavailable(masked(str(error), found)), error.answer) from None
        except Exception as error:  # noqa: BLE001 - a library's error may quote what it was given: secrets, too
            raise Unavailable(masked(f"{type(error).__name__}: {error}", found)) from None

    def _prepared(self) -> Surroundings:
        if self._around is None:
            raise RuntimeError("prepare() comes before deliver()")
        return self._around

    async def _reached(self, name: str) -> tuple[Subscriber, Channel]:
        """The subscriber and the channel to it.

        Raises Refused where it is not told anything at the moment.
        """
        around = self._prepared()
        if around.clock.monotonic_s() - self._looked_s >= _FRESH_S:
            await self._look()
        why = self._barred(name)
        if why:
            # It may have been set, or resumed, after the last look and before this message.
            await self._look()
            why = self._barred(name)
        if why:
            raise Refused(why, mend="What is kept can be redelivered.")
        if name not in self._channels:
            found = self._registry_now().subscriber(name, self._secrets(name))
            try:
                self._channels[name] = (found, channel_for(name, found, around))
            except ValueError as error:
                raise Refused(masked(str(error), found)) from None
        return self._channels[name]

    def _secrets(self, name: str) -> dict[str, str]:
        return self._vault.get(name) if self._vault is not None else {}

    def _registry_now(self) -> Registry:
        if self._registry is None:
            self._registry = Registry(self.subscribers)
        return self._registry

    def _barred(self, name: str) -> str:
        """Why nothing is sent to a subscriber; empty where it is."""
        registry = self._registry_now()
        try:
            known, found = registry.known(name), registry.subscriber(name)
        except (NotFound, Refused) as error:
            return str(error)
        if known.state != "active":
            return f"subscriber {name!r} is {known.state}" + (f": {known.why}" if known.why else "")
        if expired(found, self._prepared().clock.wall_ns()):
            return f"the subscription of {name!r} has expired"
        return ""

    async def _look(self) -> None:
        """Take in what came into the stream of subscribers. What we know already serves while the log is away."""
        asked = self._looked_s
        async with self._looking:
            if self._looked_s != asked or self._recorded is None:
                return
            try:
                events = await self._news.read(self._recorded)
            except Unavailable:
                if self._looked_s < 0:
                    raise
                return
            self._looked_s = self._prepared().clock.monotonic_s()
            for name in self._registry_now().apply(events):
                # Settings or secrets may be others.
                if name in self._channels:
                    await self._channels.pop(name)[1].close()
