"""One try of one delivery, and what follows from how it ended."""

from typing import Any

import anyio

from contracts.errors import Refused, RetryLater, StoreLost, Unavailable
from contracts.frames import encode

from ...parts import Sink
from ..home import Home, log
from .dispatching import Result
from .notices import Tried, attempted, failed, sent, tried
from .parcels import CRASH, Opened, Parcel
from .unpacking import Unpacker

#: A receiver may ask for an hour's pause at most.
_MOST_PAUSE_S = 3600.0
#: So many deliveries ask the log at once.
_ASKING = 8


class Deliverer:
    """Hands events to the sink, with a limit of time and a limited number of tries."""

    def __init__(self, home: Home, name: str, sink: Sink[Any], unpacker: Unpacker) -> None:
        self.home, self.name, self.sink = home, name, sink
        self._unpacker = unpacker
        self.delivered = 0
        #: Many deliveries may end at the same time: others need connections to the log, too.
        self.asking = anyio.Semaphore(_ASKING)

    async def deliver(self, parcel: Parcel) -> Result:
        """Try once. What comes to its end leaves its entry, and its receipt or dead letter is there instead."""
        opened = parcel.opened
        parcel.tries += 1
        opened.under_way += 1
        try:
            await self._note(opened)
            began = self.home.clock.monotonic_s()
            outcome = await self._outcome(parcel)
            this = tried(parcel.tries, began, self.home.clock.monotonic_s(), outcome)
        finally:
            opened.under_way -= 1
        error = this.error
        if error is None:
            self.delivered += 1
            opened.receipts += sent(self.name, parcel.event, this, self.home.clock.wall_ns())
            opened.parcels.remove(parcel)
        elif isinstance(error, Refused) or parcel.tries >= self.home.settings.tries:
            opened.receipts += attempted(self.name, parcel.event, this, self.home.clock.wall_ns(), 0.0)
            self.give_up(parcel, error)
        else:
            return await self._later(parcel, this, error)
        return Result(works=error is None or isinstance(error, Refused))

    async def _outcome(self, parcel: Parcel) -> str | Exception | None:
        """What the sink returned, or what it raised."""
        limit = self.home.settings.delivery_s
        trace = parcel.opened.delivery.entry.fields.get(b"x", b"")
        scope = anyio.CancelScope()
        try:
            with anyio.fail_after(limit) as scope, self.home.telemetry.delivery(self.name, trace):
                return await self.sink.deliver(parcel.event)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises, the event is tried again or kept
            if not scope.cancelled_caught:
                return error
            late = TimeoutError(f"not done within {limit:g} s")
            # Where it was waiting, for the stack in the dead letter.
            late.__cause__ = error
            return late

    async def _later(self, parcel: Parcel, this: Tried, error: Exception) -> Result:
        asked = min(error.after_s, _MOST_PAUSE_S) if isinstance(error, RetryLater) else 0.0
        pause = max(asked, parcel.backoff.pause())
        parcel.due = self.home.clock.monotonic_s() + pause
        log.warning("delivery failed", sink=self.name, **_about(parcel), cause=repr(error), retry_in_s=round(pause, 1))
        # It failed, and we live: this is not what ends processes.
        parcel.opened.crashes = 0
        await self._note(parcel.opened)
        await self._tell(parcel, this, pause)
        return Result(works=False, again=True, pause_s=asked)

    async def _tell(self, parcel: Parcel, this: Tried, pause: float) -> None:
        """Let the log know of a try that failed: now, or where it does not answer, together with the receipt."""
        place = parcel.opened.delivery.place
        for event in attempted(self.name, parcel.event, this, self.home.clock.wall_ns(), pause):
            try:
                async with self.asking:
                    await self.home.tell(place.partition, self.name, event)
            except StoreLost:
                raise
            except Unavailable:
                parcel.opened.receipts.append(event)

    async def _note(self, opened: Opened) -> None:
        """Let the server know how often the entry was begun, and whether something of it is under way.

        That it was begun once is plain from its having been handed out: only what is tried again costs a word.
        """
        number = opened.number
        if number in (opened.told, CRASH + 1):
            return
        opened.told = number
        place, entry = opened.delivery.place, opened.delivery.entry
        try:
            await self.home.bus.touch(self.name, self.home.owner, place, [entry], tries=number)
        except StoreLost:
            raise
        except Unavailable as error:
            log.debug("a try could not be noted", sink=self.name, cause=str(error))

    def give_up(self, parcel: Parcel, error: Exception) -> None:
        """Make a dead letter of an event."""
        opened, now = parcel.opened, self.home.clock.wall_ns()
        log.error("delivery given up", sink=self.name, **_about(parcel), cause=repr(error))
        opened.parcels.remove(parcel)
        frame = next(iter(encode([parcel.event], self.name))).fields()
        opened.receipts.append(failed(self.name, parcel.event, parcel.tries, now, error))
        self._unpacker.bury(opened, frame, error, position=parcel.position, at=parcel.at, tries=parcel.tries)


def _about(parcel: Parcel) -> dict[str, str | int]:
    """What a line about a delivery names."""
    partition = parcel.opened.delivery.place.partition
    return {"event_id": parcel.event.id, "partition": partition, "tries": parcel.tries}
