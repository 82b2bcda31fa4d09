"""How long it takes from handing a reading to the source until its alert can be read."""

import time

from bus.protocol import Place
from bus.redis import RedisBus
from contracts.events import AnomalyDetected
from contracts.frames import decode_all

from .feed import HANDED_KEY, START_NS, STEP_NS

_POPPED = 1_000


class Alerts:
    """Milliseconds of the alerts of all rows that are handed over from the start on, in the order they came."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus, self._after, self._begun = bus, dict[Place, int](), 0
        self._handed: dict[int, int] = {}
        self.latencies: list[float] = []

    async def start(self) -> None:
        """From here on they count."""
        self._begun = time.perf_counter_ns()
        self._after = await self._bus.ends(
            [Place(AnomalyDetected.stream, partition) for partition in range(self._bus.partitions)]
        )

    async def read(self, seconds: float) -> None:
        """Read what comes within that time."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            for place, entries in (await self._bus.read(self._after, count=500, block_s=min(0.1, left))).items():
                now = time.perf_counter_ns()
                self._after[place] = entries[-1].last
                await self._learn()
                for event in decode_all(entries):
                    if isinstance(event, AnomalyDetected):
                        at = self._handed.get((event.time - START_NS) // STEP_NS, 0)
                        if at >= self._begun:
                            self.latencies.append((now - at) / 1e6)

    async def _learn(self) -> None:
        """Which rows were handed over when."""
        while found := await self._bus._server.call("LPOP", HANDED_KEY, _POPPED):
            for item in found:
                first, count, at = map(int, item.split())
                self._handed.update(dict.fromkeys(range(first, first + count), at))
