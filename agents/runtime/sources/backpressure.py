"""Slowing a source down before the server is full, and before anybody who reads is too far behind.

What is in the log needs room for what follows from it, all the way to the sinks. From ``SLOW_AT`` of the memory on a
source rests, the longer the fuller it is; from ``STOP_AT`` on it stands still. Nothing is ever dropped for it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple

from bus.protocol import Place
from contracts.errors import TocsinError
from contracts.events import SourcePaceChanged

from ..home import Home, log

Pace = Literal["full", "slow", "stopped"]

SLOW_AT, STOP_AT = 0.70, 0.85
#: A pace is kept until it is better by so much: near a limit it would change with every look.
_SLACK = 0.02
#: A look costs a round trip for every partition.
_LOOK_S = 0.5
_LONGEST_REST_S = 10.0


class Reader(NamedTuple):
    """A task, or the group of a sink, that has to come along with the sources."""

    task: str
    stream: str
    group: bool = False


class Brakes:
    """Decides how fast one source may go."""

    def __init__(self, home: Home, agent: str, source: str, readers: Sequence[Reader], most_lag: int) -> None:
        self.home, self.agent, self.source = home, agent, source
        self.readers, self.most_lag = readers, most_lag
        self.pace: Pace = "full"
        self._look_after = 0.0

    async def hold(self, alive: Callable[[], Awaitable[None]]) -> None:
        """Wait as long as the source has to; ``alive`` is called meanwhile, for its lease."""
        if self.home.clock.monotonic_s() < self._look_after:
            return
        begun = self.home.clock.monotonic_s()
        full = await self._look()
        while self.pace == "stopped" and not self.home.stopping:
            await self.home.sleep(_LOOK_S)
            await alive()
            full = await self._look()
        if self.pace == "slow":
            await self._rest(full, alive)
        now = self.home.clock.monotonic_s()
        self.home.telemetry.waited(self.source, now - begun)
        self._look_after = now + _LOOK_S

    async def _look(self) -> float:
        lag, full = await self._lag(), await self.home.bus.fullness()
        await self._announce(self._wanted(lag, full), lag, full)
        return full

    def _wanted(self, lag: int, full: float) -> Pace:
        slack = {"full": 0.0, "slow": _SLACK, "stopped": 0.0}[self.pace]
        stop = STOP_AT - (_SLACK if self.pace == "stopped" else 0.0)
        if lag > self.most_lag or full >= stop:
            return "stopped"
        return "slow" if full >= SLOW_AT - slack else "full"

    async def _rest(self, full: float, alive: Callable[[], Awaitable[None]]) -> None:
        """Half way to the stop a source works half of the time."""
        share = min(max(full - SLOW_AT, 0.0) / (STOP_AT - SLOW_AT), 0.99)
        rest = min(_LOOK_S * share / (1 - share), _LONGEST_REST_S)
        while rest > 0 and not self.home.stopping:
            await self.home.sleep(min(rest, _LOOK_S))
            await alive()
            rest -= _LOOK_S

    async def _announce(self, pace: Pace, lag: int, full: float) -> None:
        if pace == self.pace:
            return
        self.pace = pace
        log.warning("source pace", source=self.source, pace=pace, memory_used=round(full, 2), readers_behind=lag)
        now = self.home.clock.wall_ns()
        event = SourcePaceChanged.of(
            cause=self.source,
            time=now,
            asset=self.agent,
            discriminator=f"{self.home.owner} {now}",
            source=self.source,
            pace=pace,
            memory=round(full, 3),
            behind=lag,
        )
        try:
            await self.home.tell(self.home.home_partition(f"source:{self.source}"), self.agent, event)
        except TocsinError as error:
            # The very server that is full has to take it.
            log.warning("pace could not be told to the log", cause=str(error))

    async def _lag(self) -> int:
        """How far the last of all readers is behind, in one partition of its stream."""
        bus, worst = self.home.bus, 0
        streams = sorted({reader.stream for reader in self.readers})
        ends = await bus.ends([Place(stream, number) for stream in streams for number in range(bus.partitions)])
        waiting = {place: end for place, end in ends.items() if end > self.most_lag}
        for partition in sorted({place.partition for place in waiting}):
            done = await bus.positions(partition)
            for reader in self.readers:
                place = Place(reader.stream, partition)
                if place in waiting:
                    at = await self._settled(reader, place) if reader.group else int(done.get(reader.task) or 0)
                    worst = max(worst, waiting[place] - at)
        return worst

    async def _settled(self, reader: Reader, place: Place) -> int:
        return (await self.home.bus.settled(reader.task, [place]))[place]
