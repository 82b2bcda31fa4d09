"""Who else works for the same consumer group, and who has died: by signs of life, on our own monotonic clock.

The idle time that the server keeps of each entry follows its wall clock, and says nothing of a member that is slow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bus.protocol import Place

from ..home import Home, log

#: Who leaves in order is noticed so soon; who dies, when a lease is over.
_LOOK_S = 1.0


@dataclass
class _Sighting:
    """A member's last sign of life that we saw, and when we first saw it."""

    beat: str
    since: float


class Fleet:
    """The members of a consumer group, as seen by one of them."""

    def __init__(self, home: Home, group: str, places: Sequence[Place], *, alone: bool = False) -> None:
        """``alone``: while we work nobody else does, so what others hold is free, whether or not they live."""
        self.home, self.group, self.places, self.alone = home, group, places, alone
        self._beat = 0
        self._seen: dict[str, _Sighting] = {}
        self._due = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for a sign of life, and to see who left."""
        return self.home.clock.monotonic_s() >= self._due

    async def beat(self) -> set[str]:
        """Give a sign of life; returns the members that gave one within the time of a lease."""
        now, lease = self.home.clock.monotonic_s(), self.home.settings.lease_s
        self._due = now + min(lease / 3, _LOOK_S)
        self._beat += 1
        beats = await self.home.bus.members(self.group, self.home.owner, self._beat)
        for member, beat in beats.items():
            if member not in self._seen or self._seen[member].beat != beat:
                self._seen[member] = _Sighting(beat, now)
        for member in set(self._seen) - set(beats):
            del self._seen[member]
        return {member for member, seen in self._seen.items() if now - seen.since < lease} | {self.home.owner}

    async def dead(self) -> dict[Place, list[str]]:
        """Give a sign of life, and name the members that left or died with entries in their hands, place by place."""
        # First what is held, then who lives: a member gives its first sign before it is handed anything.
        held = await self.home.bus.consumers(self.group, self.places)
        living = await self.beat()
        if self.alone:
            living = {self.home.owner}
        for member in sorted(set(self._seen) - living):
            if not any(member in holders for holders in held.values()):
                await self._forget(member)
        return {place: gone for place, holders in held.items() if (gone := sorted(set(holders) - living))}

    async def _forget(self, member: str) -> None:
        if await self.home.bus.dismiss(self.group, member, self.places):
            await self.home.bus.members(self.group, member, None)
            log.info("dead member forgotten", group=self.group, member=member)

    async def leave(self) -> None:
        """Say goodbye: what we still hold is free for the others at once, and for our own next life."""
        await self.home.bus.members(self.group, self.home.owner, None)
        await self.home.bus.dismiss(self.group, self.home.owner, self.places)
