"""From an entry that a group was given to the events in it that are for the sink."""

from collections.abc import Iterator
from typing import Any

from bus.protocol import Delivery, Entry, Place
from bus.retry import Backoff
from contracts.errors import UnreadableEvent
from contracts.events import AnyEvent, Event, Redriven
from contracts.frames import decode, encode

from ...letters import boxed, contents, unboxed
from ...parts import Sink
from ..home import Home, dead_letter, log, log_gap, outputs
from .following import Following
from .parcels import CRASH, Opened, Parcel


class Unpacker:
    """Opens entries; says in the log what of them is missing or cannot be read."""

    def __init__(self, home: Home, name: str, sink: Sink[Any], following: Following) -> None:
        self.home, self.name, self.sink = home, name, sink
        self._following = following
        self._wanted = tuple(sink.reads())

    async def opened(self, delivery: Delivery) -> Opened | None:
        """The entry with its events; None when it was deleted, and is settled as missing."""
        place, given = delivery.place, delivery.entry
        entry = given if given.fields else await self._archived(place, given)
        if not entry.fields:
            gap = log_gap(self.name, place, entry.first, entry.last, time=self.home.clock.wall_ns())
            await self.home.bus.settle(self.name, place, entry, outputs([gap], self.name))
            return None
        crashes, tries = divmod(delivery.tries - 1, CRASH)
        found = Opened(Delivery(place, entry, tries + 1), crashes=crashes, told=max(1, delivery.tries - 1))
        for event, position, at in self._addressed(found):
            if isinstance(event, self._wanted) and isinstance(event, Event) and self.sink.wants(event):
                backoff = Backoff(self.home.settings.backoff_s, self.home.settings.backoff_max_s)
                destination = self._destination(event)
                found.parcels.append(Parcel(event, position, at, destination, found, backoff, tries=tries))
        return found

    async def _archived(self, place: Place, entry: Entry) -> Entry:
        """An entry that was deleted while it was pending, as the archive has it."""
        async for each in self._following.archived(place, entry.first, entry.last):
            if (each.last, each.count) == (entry.last, entry.count):
                return each
        return entry

    def _addressed(self, opened: Opened) -> Iterator[tuple[AnyEvent, int, int]]:
        """The events that may be for us, each with its ordinal and that of the Redriven that it came with.

        What cannot be read becomes a dead letter.
        """
        entry = opened.delivery.entry
        try:
            decoded = decode(entry.frame(), entry.last)
        except UnreadableEvent as error:
            at = {"partition": opened.delivery.place.partition, "position": entry.last}
            log.error("entry not readable", sink=self.name, **at, cause=str(error))
            self.bury(opened, dict(entry.fields), error, position=entry.last, events=entry.count)
            return
        for position, event in enumerate(decoded, entry.first):
            if not isinstance(event, Redriven):
                yield event, position, 0
            elif event.agent == self.name:
                fields: dict[bytes, bytes] = {}
                try:
                    fields = unboxed(event.frame)
                    for inner in contents(event, event.position):
                        yield inner, event.position, position
                except UnreadableEvent as error:
                    self.bury(opened, fields, error, position=event.position, events=event.events, at=position)

    def _destination(self, event: Event) -> str:
        try:
            return self.sink.destination(event)
        except Exception as error:  # noqa: BLE001 - the event goes the way of all others, and fails there if it must
            log.warning("destination not known", sink=self.name, event_id=event.id, cause=repr(error))
            return ""

    def bury(
        self,
        opened: Opened,
        frame: dict[bytes, bytes],
        error: BaseException,
        *,
        position: int,
        events: int = 1,
        at: int = 0,
        tries: int = 0,
    ) -> None:
        """Make a dead letter of an entry, or of what of it is in the frame."""
        place, now, tries = opened.delivery.place, self.home.clock.wall_ns(), tries or opened.delivery.tries
        opened.receipts.append(
            dead_letter(self.name, place, position, frame, error, tries=tries, time=now, events=events, at=at)
        )

    async def look_back(self, place: Place, entry: Entry) -> None:
        """Find out whether something before the entry was removed before the group was given it.

        What the archive has of it and nobody settled is put into the log again, for this group alone. What others of
        the group settled was archived and trimmed since; the rest is said to be missing.
        """
        for first, last in await self._following.missing(place, entry):
            settled, expected = await self._following.settled(place), first
            async for older in self._following.archived(place, first, last):
                await self._miss(place, expected, older.first - 1)
                if older.last > settled:
                    await self.home.bus.append(place, list(encode([self._again(place, older)], self.name)))
                expected = older.last + 1
            await self._miss(place, expected, last)
        self._following.seen(place, entry)

    async def _miss(self, place: Place, first: int, last: int) -> None:
        if first <= last:
            gap = log_gap(self.name, place, first, last, time=self.home.clock.wall_ns())
            await self.home.tell(place.partition, self.name, gap)

    def _again(self, place: Place, entry: Entry) -> Redriven:
        return Redriven.of(
            cause=f"{place.stream}/{entry.last}",
            time=self.home.clock.wall_ns(),
            asset=self.name,
            discriminator=f"{self.name} {place.partition}",
            agent=self.name,
            origin=place.stream,
            position=entry.last,
            events=entry.count,
            frame=boxed(entry.fields),
        )
