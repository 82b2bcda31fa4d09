"""Time as events: so that processors notice silence, and notice it again at the same place in every replay."""

from bus.protocol import Commit
from contracts.errors import Fenced, PositionMoved
from contracts.events import ClockTicked

from ..home import Home, outputs
from ..ownership import Ownership

TASK = "clock"


class Ticker:
    """Writes a tick into every partition now and then; one process of the fleet at a time does it for a partition."""

    def __init__(self, home: Home, agent: str, every_s: float = 5.0) -> None:
        self.home, self.agent, self.every_s = home, agent, every_s
        self._ownership = Ownership(home, TASK)
        self._positions: dict[int, str] = {}

    async def run(self) -> None:
        """Tick until everything stops."""
        # What an earlier try of ours took may not have been opened: it is taken anew.
        self._ownership = Ownership(self.home, TASK)
        self._positions.clear()
        due = 0.0
        while not self.home.stopping:
            if self._ownership.due:
                await self._rebalance()
            if self.home.clock.monotonic_s() >= due:
                due = self.home.clock.monotonic_s() + self.every_s
                await self._tick(self.home.clock.wall_ns())
            await self.home.sleep(min(self.every_s, self.home.settings.lease_s / 3))
        await self._ownership.leave()

    async def _rebalance(self) -> None:
        changes = await self._ownership.refresh()
        for partition in changes.lost + changes.surplus:
            self._positions.pop(partition, None)
        for partition in changes.surplus:
            await self._ownership.release(partition)
        for partition, token in changes.gained.items():
            self._positions[partition] = await self.home.bus.fence(partition, TASK, token)

    async def _tick(self, now: int) -> None:
        for partition, before in list(self._positions.items()):
            # A clock that was set back stays silent until it is past where it was.
            if before and int(before) >= now:
                continue
            event = ClockTicked.of(cause=f"{TASK}:{now}", time=now, asset=TASK, discriminator=str(partition))
            token = self._ownership.held[partition]
            commit = Commit(partition, TASK, token, before, str(now), outputs([event], self.agent))
            try:
                await self.home.bus.commit(commit)
            except PositionMoved as error:
                self._positions[partition] = error.found
            except Fenced:
                self._positions.pop(partition)
                await self._ownership.release(partition)
            else:
                self._positions[partition] = str(now)
