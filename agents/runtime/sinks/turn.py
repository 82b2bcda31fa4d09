"""Whose turn it is to deliver, where one process does so at a time: by a lease, as partitions are owned."""

from ..home import Home
from ..ownership import Ownership

#: We are sure of our turn for this share of a lease after the last look: others wait for a whole one.
_SURE = 0.6


class Turn:
    """One of a group's members works; the others wait until it leaves, or gave no sign of life for a lease."""

    def __init__(self, home: Home, group: str) -> None:
        self.home = home
        self._partition = home.home_partition(group)
        self._ownership = Ownership(home, f"{group}.turn", [self._partition])
        self._sure_until = 0.0

    @property
    def sure(self) -> bool:
        """Whether nobody else can have taken over: false also in a process that was paused for long."""
        return self.home.clock.monotonic_s() < self._sure_until

    async def ours(self) -> bool:
        """Whether it is our turn; gives signs of life while it is."""
        if self._ownership.due:
            now = self.home.clock.monotonic_s()
            await self._ownership.refresh()
            if self._partition in self._ownership.held:
                self._sure_until = now + _SURE * self.home.settings.lease_s
        return self._partition in self._ownership.held

    async def leave(self) -> None:
        """Give the turn to whoever waits."""
        self._sure_until = 0.0
        await self._ownership.leave()
