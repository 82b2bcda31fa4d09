"""The loop around a chore: one process of the fleet looks after it, and another takes over when that one dies."""

import anyio

from bus.protocol import Place
from bus.retry import Backoff
from contracts.errors import Unavailable
from contracts.frames import encode

from ..parts import Chore, Log
from .groups import single_error
from .home import Home, log
from .ownership import Ownership

_LOOK_S = 0.4


class ChoreRunner:
    """Runs a chore while the lease on its home partition is ours."""

    def __init__(self, home: Home, name: str, chore: Chore) -> None:
        self.home, self.name, self.chore = home, name, chore
        self.partition = home.home_partition(name)
        self._ownership = Ownership(home, name, [self.partition])
        self._backoff = Backoff(home.settings.backoff_s, home.settings.backoff_max_s)

    async def run(self) -> None:
        """Tend until everything stops."""
        self._ownership = Ownership(self.home, self.name, [self.partition])
        with single_error():
            async with anyio.create_task_group() as group:
                # A look may take longer than a lease.
                group.start_soon(self._ownership.keep)
                try:
                    await self._work()
                finally:
                    group.cancel_scope.cancel()
        await self._ownership.leave()

    async def _work(self) -> None:
        due = 0.0
        while not self.home.stopping:
            if self._ownership.due:
                changes = await self._ownership.refresh()
                for partition in changes.surplus:
                    await self._ownership.release(partition)
            now = self.home.clock.monotonic_s()
            if self.partition in self._ownership.held and now >= due:
                pause = await self._tend()
                due = self.home.clock.monotonic_s() + pause
            await self.home.sleep(min(_LOOK_S, max(0.0, due - self.home.clock.monotonic_s()) or _LOOK_S))

    async def _tend(self) -> float:
        """One look; returns the pause until the next."""
        home = self.home
        try:
            positions = [await home.bus.positions(number) for number in range(home.bus.partitions)]
            events = await self.chore.tend(Log(home.recorded, positions, home.clock.wall_ns()))
            for event in events:
                # All events of a stream that chores tell stand in one partition, and so in one order.
                place = Place(event.stream, home.home_partition(event.stream))
                await home.bus.append(place, list(encode([event], self.name)))
        except Unavailable as error:
            pause = max(self._backoff.pause(), self.chore.every_s)
            log.warning("chore waits", chore=self.name, cause=str(error), retry_in_s=round(pause, 1))
            return pause
        self._backoff.reset()
        return self.chore.every_s
