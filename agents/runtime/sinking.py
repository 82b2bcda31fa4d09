"""The loop around a sink: each event at least once, with retries, and a dead letter in the end.

An entry is settled together with its receipts. One event that fails does not hold up the others of its entry; the
entry stays unsettled until each of its events was delivered or buried.
"""

from dataclasses import dataclass, field
from typing import Any

from bus.protocol import Delivery, Place
from bus.retry import Backoff
from contracts.errors import UnreadableEvent
from contracts.events import AnyEvent, Event, NotificationDue, NotificationFailed, NotificationSent
from contracts.frames import decode, encode

from ..parts import Sink
from .home import Home, dead_letter, log, outputs

_WAIT_S = 0.2
_FETCH = 50
#: Entries of a member that gave no sign for so many lease times are taken over.
_DEAD_LEASES = 3
_CLAIM_EVERY_S = 2.0


@dataclass
class _Open:
    """An entry on its way: what of it is still to be delivered, and when to try again."""

    delivery: Delivery
    events: list[Event]
    backoff: Backoff
    receipts: list[AnyEvent] = field(default_factory=list)
    tries: int = 0
    due: float = 0.0


class SinkRunner:
    """Runs one sink as a member of a consumer group."""

    def __init__(self, home: Home, name: str, sink: Sink[Any], streams: list[str]) -> None:
        self.home, self.name, self.sink = home, name, sink
        self.group = name
        self.places = [Place(stream, number) for stream in streams for number in range(home.bus.partitions)]
        self._wanted = tuple(sink.reads())
        self._open: list[_Open] = []
        self._claim_after = 0.0
        self.delivered = 0

    async def run(self) -> None:
        """Deliver until everything stops. What is not settled then is delivered by the next one."""
        bus = self.home.bus
        await bus.subscribe(self.group, self.places)
        for place in self.places:
            # What an earlier life of this member was given, before anything new.
            for delivery in await bus.unsettled(self.group, self.home.owner, place, count=10_000):
                await self._begin(delivery)
        while not self.home.stopping:
            await self._claim()
            await self._work()
            wait = 0.0 if self._due() else _WAIT_S
            if len(self._open) < _FETCH:
                fetched = await bus.fetch(self.group, self.home.owner, self.places, count=_FETCH, block_s=wait)
                for delivery in fetched:
                    await self._begin(delivery)
            else:
                await self.home.sleep(wait)

    async def _claim(self) -> None:
        now = self.home.clock.monotonic_s()
        if now < self._claim_after:
            return
        self._claim_after = now + _CLAIM_EVERY_S
        for place in self.places:
            own = [item.delivery.entry for item in self._open if item.delivery.place == place]
            if own:
                await self.home.bus.touch(self.group, self.home.owner, place, own)
            idle = _DEAD_LEASES * self.home.settings.lease_s
            for delivery in await self.home.bus.claim(self.group, self.home.owner, place, idle_s=idle, count=_FETCH):
                await self._begin(delivery)

    async def _begin(self, delivery: Delivery) -> None:
        settings = self.home.settings
        try:
            events = decode(delivery.entry.frame(), delivery.entry.last)
        except UnreadableEvent as error:
            await self._bury(delivery, [], dict(delivery.entry.fields), error)
            return
        if any(item.delivery[:2] == delivery[:2] for item in self._open):
            # It is on its way already, in this life: its receipts could not be stored yet.
            return
        wanted = [event for event in events if isinstance(event, self._wanted) and isinstance(event, Event)]
        item = _Open(delivery, wanted, Backoff(settings.backoff_s, settings.backoff_max_s), tries=delivery.tries - 1)
        self._open.append(item)

    def _due(self) -> bool:
        now = self.home.clock.monotonic_s()
        return any(item.due <= now for item in self._open)

    async def _work(self) -> None:
        now = self.home.clock.monotonic_s()
        for item in [item for item in self._open if item.due <= now]:
            await self._try(item)

    async def _try(self, item: _Open) -> None:
        item.tries += 1
        failed: list[tuple[Event, Exception]] = []
        for event in item.events:
            try:
                await self.sink.deliver(event)
            except Exception as error:  # noqa: BLE001 - whatever a sink raises, the event is tried again or kept
                failed.append((event, error))
            else:
                self.delivered += 1
                item.receipts += self._sent(event, item.tries)
        item.events = [event for event, _ in failed]
        if not failed:
            await self._settle(item.delivery, item.receipts)
            self._open.remove(item)
        elif item.tries >= self.home.settings.tries:
            for event, cause in failed:
                frame = next(iter(encode([event], self.name))).fields()
                item.receipts += [
                    self._failed(event, item.tries, cause),
                    self._letter(item.delivery, frame, cause, item.tries),
                ]
            log.error("delivery given up", sink=self.name, tries=item.tries, cause=repr(failed[0][1]))
            await self._settle(item.delivery, item.receipts)
            self._open.remove(item)
        else:
            item.due = self.home.clock.monotonic_s() + item.backoff.pause()
            log.warning("delivery failed", sink=self.name, tries=item.tries, cause=repr(failed[0][1]))

    async def _settle(self, delivery: Delivery, receipts: list[AnyEvent]) -> None:
        await self.home.bus.settle(self.group, delivery.place, delivery.entry, outputs(receipts, self.name))

    async def _bury(
        self, delivery: Delivery, receipts: list[AnyEvent], frame: dict[bytes, bytes], error: Exception
    ) -> None:
        log.error("entry not readable", sink=self.name, position=delivery.entry.last, cause=str(error))
        await self._settle(delivery, [*receipts, self._letter(delivery, frame, error, delivery.tries)])

    def _letter(self, delivery: Delivery, frame: dict[bytes, bytes], error: Exception, tries: int) -> AnyEvent:
        place, position = delivery.place, delivery.entry.last
        return dead_letter(self.name, place, position, frame, error, tries=tries, time=self.home.clock.wall_ns())

    def _sent(self, event: Event, tries: int) -> list[AnyEvent]:
        if not isinstance(event, NotificationDue):
            return []
        return [NotificationSent.of(**self._receipt(event), attempt=tries)]

    def _failed(self, event: Event, tries: int, error: Exception) -> AnyEvent:
        return NotificationFailed.of(
            **self._receipt(event), attempt=tries, error=f"{type(error).__name__}: {error}"[:500]
        )

    def _receipt(self, event: Event) -> dict[str, Any]:
        return {
            "cause": event.id,
            "time": self.home.clock.wall_ns(),
            "asset": event.asset,
            "channel": event.channel,
            "discriminator": self.name,
            "subscriber": self.name,
            "key": event.key if isinstance(event, NotificationDue) else event.id,
        }
