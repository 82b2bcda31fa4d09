"""Which partitions of a task are ours: a fair share of them, by leases, without anybody's wall clock.

Every member of a fleet says regularly that it lives. A member whose sign of life did not change for the time of a
lease, as seen on our own monotonic clock, is taken for dead, and so are its leases. Being wrong is harmless: whoever
takes a lease over gets a larger fencing token, and the commits of the former owner are refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from contracts.errors import TocsinError

from .home import Home, log

#: A member that shares the work, or waits for it, looks so often whether somebody left: less than a second passes then.
_EAGER_S = 0.4
#: A member that was silent for so many lease times is forgotten. If it wakes up, it is a member again with its next
#: sign of life.
_FORGET_LEASES = 20


@dataclass
class _Sighting:
    """The last sign of life that we saw, and when we first saw it."""

    sign: str
    since: float


@dataclass
class Changes:
    """What a look at the leases brought."""

    gained: dict[int, int] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)
    surplus: list[int] = field(default_factory=list)


class Ownership:
    """The leases of one task in this process; of all partitions, or ``only`` of some."""

    def __init__(self, home: Home, task: str, only: Sequence[int] | None = None) -> None:
        self.home, self.task = home, task
        self._partitions = tuple(range(home.bus.partitions) if only is None else only)
        self.held: dict[int, int] = {}
        self._leases: dict[int, _Sighting] = {}
        self._members: dict[str, _Sighting] = {}
        self._silent: set[str] = set()
        self._alive: set[str] = set()
        self._beat = 0
        self._next = self._whole_after = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to look again: three times in a lease, and more often where others share the work."""
        return self.home.clock.monotonic_s() >= self._next

    async def refresh(self) -> Changes:
        """Give signs of life, and take or name partitions until we have our share.

        The caller finishes its work on ``surplus`` partitions and then gives them to ``release``.
        """
        now = self.home.clock.monotonic_s()
        before, beats = self._alive, await self._say_we_live()
        share = self._share(beats, now)
        await self._forget(beats, now)
        if now < self._whole_after and self._alive == before and len(self.held) >= share:
            self._plan(now, eager=True)
            return Changes()
        self._whole_after = now + self.home.settings.lease_s / 3
        changes = Changes(lost=await self._renew())
        if len(self.held) > share:
            changes.surplus = sorted(self.held)[share:]
        for partition in self._wanted():
            if len(self.held) >= share:
                break
            token = await self._try(partition, now)
            if token is not None:
                self.held[partition] = changes.gained[partition] = token
        self._plan(now, eager=len(self.held) < len(self._partitions))
        return changes

    def _plan(self, now: float, *, eager: bool) -> None:
        self._next = min(self._whole_after, now + _EAGER_S) if eager else self._whole_after

    async def _say_we_live(self) -> dict[str, str]:
        self._beat += 1
        return await self.home.bus.members(self.task, self.home.owner, self._beat)

    async def keep(self) -> None:
        """Go on giving signs of life while a step takes longer than the time between two looks; until cancelled."""
        third = self.home.settings.lease_s / 3
        while True:
            await anyio.sleep(third)
            if self.home.clock.monotonic_s() < self._next + third / 2:
                continue
            try:
                await self._say_we_live()
                for partition, token in list(self.held.items()):
                    await self.home.bus.renew(partition, self.task, self.home.owner, token)
            except TocsinError as error:
                # The work itself meets it, too, and says so.
                log.debug("no sign of life", task=self.task, cause=str(error))

    async def _renew(self) -> list[int]:
        lost = []
        for partition, token in list(self.held.items()):
            if not await self.home.bus.renew(partition, self.task, self.home.owner, token):
                del self.held[partition]
                lost.append(partition)
                log.warning("lease lost", task=self.task, partition=partition, token=token)
        return lost

    def _share(self, beats: dict[str, str], now: float) -> int:
        alive = {
            owner
            for owner, beat in beats.items()
            if self._fresh(self._members, owner, beat, now) or owner == self.home.owner
        }
        self._silent, self._alive = set(beats) - alive, alive
        return -(-len(self._partitions) // max(1, len(alive)))

    async def _forget(self, beats: dict[str, str], now: float) -> None:
        """Members that are long dead are not to be looked at for ever."""
        for owner in self._members.keys() - beats.keys():
            del self._members[owner]
        for owner in self._silent:
            if now - self._members[owner].since > _FORGET_LEASES * self.home.settings.lease_s:
                log.info("member forgotten", task=self.task, member=owner)
                await self.home.bus.members(self.task, owner, None)

    def _fresh(self, sightings: dict[Any, _Sighting], key: object, sign: str, now: float) -> bool:
        seen = sightings.get(key)
        if seen is None or seen.sign != sign:
            sightings[key] = _Sighting(sign, now)
            return True
        return now - seen.since < self.home.settings.lease_s

    def _wanted(self) -> list[int]:
        # Members begin at different places, so that they do not all ask for the same partition first.
        count = len(self._partitions)
        start = self.home.home_partition(f"{self.home.owner} {self.task}")
        turned = (self._partitions[(start + i) % count] for i in range(count))
        return [number for number in turned if number not in self.held]

    async def _try(self, partition: int, now: float) -> int | None:
        bus, owner = self.home.bus, self.home.owner
        token = await bus.acquire(partition, self.task, owner, seen=None)
        if token is not None:
            return token
        sign = await bus.sign(partition, self.task)
        # A member that is silent gives no sign on its leases either: no need to watch each for another lease's time.
        if sign.rsplit(" ", 2)[0] not in self._silent and self._fresh(self._leases, partition, sign, now):
            return None
        log.warning("taking over a silent owner's lease", task=self.task, partition=partition, holder=sign)
        return await bus.acquire(partition, self.task, owner, seen=sign)

    async def release(self, partition: int) -> None:
        """Give one partition back."""
        token = self.held.pop(partition, None)
        if token is not None:
            await self.home.bus.release(partition, self.task, self.home.owner, token)

    async def leave(self) -> None:
        """Give everything back, so that a successor starts at once."""
        for partition in list(self.held):
            await self.release(partition)
        await self.home.bus.members(self.task, self.home.owner, None)
