"""A bus in memory on which part of a recorded log happens again, at the ordinals that it had then."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from contracts.events import ReadingsEvent
from contracts.frames import Frame, decode, encode

from .memory import MemoryBus
from .protocol import Commit, Entry, Place, Recorded, Snapshot

_PAGE = 64


class Sandbox(MemoryBus):
    """Begins wherever it is told, takes recorded entries as they are, and gives outputs the turn that they had."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        self._turns: dict[Place, Turns] = {}

    def start_at(self, place: Place, ordinal: int) -> None:
        """Let an empty place go on after an ordinal, as if what was before had been trimmed."""
        if self._end(place):
            raise ValueError(f"{place} has begun already")
        self._ends[place] = ordinal

    def put(self, place: Place, entries: Sequence[Entry]) -> None:
        """Append recorded entries with the ordinals that they have; holes stay holes."""
        for entry in entries:
            last = max(entry.last, self._end(place) + entry.count)
            self._ends[place] = last
            self._streams[place].append(entry if last == entry.last else replace(entry, last=last))

    def merge(self, turns: "Turns") -> None:
        """Let what is written to a place stand in the order that was recorded."""
        self._turns[turns.place] = turns

    async def commit(self, commit: Commit) -> None:
        if await self.position(commit.partition, commit.task) != commit.position:
            await super().commit(replace(commit, outputs=()))
            for stream, frame in commit.outputs:
                turns = self._turns.get(Place(stream, commit.partition))
                if turns is None or frame.writer not in turns.own:
                    self._append(Place(stream, commit.partition), frame)
                else:
                    turns.waiting[frame.writer].append(frame)
                    await self.take_turns(turns.place)

    async def save(self, partition: int, task: str, token: int, snapshot: Snapshot) -> None:
        # To recover from, not to compare with: outputs may still wait for their turn.
        await super().save(partition, task, token, replace(snapshot, ends={}, maker=""))

    async def take_turns(self, place: Place, most: int = _PAGE) -> bool:
        """Let stand in a place what has its turn, at most about ``most`` recorded entries; whether anything did."""
        turns, moved = self._turns.get(place), 0
        if turns is None:
            return False
        while moved < most:
            entry = await turns.front()
            if entry is None:
                return self.finish(place) > 0 or moved > 0
            if turns.copied(entry):
                self.put(place, [entry])
                turns.pass_on()
            elif writer_of(entry) not in turns.own:
                turns.pass_on()
            elif (frame := await turns.take()) is not None:
                self._append(place, frame)
            else:
                break
            moved += 1
        return moved > 0

    def reached(self, place: Place, ordinal: int) -> bool:
        """Whether everything that was recorded in a place up to an ordinal has had its turn."""
        return place not in self._turns or self._turns[place].passed >= ordinal

    def finish(self, place: Place) -> int:
        """Let stand whatever still waits, in no promised order: the record says no more. Returns how much."""
        turns = self._turns.get(place)
        if turns is None:
            return 0
        frames = [frame for queue in turns.waiting.values() for frame in queue]
        turns.waiting.clear()
        for frame in frames:
            self._append(place, frame)
        return len(frames)


@dataclass
class Turns:
    """Who wrote when to a place, as it was recorded, and the outputs that wait for their turn in it.

    ``own`` are the writers that work again, each with the ordinal up to which what it wrote then is taken as it was.
    ``foreign`` tells of an entry of anybody else whether it is taken as it was; else it is left out.
    """

    recorded: Recorded
    place: Place
    after: int
    last: int
    own: Mapping[str, int]
    foreign: Callable[[Entry], bool]
    waiting: dict[str, deque[Frame]] = field(default_factory=lambda: defaultdict(deque))
    passed: int = 0
    """The ordinal up to which everything recorded had its turn."""
    _ahead: deque[Entry] = field(default_factory=deque)
    _left: int = 0

    def copied(self, entry: Entry) -> bool:
        """Whether the entry is taken as it was."""
        upto = self.own.get(writer_of(entry))
        return self.foreign(entry) if upto is None else entry.last <= upto

    async def front(self, number: int = 0) -> Entry | None:
        """The entry whose turn it is, or the one ``number`` behind it; None at the end of the record."""
        while len(self._ahead) <= number:
            found = await self.recorded.range(self.place, self.after + 1, self.last, count=_PAGE)
            if not found:
                return None
            self.after = found[-1].last
            if not self._ahead:
                self._left = found[0].count
            self._ahead += found
        return self._ahead[number]

    def pass_on(self) -> None:
        """The entry whose turn it is has had it."""
        self.passed = self._ahead.popleft().last
        self._left = self._ahead[0].count if self._ahead else 0

    async def take(self) -> Frame | None:
        """What its writer has for this turn; None as long as it has nothing."""
        entry = self._ahead[0]
        writer = writer_of(entry)
        queue = self.waiting[writer]
        if not queue:
            return None
        frame = queue.popleft()
        while frame.count > self._left:
            following = await self.front(1)
            if following is None:
                # The record ends here: what is more than it holds stands behind it.
                self._left = frame.count
            elif writer_of(following) == writer and not self.copied(following):
                # How outputs were cut then means nothing: neighbouring turns of one writer are one.
                left = self._left
                self.pass_on()
                self._left += left
            else:
                frame, *rest = cut(frame, self._left)
                queue.extendleft(reversed(rest))
        self._left -= frame.count
        if not self._left:
            self.pass_on()
        return frame


def writer_of(entry: Entry) -> str:
    """Who wrote an entry, whether or not it can be read."""
    return entry.fields.get(b"w", b"").decode(errors="replace")


def cut(frame: Frame, count: int) -> list[Frame]:
    """A frame as several, so that the first ones hold its first ``count`` events."""
    events = decode(frame)
    first = events[0]
    if isinstance(first, ReadingsEvent):
        parts = [first.readings.take(slice(0, count)), first.readings.take(slice(count, len(first)))]
        return [each for part in parts for each in encode([type(first)(part)], frame.writer)]
    return [each for part in (events[:count], events[count:]) for each in encode(part, frame.writer)]
