"""The loop around a forwarder: streams of all partitions into one partition, each event once.

Two positions are kept for each partition that is read. One stands beside the copy, and moves in the same commit: what
was copied is not copied again. The other stands where it was read, and moves after it: so far nothing is needed there
any more.
"""

from collections.abc import Sequence
from typing import Any

from bus.protocol import Commit
from contracts.events import AnyEvent

from ..parts import Batch, Forwarder
from .home import Home, outputs
from .recording import RecorderRunner


class ForwarderRunner(RecorderRunner):
    """Runs a forwarder on one stream, on the partitions that we own."""

    def __init__(self, home: Home, name: str, forwarder: Forwarder[Any, Any], stream: str) -> None:
        super().__init__(home, name, forwarder, stream)
        self.forwarder = forwarder
        self._copied: dict[int, str] = {}

    async def _opened(self, partition: int, token: int) -> int:
        own = await super()._opened(partition, token)
        self._copied[partition] = await self.home.bus.fence(self._there, self._copy(partition), token)
        reached = int(self._copied[partition] or 0)
        if reached > own:
            # The former owner died between the two commits.
            await self.home.bus.commit(Commit(partition, self.task, token, str(own or ""), str(reached)))
        return max(own, reached)

    async def _recorded(self, batch: Batch) -> Sequence[AnyEvent]:
        events = self.forwarder.forward(batch.events, batch.stream, self.home.clock.wall_ns())
        if events:
            before, token = self._copied[batch.partition], self._ownership.held.get(batch.partition, 0)
            task, last = self._copy(batch.partition), str(batch.last)
            copied = outputs(events, self.task)
            await self.home.bus.commit(Commit(self._there, task, token, before, last, copied))
            self._copied[batch.partition] = last
        return []

    @property
    def _there(self) -> int:
        """The partition that everything comes into."""
        (stream,) = {kind.stream for kind in self.forwarder.writes()}
        return self.home.home_partition(stream)

    def _copy(self, partition: int) -> str:
        # Without "<": it is no reader of a stream of that partition, and holds nothing back there.
        return f"copy:{self.task.replace('<', ':')}:{partition}"
