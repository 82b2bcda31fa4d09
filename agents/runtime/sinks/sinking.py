"""The loop around a sink: each event at least once, with retries, and a dead letter in the end.

An entry is settled together with its receipts. One event that fails does not hold up the others of its entry; the
entry stays unsettled until each of its events was delivered or buried. A sink whose order counts works in one process
at a time, and that one first takes over all that was not settled.
"""

from itertools import groupby
from typing import Any

import anyio
from anyio.abc import TaskGroup

from bus.protocol import Delivery, Place
from bus.retry import Backoff
from contracts.errors import Refused, StoreLost, Unavailable

from ...parts import Sink
from ..groups import single_error
from ..home import Home, log, outputs
from .delivering import Deliverer
from .dispatching import Dispatcher, Result
from .fleet import Fleet
from .following import Following
from .parcels import Opened, Parcel
from .parking import Parking
from .turn import Turn
from .unpacking import Unpacker

_WAIT_S = 0.2
_FETCH = 16
#: What is under way when everything stops may still take so long.
_FINISH_S = 5.0
#: How many entries are taken over at once from whoever had the turn before.
_TAKE = 64


class SinkRunner:
    """Runs one sink as a member of a consumer group."""

    def __init__(self, home: Home, name: str, sink: Sink[Any], streams: list[str]) -> None:
        self.home, self.name, self.sink = home, name, sink
        self.group = name
        self.places = [Place(stream, number) for stream in streams for number in range(home.bus.partitions)]
        self._open: dict[tuple[Place, int], Opened] = {}
        self._turn = Turn(home, name) if sink.ordered else None
        self._in_turn = False
        self._fleet = Fleet(home, self.group, self.places, alone=sink.ordered)
        self._following = Following(home, self.group, self.places)
        self._unpacker = Unpacker(home, name, sink, self._following)
        self._deliverer = Deliverer(home, name, sink, self._unpacker)
        self._dispatcher = Dispatcher(
            home, max(1, sink.concurrency), self._deliver, ordered=sink.ordered, may_begin=self._may_begin
        )
        self._parking = Parking()
        self._heirs: dict[Place, list[str]] = {}
        self._backoff = Backoff(home.settings.backoff_s, home.settings.backoff_max_s)

    @property
    def delivered(self) -> int:
        """Events that were delivered in this life."""
        return self._deliverer.delivered

    async def run(self) -> None:
        """Deliver until everything stops; what is not settled then is free for others at once."""
        self._dispatcher.reopen()
        await self.home.bus.subscribe(self.group, self.places)
        await self.sink.begin(self.home.recorded, self.home.bus, self.home.clock)
        if self._turn is None:
            await self._take_up()
        with single_error():
            async with anyio.create_task_group() as group:
                while not self.home.stopping:
                    await self._patiently(group)
                await self._dispatcher.finish(_FINISH_S)
                group.cancel_scope.cancel()
        await self._leave()
        await self.sink.end()

    async def _take_up(self) -> None:
        # A sign of life comes before anything is asked for: else others would take it for a dead member's.
        self._heirs = await self._fleet.dead()
        await self._following.begin()
        # What an earlier life of this member was given comes before anything new.
        self._parking.everything(self.places)

    def _may_begin(self) -> bool:
        return self._turn is None or (self._in_turn and self._turn.sure)

    async def _wait_for_turn(self, turn: Turn) -> bool:
        """Whether it is our turn. When it comes, what others were given and did not settle is read first, in order."""
        if not await turn.ours():
            if self._in_turn:
                self._in_turn = False
                log.warning("another process delivers from here on", sink=self.name)
                for opened in list(self._open.values()):
                    opened.lost = True
                    self._close(opened)
            await self.home.sleep(_WAIT_S)
        elif not self._in_turn:
            for place, others in (await self._fleet.dead()).items():
                while await self.home.bus.claim(self.group, self.home.owner, place, idle_s=0, count=_TAKE, of=others):
                    pass
            await self._take_up()
            self._in_turn = True
        return self._in_turn

    async def _patiently(self, group: TaskGroup) -> None:
        """One cycle; what is under way goes on while the server is away."""
        try:
            await self._cycle(group)
            self._backoff.reset()
        except StoreLost:
            raise
        except Unavailable as error:
            pause = self._backoff.pause()
            log.warning("unavailable", runner=self.name, cause=str(error), retry_in_s=round(pause, 1))
            # We may have been given entries that we do not know of.
            self._parking.everything(self.places)
            await self.home.sleep(pause)

    async def _cycle(self, group: TaskGroup) -> None:
        if self._turn is not None and not await self._wait_for_turn(self._turn):
            return
        if self._fleet.due:
            self._heirs = await self._fleet.dead()
            await self._touch()
        await self._settle_late()
        self._dispatcher.start(group)
        wait = self._dispatcher.next_due_s(_WAIT_S)
        if not self._dispatcher.hungry:
            await self._dispatcher.changed(wait)
        elif (cursor := self._parking.next(self._dispatcher.drained)) is not None:
            await self._reread(*cursor)
        elif self._heirs:
            await self._inherit()
        elif self._parking.full:
            await self._dispatcher.changed(wait)
        else:
            await self._fetch(wait)
        self._dispatcher.start(group)

    async def _leave(self) -> None:
        try:
            await self._settle_late()
            await self._fleet.leave()
            if self._turn is not None:
                await self._turn.leave()
        except Unavailable as error:
            log.warning("the group could not be told that we leave", runner=self.name, cause=str(error))

    # ---- entries come in

    async def _fetch(self, wait_s: float) -> None:
        owner = self.home.owner
        for delivery in await self.home.bus.fetch(self.group, owner, self.places, count=_FETCH, block_s=wait_s):
            await self._unpacker.look_back(delivery.place, delivery.entry)
            await self._begin(delivery, fetched=True)

    async def _reread(self, place: Place, after: int) -> None:
        """Take up what is ours already: from an earlier life, or left on the server for want of room."""
        found = await self.home.bus.unsettled(self.group, self.home.owner, place, count=_FETCH, after=after)
        for delivery in found:
            await self._unpacker.look_back(place, delivery.entry)
            await self._begin(delivery)
        last = found[-1].entry.last if len(found) == _FETCH else None
        self._parking.read(place, last, self._dispatcher.drained)

    async def _inherit(self) -> None:
        """Take over what the dead were at work on."""
        for place, dead in list(self._heirs.items()):
            found = await self.home.bus.claim(self.group, self.home.owner, place, idle_s=0, count=_FETCH, of=dead)
            for delivery in found:
                await self._begin(delivery)
            if found:
                log.warning("entries taken over", sink=self.name, of=dead, entries=len(found), stream=place.stream)
            if len(found) < _FETCH:
                del self._heirs[place]
                for member in dead:
                    await self.home.bus.dismiss(self.group, member, [place])

    async def _begin(self, delivery: Delivery, *, fetched: bool = False) -> None:
        key = (delivery.place, delivery.entry.last)
        # One that is open is on its way already, in this life: its receipts could not be stored yet.
        if key in self._open or (opened := await self._unpacker.opened(delivery)) is None:
            return
        # The first life in which it was begun is not counted.
        if opened.crashes >= self.sink.lives - 1:
            for parcel in list(opened.parcels):
                times = opened.crashes + 1
                self._deliverer.give_up(parcel, Refused(f"its delivery ended the process, {times} times"))
        destinations = {parcel.destination for parcel in opened.parcels}
        if destinations and not any(self._takes(name, *key, fetched=fetched) for name in destinations):
            self._parking.park(*key, destinations)
            return
        self._parking.taken(*key)
        self._open[key] = opened
        self._dispatcher.add(opened)
        if not opened.parcels:
            await self._settle(opened)

    def _takes(self, destination: str, place: Place, last: int, *, fetched: bool) -> bool:
        if self.sink.ordered and self._parking.behind(destination, place, last, fetched=fetched):
            return False
        return self._dispatcher.takes(destination)

    # ---- entries are done with

    async def _deliver(self, parcel: Parcel) -> Result:
        opened = parcel.opened
        if opened.lost:
            return Result(works=True)
        result = await self._deliverer.deliver(parcel)
        if not opened.parcels:
            try:
                await self._settle(opened)
            except StoreLost:
                raise
            except Unavailable as error:
                log.warning("receipts wait", sink=self.name, cause=str(error))
        return result

    async def _settle(self, opened: Opened) -> None:
        """Settle an entry with its receipts. If somebody else settled it meanwhile, theirs are there."""
        if opened.settling:
            return
        opened.settling = True
        place, entry = opened.delivery.place, opened.delivery.entry
        try:
            async with self._deliverer.asking:
                ours = await self.home.bus.settle(self.group, place, entry, outputs(opened.receipts, self.name))
            if not ours:
                log.info("settled by another member", sink=self.name, stream=place.stream, position=entry.last)
        finally:
            opened.settling = False
        self._close(opened)

    async def _settle_late(self) -> None:
        """Settle what could not be settled when it was delivered."""
        for opened in [opened for opened in self._open.values() if not opened.parcels and not opened.settling]:
            await self._settle(opened)

    def _close(self, opened: Opened) -> None:
        if self._open.pop((opened.delivery.place, opened.delivery.entry.last), None) is not None:
            self._dispatcher.remove(opened)

    async def _touch(self) -> None:
        """Say that we are at work on what we have in hand, and let go of what somebody else has taken over."""
        by_place = groupby(sorted(self._open), key=lambda key: key[0])
        for place, keys in [(place, list(keys)) for place, keys in by_place]:
            opened = [self._open[key] for key in keys if key in self._open]
            entries = [each.delivery.entry for each in opened]
            ours = {entry.last for entry in await self.home.bus.touch(self.group, self.home.owner, place, entries)}
            for each in opened:
                if each.delivery.entry.last not in ours and not each.settling:
                    each.lost = True
                    self._close(each)
