"""How long what a recorder reads is waiting for it; told when it gets too long, and when that is over."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bus.protocol import Place
from bus.scan import backwards
from contracts.errors import Unavailable
from contracts.events import LineageDelayed

from ..telemetry import families
from .home import Home, log

_LOOK_S = 1.0
#: Ends that are remembered for a place: the times between them are then known to some share of the whole.
_MOST_MARKS = 64
_OVER = 0.5


@dataclass
class _Lane:
    """Where the place ended at some moments, oldest first, as far as that is not recorded; and what was told."""

    marks: list[tuple[int, float]] = field(default_factory=list)
    end: int = 0
    told: bool = False


class Delays:
    """Watches the partitions that a recorder owns, beside it: a record may hang for long.

    Event time says nothing of waiting where old data is read. So the moment counts at which an event was first seen
    here to be unrecorded, which for what was there before us is our own beginning.
    """

    def __init__(self, home: Home, task: str, stream: str, positions: Mapping[int, int], late_s: float | None) -> None:
        self.home, self.task, self.stream, self.positions, self.late_s = home, task, stream, positions, late_s
        self.error = ""
        self._lanes: dict[int, _Lane] = {}

    async def watch(self) -> None:
        """Look until everything stops."""
        while not self.home.stopping:
            try:
                await self.look()
            except Unavailable as error:
                log.debug("delays are not known", task=self.task, cause=str(error))
            await self.home.sleep(_LOOK_S)

    async def look(self) -> None:
        """One look at the ends of all partitions that are ours. Raises Unavailable."""
        positions = dict(self.positions)
        for gone in self._lanes.keys() - positions.keys():
            del self._lanes[gone]
        for new in positions.keys() - self._lanes.keys():
            self._lanes[new] = _Lane(told=await self._is_told(new))
        ends = await self.home.bus.ends([Place(self.stream, number) for number in positions])
        now, longest = self.home.clock.monotonic_s(), 0.0
        for partition, position in positions.items():
            lane, end = self._lanes[partition], ends[Place(self.stream, partition)]
            waiting = _waiting(lane, position, end, now)
            longest = max(longest, waiting)
            if self.late_s is not None:
                await self._tell(partition, lane, end - position, waiting, self.late_s)
        self.home.telemetry.metrics.put(families.UNRECORDED, self.task, value=longest)

    async def _is_told(self, partition: int) -> bool:
        """Whether the last that was told of the partition, perhaps by another process, is that it is delayed."""
        if self.late_s is None:
            return False
        async for found in backwards(self.home.recorded, Place(LineageDelayed.stream, partition)):
            for event in reversed(found.events):
                if isinstance(event, LineageDelayed) and event.task == self.task:
                    return event.state == "delayed"
        return False

    async def _tell(self, partition: int, lane: _Lane, behind: int, waiting: float, late_s: float) -> None:
        if not lane.told and waiting > late_s:
            log.warning(
                "findings are not recorded", task=self.task, partition=partition, behind=behind,
                oldest_waits_s=round(waiting), cause=self.error,
            )  # fmt: skip
        elif lane.told and waiting < late_s * _OVER:
            log.info("findings are recorded again", task=self.task, partition=partition, behind=behind)
        else:
            return
        now = self.home.clock.wall_ns()
        event = LineageDelayed.of(
            cause=self.home.owner,
            time=now,
            asset=self.task.partition("<")[0],
            discriminator=f"{self.task} {partition}",
            task=self.task,
            state="caught up" if lane.told else "delayed",
            behind=behind,
            since=now - round(waiting * 1e9),
            error=self.error[:500],
        )
        # First: what could not be told is tried again.
        await self.home.tell(partition, self.task, event)
        lane.told = not lane.told


def _waiting(lane: _Lane, position: int, end: int, now: float) -> float:
    """Seconds since the oldest event behind ``position`` was first seen to be there; 0 where there is none."""
    if end > lane.end:
        lane.marks.append((end, now))
        if len(lane.marks) > _MOST_MARKS:
            del lane.marks[1::2]
    # A log that lost its end begins anew there.
    lane.end = end
    while lane.marks and (lane.marks[0][0] <= position or end <= position):
        lane.marks.pop(0)
    if end > position and not lane.marks:
        lane.marks.append((end, now))
    return now - lane.marks[0][1] if lane.marks else 0.0
